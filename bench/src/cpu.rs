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

/// Which CPUs are whose, so that the load generator does not push Envoy from one to the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    all: CpuSet,
    envoy: CpuSet,
    load: CpuSet,
}

impl Places {
    /// The last CPU is the load generator's, the others are Envoy's; a single one is shared.
    ///
    /// # Errors
    /// When the system does not tell.
    pub(crate) fn new() -> Result<Self, String> {
        let all = sched_getaffinity(None).map_err(|error| format!("the CPUs of this process: {error}"))?;
        let (mut envoy, mut load) = (all, CpuSet::new());
        let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| all.is_set(*cpu));
        if let Some(last) = last.filter(|_| all.count() > 1) {
            envoy.unset(last);
            load.set(last);
        } else {
            load = all;
        }
        Ok(Self { all, envoy, load })
    }

    /// Does something, starting a process for instance, where Envoy's place is.
    pub(crate) fn at_envoy<T>(&self, act: impl FnOnce() -> T) -> T {
        self.at(&self.envoy, act)
    }

    /// Does something where the load generator's place is.
    pub(crate) fn at_load<T>(&self, act: impl FnOnce() -> T) -> T {
        self.at(&self.load, act)
    }

    fn at<T>(&self, place: &CpuSet, act: impl FnOnce() -> T) -> T {
        // What is not granted only makes figures less steady.
        let _ = sched_setaffinity(None::<Pid>, place);
        let done = act();
        let _ = sched_setaffinity(None::<Pid>, &self.all);
        done
    }
}
