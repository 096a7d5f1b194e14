//! Instructions of the pure hot path, counted by callgrind: what a clock cannot tell on a machine that does other things.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use clap::Args;

use crate::{document, envoy, table::table};

/// The scenes, with how often each is done; twice as often as well, and the difference counts.
const SCENES: [(&str, u64); 6] =
    [("match", 10_000), ("record_seed", 2_000), ("record_full", 2_000), ("merge", 100), ("encode", 20), ("sign", 200)];

/// By how many percent a count may differ from the stored one: the seeds of hash maps and the addresses of memory vary from run to
/// run, and the C library picks its copies of memory by the CPU.
const MARGIN: u64 = 5;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Store what is counted, instead of comparing with what is stored.
    #[arg(long, env = "UPDATE")]
    update: bool,
}

type Counts = BTreeMap<String, u64>;

/// Counts the instructions of each scene, and compares them with the stored ones.
///
/// # Errors
/// When one is off by more than the margin.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let counted = SCENES.iter().map(|(scene, times)| Ok(((*scene).to_owned(), per_scene(scene, *times)?)));
    let counted = counted.collect::<Result<Counts, String>>()?;
    println!("{}", text(&counted));
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file().display());
    if options.update {
        let json = serde_json::to_string_pretty(&counted).map_err(|error| named(&error))?;
        fs::write(file(), json + "\n").map_err(|error| named(&error))?;
        return document::replace("instructions", &text(&counted));
    }
    let stored = fs::read_to_string(file()).map_err(|error| named(&error))?;
    let stored: Counts = serde_json::from_str(&stored).map_err(|error| named(&error))?;
    let faults = faults(&stored, &counted);
    if faults.is_empty() {
        return Ok(());
    }
    Err(format!("{}\nIf that is as it should be: UPDATE=true make check-instructions", faults.join("\n")))
}

fn text(counted: &Counts) -> String {
    let rows = counted.iter().map(|(scene, count)| vec![scene.clone(), count.to_string()]);
    table(&["scene", "instructions"], rows)
}

fn faults(stored: &Counts, counted: &Counts) -> Vec<String> {
    let fault = |(scene, count): (&String, &u64)| {
        let Some(before) = stored.get(scene) else { return Some(format!("{scene}: no count is stored")) };
        let is_off = count.abs_diff(*before).saturating_mul(100) > before.saturating_mul(MARGIN);
        let percent = (*count as f64 / *before as f64 - 1.0) * 100.0;
        is_off.then(|| format!("{scene}: {count} instructions are {percent:+.1} % off the {before} that are stored"))
    };
    counted.iter().filter_map(fault).collect()
}

/// Instructions of a scene done once: what doing it twice as often adds, so that what is done before it does not count.
fn per_scene(scene: &str, times: u64) -> Result<u64, String> {
    let (once, twice) = (instructions(scene, times)?, instructions(scene, times.saturating_mul(2))?);
    Ok(twice.saturating_sub(once).checked_div(times).unwrap_or_default())
}

fn instructions(scene: &str, times: u64) -> Result<u64, String> {
    const LINE: &str = "Collected : ";
    let program = envoy::root().join("target/release/scenes");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["run", scene, &times.to_string()])
        .output()
        .map_err(|error| format!("valgrind does not run: {error}; Debian has it: apt-get install valgrind"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let count = text.lines().find_map(|line| line.split_once(LINE)?.1.trim().parse().ok());
    count.ok_or_else(|| format!("callgrind: {text}"))
}

fn file() -> PathBuf {
    envoy::root().join("bench/instructions.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_may_differ_by_the_margin() {
        let counts = |count| Counts::from([("match".to_owned(), count)]);
        assert!(faults(&counts(1_000), &counts(1_050)).is_empty());
        assert!(faults(&counts(1_000), &counts(950)).is_empty());
        let expected = ["match: 1051 instructions are +5.1 % off the 1000 that are stored"];
        assert_eq!(faults(&counts(1_000), &counts(1_051)), expected);
        assert_eq!(faults(&counts(1_000), &counts(949)).len(), 1);
        assert_eq!(faults(&Counts::new(), &counts(1)).len(), 1);
    }
}
