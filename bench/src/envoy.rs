//! Envoy as a process.

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

use crate::{cpu, cpu::Places};

/// How long Envoy may take to start: it compiles the modules.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running Envoy. When it is dropped it is killed.
#[derive(Debug)]
pub(crate) struct Envoy {
    child: Child,
    folder: TempDir,
    admin: SocketAddr,
    listener: Option<SocketAddr>,
}

/// What an Envoy is started with.
#[derive(Clone, Debug)]
pub(crate) struct Start<'a> {
    /// Its bootstrap.
    pub(crate) bootstrap: &'a Value,
    /// Worker threads.
    pub(crate) workers: usize,
    /// Further arguments.
    pub(crate) arguments: &'a [&'a str],
}

impl Envoy {
    /// Starts Envoy and waits until it serves.
    ///
    /// # Errors
    /// When it does not, with what it wrote.
    pub(crate) fn start(start: &Start<'_>, places: &Places) -> Result<Self, String> {
        let folder = TempDir::new().map_err(|error| format!("no folder for temporary files: {error}"))?;
        let mut child = spawn(start, folder.path())?;
        let begin = Instant::now();
        let admin = loop {
            if let Some(admin) = ready(folder.path()) {
                break admin;
            }
            let is_ended = child.try_wait().is_ok_and(|status| status.is_some());
            if is_ended || begin.elapsed() > START_LIMIT {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("Envoy does not start:\n{}", log(folder.path())));
            }
            pause(Duration::from_millis(20));
        };
        let mut envoy = Self { child, folder, admin, listener: None };
        places.place_workers(envoy.id())?;
        let listeners: Value = envoy.page("/listeners?format=json").and_then(|page| {
            serde_json::from_str(&page).map_err(|error| format!("Envoy's listeners are no JSON: {error}"))
        })?;
        let port = listeners.pointer("/listener_statuses/0/local_address/socket_address/port_value");
        let port = port.and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
        envoy.listener = port.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        Ok(envoy)
    }

    /// Where its listener listens.
    ///
    /// # Errors
    /// When it has none.
    pub(crate) fn address(&self) -> Result<SocketAddr, String> {
        self.listener.ok_or_else(|| "this Envoy has no listener".to_owned())
    }

    /// The text of a page of its administration interface.
    ///
    /// # Errors
    /// When there is no such page.
    pub(crate) fn page(&self, path: &str) -> Result<String, String> {
        page(self.admin, path)
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its folder for temporary files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The time that it has had on a CPU so far.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn cpu(&self) -> Result<Duration, String> {
        cpu::of_process(self.id()).map_err(|error| format!("{error}\n{}", self.log()))
    }

    /// Stops it where it is, so that its timers take no time from another one, and nothing of that one's out of the caches.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn freeze(&self) -> Result<(), String> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on, and do what its timers have waited with.
    ///
    /// # Errors
    /// When it has ended.
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

    /// What it has written.
    pub(crate) fn log(&self) -> String {
        log(self.folder())
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // Both fail only when it has ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Envoy's program: that of the environment, or else that of the project's virtual environment.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("ENVOY").map_or_else(|| root().join(".venv/bin/envoy"), PathBuf::from)
}

/// The root of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Lets time pass.
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

fn spawn(start: &Start<'_>, folder: &Path) -> Result<Child, String> {
    let named = |error| format!("{}: {error}", folder.display());
    let (configuration, log) = (folder.join("envoy.json"), File::create(folder.join("log")).map_err(named)?);
    // The place of what Envoy writes is known only here.
    let bootstrap = start.bootstrap.to_string().replace("FOLDER", &folder.to_string_lossy());
    fs::write(&configuration, bootstrap).map_err(named)?;
    Command::new(program())
        .arg("--config-path")
        .arg(configuration)
        .arg("--admin-address-path")
        .arg(folder.join("admin"))
        .args(["--use-dynamic-base-id", "--concurrency", &start.workers.to_string()])
        .args(start.arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(named)?)
        .stderr(log)
        .spawn()
        .map_err(|error| format!("{} does not run: {error}", program().display()))
}

fn ready(folder: &Path) -> Option<SocketAddr> {
    let admin = fs::read_to_string(folder.join("admin")).ok()?.parse().ok()?;
    page(admin, "/ready").ok().map(|_| admin)
}

fn page(admin: SocketAddr, path: &str) -> Result<String, String> {
    let url = format!("http://{admin}{path}");
    let text = ureq::get(&url).call().and_then(|mut answer| answer.body_mut().read_to_string());
    text.map_err(|error| format!("{url}: {error}"))
}

fn log(folder: &Path) -> String {
    fs::read(folder.join("log")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
