//! Counts the instructions of a running Envoy with callgrind. On a busy machine a count repeats to a tenth of a
//! percent, where times differ by half.
//!
//! Envoy starts without counting, which is many times faster. Only user space is counted, not the kernel.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    cpu::CpuLayout,
    envoy::{Envoy, Start},
};

/// The name of the files with counts, in Envoy's folder.
const COUNTS: &str = "callgrind";

/// The time limit for the start of Envoy under callgrind, where everything takes many times as long.
const START_LIMIT: Duration = Duration::from_secs(400);

/// Starts Envoy under callgrind, which does not count yet, and waits until Envoy is ready.
///
/// # Errors
/// Returns Envoy's log if it does not start in time.
pub(crate) fn start_envoy(start: &Start<'_>, layout: &CpuLayout) -> Result<Envoy, String> {
    Envoy::start_wrapped(start, layout, command, START_LIMIT)
}

/// Returns the command that runs a program under callgrind, without that program. `folder` receives the counts.
fn command(folder: &Path) -> Vec<String> {
    [
        "valgrind",
        "--tool=callgrind",
        "--instr-atstart=no",
        "--separate-threads=yes",
        // V8 writes code at run time.
        "--smc-check=all-non-file",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([format!("--callgrind-out-file={}", folder.join(COUNTS).display())])
    .collect()
}

/// The instructions that an Envoy executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instructions {
    /// Those of the main thread.
    pub(crate) main: u64,
    /// Those of all other threads: the worker, and the thread that writes access logs.
    pub(crate) others: u64,
}

/// Starts to count.
///
/// # Errors
/// Returns an error if Envoy has ended or does not run under callgrind.
pub(crate) fn start(envoy: &Envoy) -> Result<(), String> {
    control(envoy, &["--instr=on"])
}

/// Counts the instructions while `act` runs.
///
/// # Errors
/// Returns an error if `act` does, or if Envoy has ended.
pub(crate) fn during(envoy: &Envoy, act: impl FnOnce() -> Result<(), String>) -> Result<Instructions, String> {
    control(envoy, &["--zero"])?;
    act()?;
    control(envoy, &["--dump"])?;
    let counts = take(envoy.folder())?;
    counts.ok_or_else(|| format!("callgrind wrote no counts\n{}", envoy.log()))
}

fn control(envoy: &Envoy, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new("callgrind_control");
    let output = command.args(arguments).arg(envoy.id().to_string()).output();
    let output = output.map_err(|error| format!("cannot run callgrind_control: {error}; it is part of valgrind"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("callgrind_control: {}{}", String::from_utf8_lossy(&output.stdout), envoy.log()))
}

/// Reads and removes the files of a dump: one for each thread, with the thread's number at the end of its name.
fn take(folder: &Path) -> Result<Option<Instructions>, String> {
    let mut counts = None;
    for file in dumps(folder)? {
        let describe = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = fs::read_to_string(&file).map_err(|error| describe(&error))?;
        let (thread, count) = parse(&text).ok_or_else(|| describe(&"no number of a thread, or no count"))?;
        let counts = counts.get_or_insert(Instructions { main: 0, others: 0 });
        let of_thread = if thread == 1 { &mut counts.main } else { &mut counts.others };
        *of_thread = of_thread.saturating_add(count);
        fs::remove_file(&file).map_err(|error| describe(&error))?;
    }
    Ok(counts)
}

fn dumps(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let is_dump =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{COUNTS}.")));
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).filter(is_dump).collect())
}

/// Returns the number of the thread and its instructions.
fn parse(dump: &str) -> Option<(u64, u64)> {
    let value = |label: &str| dump.lines().find_map(|line| line.strip_prefix(label)?.trim().parse().ok());
    Some((value("thread:")?, value("summary:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_all_threads_but_the_main_thread_are_added_up() {
        let folder = tempfile::TempDir::new().unwrap();
        for (thread, count) in [(1, 5), (2, 70), (7, 900)] {
            let text = format!("version: 1\npid: 1\nthread: {thread}\nevents: Ir\nsummary: {count}\n\nfn=(1) x\n");
            fs::write(folder.path().join(format!("callgrind.1-0{thread}")), text).unwrap();
        }
        fs::write(folder.path().join("callgrind"), "").unwrap();
        assert_eq!(take(folder.path()), Ok(Some(Instructions { main: 5, others: 970 })));
        assert_eq!(take(folder.path()), Ok(None));
    }
}
