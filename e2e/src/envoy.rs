//! Runs Envoy as a child process.

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

/// Timeout for Envoy to start, or to fail. Envoy compiles the modules for every worker.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Timeout for Envoy to exit.
const END_LIMIT: Duration = Duration::from_secs(20);

/// Timeout for a change of listeners.
const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// Log texts that show that a module trapped or panicked.
const TRAP_LOGS: [&str; 3] = ["Function: proxy_", "panicked at", "Uncaught RuntimeError"];

/// The file with the dynamic listeners, in the process's folder.
const LISTENERS: &str = "listeners.json";

/// A running Envoy. Dropping it kills the process, and prints its log if the test failed.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    admin: Admin,
    listeners: BTreeMap<String, SocketAddr>,
}

/// An Envoy that did not start.
#[derive(Debug)]
pub struct StartupFailure {
    /// The exit status.
    pub status: ExitStatus,
    /// The log.
    pub log: String,
}

impl Envoy {
    /// Starts Envoy and waits until it is ready.
    ///
    /// # Panics
    /// Panics if Envoy does not become ready, or if Envoy or the modules are not installed.
    pub async fn start(bootstrap: &Bootstrap) -> Self {
        Self::wait_until_ready(Process::spawn(bootstrap)).await
    }

    /// Starts Envoy with an existing configuration, two worker threads, and the given arguments and environment
    /// variables. Waits until it is ready.
    ///
    /// # Panics
    /// Panics if Envoy does not become ready, or is not installed.
    pub async fn start_with(arguments: &[String], variables: &[(String, String)]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let child = run(arguments, variables.iter().map(|(name, value)| (name, value)), 2, folder.path());
        Self::wait_until_ready(Process::new(child, folder)).await
    }

    async fn wait_until_ready(mut process: Process) -> Self {
        let admin = eventually("Envoy is ready", START_LIMIT, async || {
            if let Some(status) = process.exit_status() {
                return Ok(Err(status));
            }
            let address = process.admin_address().ok_or("the admin interface has no address yet")?;
            let (status, text) = Admin::new(address).page("/ready").await.map_err(|error| error.to_string())?;
            if status == 200 { Ok(Ok(Admin::new(address))) } else { Err(text) }
        })
        .await;
        let admin = admin.unwrap_or_else(|status| panic!("Envoy did not start: {status}"));
        let listeners = admin.listeners().await;
        Self { process, admin, listeners }
    }

    /// Starts Envoy with an invalid configuration and waits until it exits.
    ///
    /// # Panics
    /// Panics if Envoy does not exit.
    pub async fn fail_to_start(bootstrap: &Bootstrap) -> StartupFailure {
        let mut process = Process::spawn(bootstrap);
        let status =
            eventually("Envoy fails to start", START_LIMIT, async || process.exit_status().ok_or("it is running"))
                .await;
        StartupFailure { status, log: process.log() }
    }

    /// Returns the client of the admin interface.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Returns the address of a listener.
    ///
    /// # Panics
    /// Panics if there is no listener with this name.
    pub fn address(&self, listener: &str) -> SocketAddr {
        self.listeners[listener]
    }

    /// Replaces the dynamic listeners and waits until connections and plugins of changed and removed listeners are
    /// closed.
    ///
    /// # Panics
    /// Panics if Envoy does not accept the listeners.
    pub async fn update(&self, listeners: &[Listener]) {
        let updates = async || self.admin.stats("listener_manager").await;
        let before = updates().await["listener_manager.lds.update_success"];
        write_listeners(self.process.folder.path(), listeners).expect("a listeners file");
        eventually("Envoy replaces the listeners", DRAIN_LIMIT, async || {
            let stats = updates().await;
            let is_met = stats["listener_manager.lds.update_success"] > before
                && stats["listener_manager.total_listeners_warming"] == 0
                && stats["listener_manager.total_listeners_draining"] == 0
                && stats["listener_manager.total_filter_chains_draining"] == 0;
            if is_met { Ok(()) } else { Err(format!("{stats:#?}\n{}", self.log())) }
        })
        .await;
    }

    /// Returns the log.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Asserts that Envoy is running and no module trapped.
    ///
    /// # Panics
    /// Panics if the assertion fails.
    pub fn assert_healthy(&mut self) {
        self.assert_running();
        assert_no_trap(&self.log());
    }

    /// Asserts that Envoy is running, even if modules trapped.
    ///
    /// # Panics
    /// Panics if the assertion fails.
    pub fn assert_running(&mut self) {
        assert_eq!(self.process.exit_status(), None, "Envoy exited");
    }

    /// Returns how often a module trapped.
    pub fn traps(&self) -> usize {
        self.log().matches("Uncaught RuntimeError").count()
    }

    /// Returns the resident memory in bytes. Works on Linux only.
    ///
    /// # Panics
    /// Panics if `/proc` does not have the value.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.child.id())).expect("a running Envoy");
        let kilobytes =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB")?.trim().parse().ok());
        let kilobytes: u64 = kilobytes.expect("VmRSS of the process");
        kilobytes * 1024
    }

    /// Sends SIGTERM, as an orchestrator does, and waits until Envoy exits. Returns its exit status and its log.
    ///
    /// # Panics
    /// Panics if Envoy does not exit.
    pub async fn terminate(mut self) -> (ExitStatus, String) {
        let id = i32::try_from(self.process.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process id"), Signal::TERM).expect("the signal is sent");
        let status =
            eventually("Envoy exits", END_LIMIT, async || self.process.exit_status().ok_or("it is running")).await;
        (status, self.log())
    }
}

/// Asserts that the log shows no trap.
fn assert_no_trap(log: &str) {
    let trap = log.lines().find(|line| TRAP_LOGS.iter().any(|text| line.contains(text)));
    assert_eq!(trap, None, "a module trapped");
}

#[derive(Debug)]
struct Process {
    child: Child,
    folder: TempDir,
}

impl Process {
    fn spawn(bootstrap: &Bootstrap) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        Self::new(spawn(bootstrap, folder.path()), folder)
    }

    fn new(child: io::Result<Child>, folder: TempDir) -> Self {
        let child = child.unwrap_or_else(|error| panic!("cannot run {}: {error}", installation::envoy().display()));
        Self { child, folder }
    }

    /// Returns the exit status, or `None` if the process is running.
    fn exit_status(&mut self) -> Option<ExitStatus> {
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
        // Both fail only if the process exited before.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- Envoy's log ---\n{}", self.log());
        } else {
            assert!(!self.log().contains(SECRET_MARK), "Envoy's log contains a secret:\n{}", self.log());
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

/// Runs Envoy. It writes its log and the address of its admin interface into `folder`.
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
        // Don't pass the user's settings and credentials.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs(variables)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// Writes the listeners atomically. Envoy watches for files that are moved into place.
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
