//! The time that a process has had on a CPU, from the kernel's scheduler.

use std::{fs, path::Path, time::Duration};

use rustix::{
    process::Pid,
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// The time that all threads of a process have had so far. A thread that ended takes its time with it; Envoy's do not end.
///
/// # Errors
/// When the process is gone, or the system is not Linux.
pub(crate) fn of_process(id: u32) -> Result<Duration, String> {
    let folder = format!("/proc/{id}/task");
    let entries = fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
    let threads = entries.filter_map(Result::ok).map(|entry| of_file(&entry.path().join("schedstat")));
    threads.sum()
}

/// The time that a process's main thread has had so far.
///
/// # Errors
/// As above.
pub(crate) fn of_main_thread(id: u32) -> Result<Duration, String> {
    of_file(Path::new(&format!("/proc/{id}/task/{id}/schedstat")))
}

fn of_file(file: &Path) -> Result<Duration, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let nanoseconds = text.split(' ').next().and_then(|number| number.parse().ok());
    nanoseconds.map(Duration::from_nanos).ok_or_else(|| format!("{}: no time in {text:?}", file.display()))
}

/// Which CPUs are whose: the last one is the load generator's, the others are those of Envoy's workers, so that neither
/// pushes the other around. Envoy's main thread has all of them: with a worker on the only one that is left, it would wake
/// up later and have more to do at once than where it has one for itself. A single CPU is shared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    all: CpuSet,
    workers: CpuSet,
    load: CpuSet,
}

impl Places {
    /// The places on this machine.
    ///
    /// # Errors
    /// When the system does not tell.
    pub(crate) fn new() -> Result<Self, String> {
        let all = sched_getaffinity(None).map_err(|error| format!("the CPUs of this process: {error}"))?;
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

    /// Gives an Envoy's workers their place.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn place_workers(&self, id: u32) -> Result<(), String> {
        let folder = format!("/proc/{id}/task");
        let entries = fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
        for thread in entries.filter_map(Result::ok) {
            let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
            let id = thread.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
            if name.starts_with("wrk:worker") && id.is_some() {
                // What is not granted only makes figures less steady; so below.
                let _ = sched_setaffinity(id, &self.workers);
            }
        }
        Ok(())
    }

    /// Does something, starting a process for instance, where the load generator's place is.
    pub(crate) fn at_load<T>(&self, act: impl FnOnce() -> T) -> T {
        let _ = sched_setaffinity(None::<Pid>, &self.load);
        let done = act();
        let _ = sched_setaffinity(None::<Pid>, &self.all);
        done
    }
}
