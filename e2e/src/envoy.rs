//! Envoy as a process.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File},
    io,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use local_cloudwatch::SECRET_MARK;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

use crate::{Admin, Bootstrap, Listener, eventually, installation};

/// How long Envoy may take to start, or to find that it cannot: it compiles the modules for every worker.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long it may take to end.
const END_LIMIT: Duration = Duration::from_secs(20);

/// How long a change of listeners may take.
const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// What Envoy writes when a module has trapped or panicked.
const SIGNS_OF_A_TRAP: [&str; 3] = ["Function: proxy_", "panicked at", "Uncaught RuntimeError"];

/// The file of dynamic listeners, in Envoy's own folder.
const LISTENERS: &str = "listeners.json";

/// A running Envoy. When it is dropped it is killed, and its log is shown if the test has failed.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    admin: Admin,
    listeners: BTreeMap<String, SocketAddr>,
}

/// An Envoy that did not start.
#[derive(Debug)]
pub struct Refusal {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote.
    pub log: String,
}

impl Envoy {
    /// Starts Envoy and waits until it serves.
    ///
    /// # Panics
    /// When it does not, or its program or the modules are missing.
    pub async fn start(bootstrap: &Bootstrap) -> Self {
        Self::serving(Process::spawn(bootstrap)).await
    }

    /// Starts Envoy with a configuration that is there already, by these arguments and variables, and waits until it
    /// serves. It has two worker threads.
    ///
    /// # Panics
    /// When it does not, or its program is missing.
    pub async fn start_with(arguments: &[String], variables: &[(String, String)]) -> Self {
        let folder = TempDir::new().expect("a folder for temporary files");
        let child = run(arguments, variables.iter().map(|(name, value)| (name, value)), 2, folder.path());
        Self::serving(Process::new(child, folder)).await
    }

    async fn serving(mut process: Process) -> Self {
        let admin = eventually("Envoy serves", START_LIMIT, async || {
            if let Some(status) = process.ended() {
                return Ok(Err(status));
            }
            let address = process.admin_address().ok_or("there is no administration interface yet")?;
            let (status, text) = Admin::new(address).page("/ready").await.map_err(|error| error.to_string())?;
            if status == 200 { Ok(Ok(Admin::new(address))) } else { Err(text) }
        })
        .await;
        let admin = admin.unwrap_or_else(|status| panic!("Envoy does not start: {status}"));
        let listeners = admin.listeners().await;
        Self { process, admin, listeners }
    }

    /// Starts Envoy with something that it must refuse, and waits until it has ended.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn refuse(bootstrap: &Bootstrap) -> Refusal {
        let mut process = Process::spawn(bootstrap);
        let status = eventually("Envoy refuses", START_LIMIT, async || process.ended().ok_or("it runs")).await;
        Refusal { status, log: process.log() }
    }

    /// Its administration interface.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Where a listener listens.
    ///
    /// # Panics
    /// When there is no listener of this name.
    pub fn address(&self, listener: &str) -> SocketAddr {
        self.listeners[listener]
    }

    /// Changes the listeners of an Envoy that was started with dynamic ones, and waits until connections and plugins of
    /// those that were changed or removed are gone.
    ///
    /// # Panics
    /// When Envoy does not take the listeners.
    pub async fn update(&self, listeners: &[Listener]) {
        let updates = async || self.admin.stats("listener_manager").await;
        let before = updates().await["listener_manager.lds.update_success"];
        write_listeners(self.process.folder.path(), listeners).expect("the listeners are written");
        eventually("the listeners are changed", DRAIN_LIMIT, async || {
            let stats = updates().await;
            let is_so = stats["listener_manager.lds.update_success"] > before
                && stats["listener_manager.total_listeners_warming"] == 0
                && stats["listener_manager.total_listeners_draining"] == 0
                && stats["listener_manager.total_filter_chains_draining"] == 0;
            if is_so { Ok(()) } else { Err(format!("{stats:#?}\n{}", self.log())) }
        })
        .await;
    }

    /// What it has written.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Envoy runs, and no module has trapped.
    ///
    /// # Panics
    /// When that is not so.
    pub fn assert_sound(&mut self) {
        self.assert_running();
        assert_no_trap(&self.log());
    }

    /// Envoy runs, whatever has become of the modules.
    ///
    /// # Panics
    /// When that is not so.
    pub fn assert_running(&mut self) {
        assert_eq!(self.process.ended(), None, "Envoy has ended");
    }

    /// How many times a module has trapped.
    pub fn traps(&self) -> usize {
        self.log().matches("Uncaught RuntimeError").count()
    }

    /// The memory that it has in RAM, in bytes.
    ///
    /// # Panics
    /// When the system does not tell, as those do not that are not Linux.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.child.id())).expect("a running Envoy");
        let kilobytes =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB")?.trim().parse().ok());
        let kilobytes: u64 = kilobytes.expect("the resident memory of a process");
        kilobytes * 1024
    }

    /// Asks it to end, as an orchestrator does (SIGTERM), and waits until it has; gives its status and its log.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn terminate(mut self) -> (ExitStatus, String) {
        let id = i32::try_from(self.process.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process id"), Signal::TERM).expect("the process takes the signal");
        let status = eventually("Envoy ends", END_LIMIT, async || self.process.ended().ok_or("it runs")).await;
        (status, self.log())
    }
}

