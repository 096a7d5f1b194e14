//! The CPU time of a process, from the kernel's scheduler, and the assignment of CPUs.

use std::{fs, path::Path, time::Duration};

use rustix::{
    process::Pid,
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// Returns the CPU time of all threads of a process. Threads that have ended are not included; Envoy's threads do not
/// end.
///
/// # Errors
/// Returns an error if the process has ended or the system is not Linux.
pub(crate) fn of_process(id: u32) -> Result<Duration, String> {
    let folder = format!("/proc/{id}/task");
    let entries = fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
    let threads = entries.filter_map(Result::ok).map(|entry| of_file(&entry.path().join("schedstat")));
    threads.sum()
}

/// Returns the CPU time of the main thread of a process.
///
/// # Errors
/// Returns an error if the process has ended or the system is not Linux.
pub(crate) fn of_main_thread(id: u32) -> Result<Duration, String> {
    of_file(Path::new(&format!("/proc/{id}/task/{id}/schedstat")))
}

fn of_file(file: &Path) -> Result<Duration, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let nanoseconds = text.split(' ').next().and_then(|number| number.parse().ok());
    nanoseconds.map(Duration::from_nanos).ok_or_else(|| format!("{}: cannot read a time from {text:?}", file.display()))
}

/// The assignment of CPUs.
///
/// The last CPU is for the load generator and the others are for Envoy's workers, so that they do not interrupt each
/// other. Envoy's main thread may use all CPUs: if it had to share the only remaining one with a worker, it would wake
/// up late and have more to do at once than in practice. If there is only one CPU, all share it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuLayout {
    all: CpuSet,
    workers: CpuSet,
    load: CpuSet,
}

impl CpuLayout {
    /// Assigns the CPUs of this process.
    ///
    /// # Errors
    /// Returns an error if the system does not report its CPUs.
    pub(crate) fn new() -> Result<Self, String> {
        let all = sched_getaffinity(None).map_err(|error| format!("cannot read the CPUs of this process: {error}"))?;
        let (mut workers, mut load) = (all, CpuSet::new());
        let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| all.is_set(*cpu));
        if let Some(last) = last.filter(|_| all.count() > 1) {
            workers.unset(last);
            load.set(last);
        } else {
            load = all;
        }
        Ok(Self { all, workers, load })
    }

    /// Pins the workers of an Envoy to their CPUs.
    ///
    /// # Errors
    /// Returns an error if the process has ended.
    pub(crate) fn pin_workers(&self, id: u32) -> Result<(), String> {
        let folder = format!("/proc/{id}/task");
        let entries = fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
        for thread in entries.filter_map(Result::ok) {
            let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
            let id = thread.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
            if name.starts_with("wrk:worker") && id.is_some() {
                // If the system refuses, the results only vary more.
                let _ = sched_setaffinity(id, &self.workers);
            }
        }
        Ok(())
    }

    /// Calls `act` on the CPU of the load generator. Processes that it starts inherit the CPU.
    pub(crate) fn on_load_cpu<T>(&self, act: impl FnOnce() -> T) -> T {
        let _ = sched_setaffinity(None::<Pid>, &self.load);
        let result = act();
        let _ = sched_setaffinity(None::<Pid>, &self.all);
        result
    }
}