/// Nothing in the log tells of a trap.
fn assert_no_trap(log: &str) {
    let trap = log.lines().find(|line| SIGNS_OF_A_TRAP.iter().any(|sign| line.contains(sign)));
    assert_eq!(trap, None, "a module has trapped");
}

#[derive(Debug)]
struct Process {
    child: Child,
    folder: TempDir,
}

impl Process {
    fn spawn(bootstrap: &Bootstrap) -> Self {
        let folder = TempDir::new().expect("a folder for temporary files");
        Self::new(spawn(bootstrap, folder.path()), folder)
    }

    fn new(child: io::Result<Child>, folder: TempDir) -> Self {
        let child = child.unwrap_or_else(|error| panic!("{} does not run: {error}", installation::envoy().display()));
        Self { child, folder }
    }

    /// How it has ended, if it has.
    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of a child process")
    }

    fn admin_address(&self) -> Option<SocketAddr> {
        fs::read_to_string(self.folder.path().join("admin")).ok()?.parse().ok()
    }

    fn log(&self) -> String {
        let bytes = fs::read(self.folder.path().join("log")).expect("Envoy's log");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- Envoy's log ---\n{}", self.log());
        } else {
            assert!(!self.log().contains(SECRET_MARK), "a secret is in Envoy's log:\n{}", self.log());
        }
    }
}

fn spawn(bootstrap: &Bootstrap, folder: &Path) -> io::Result<Child> {
    let configuration = folder.join("envoy.json");
    fs::write(&configuration, bootstrap.to_json(&folder.join(LISTENERS)).to_string())?;
    write_listeners(folder, bootstrap.listeners())?;
    let variables = bootstrap.variables().map(|(name, value)| (name, value));
    run(&["--config-path".as_ref(), configuration.as_os_str()], variables, bootstrap.worker_count(), folder)
}

/// Runs Envoy, which writes its log and the address of its administration interface into a folder.
fn run<'a>(
    arguments: &[impl AsRef<OsStr>],
    variables: impl Iterator<Item = (&'a String, &'a String)>,
    workers: usize,
    folder: &Path,
) -> io::Result<Child> {
    let log = File::create(folder.join("log"))?;
    Command::new(installation::envoy())
        .args(arguments)
        .arg("--admin-address-path")
        .arg(folder.join("admin"))
        .args(["--use-dynamic-base-id", "--drain-time-s", "1", "--concurrency", &workers.to_string()])
        // Nothing of this user's settings and credentials.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs(variables)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// Writes the listeners so that Envoy, which watches for files that are moved in, reads all of them or none.
fn write_listeners(folder: &Path, listeners: &[Listener]) -> io::Result<()> {
    let typed = listeners.iter().map(|listener| {
        let mut listener = listener.to_json();
        listener["@type"] = "type.googleapis.com/envoy.config.listener.v3.Listener".into();
        listener
    });
    let new = folder.join("listeners.new");
    fs::write(&new, json!({ "resources": typed.collect::<Vec<_>>() }).to_string())?;
    fs::rename(new, folder.join(LISTENERS))
}
