//! Counts the instructions of the hot paths with callgrind. Unlike times, the counts are reproducible on a busy
//! machine.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use clap::Args;

use crate::{document, envoy, table::table};

/// The scenes, each with the number of repetitions. A scene also runs with twice that number, and the difference
/// counts.
const SCENES: [(&str, u64); 6] =
    [("match", 10_000), ("record_seed", 2_000), ("record_full", 2_000), ("merge", 100), ("encode", 20), ("sign", 200)];

/// The tolerance in percent. The seeds of hash maps and memory addresses vary between runs, and the C library selects
/// its copy routines by CPU.
const TOLERANCE: u64 = 5;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Store the counts instead of comparing them with the stored ones
    #[arg(long, env = "UPDATE")]
    update: bool,
}

type Counts = BTreeMap<String, u64>;

/// Counts the instructions of each scene and compares them with the stored counts.
///
/// # Errors
/// Returns an error if a count differs by more than the tolerance.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let counted = SCENES.iter().map(|(scene, times)| Ok(((*scene).to_owned(), per_scene(scene, *times)?)));
    let counted = counted.collect::<Result<Counts, String>>()?;
    println!("{}", text(&counted));
    let describe = |error: &dyn std::fmt::Display| format!("{}: {error}", file().display());
    if options.update {
        let json = serde_json::to_string_pretty(&counted).map_err(|error| describe(&error))?;
        fs::write(file(), json + "\n").map_err(|error| describe(&error))?;
        return document::replace("instructions", &text(&counted));
    }
    let stored = fs::read_to_string(file()).map_err(|error| describe(&error))?;
    let stored: Counts = serde_json::from_str(&stored).map_err(|error| describe(&error))?;
    let differences = differences(&stored, &counted);
    if differences.is_empty() {
        return Ok(());
    }
    Err(format!("{}\nif this is intended, run `UPDATE=true make check-instructions`", differences.join("\n")))
}

fn text(counted: &Counts) -> String {
    let rows = counted.iter().map(|(scene, count)| vec![scene.clone(), count.to_string()]);
    table(&["scene", "instructions"], rows)
}

/// Returns a message for each count that differs by more than the tolerance.
fn differences(stored: &Counts, counted: &Counts) -> Vec<String> {
    let difference = |(scene, count): (&String, &u64)| {
        let Some(before) = stored.get(scene) else { return Some(format!("{scene}: there is no stored count")) };
        let is_off = count.abs_diff(*before).saturating_mul(100) > before.saturating_mul(TOLERANCE);
        let percent = (*count as f64 / *before as f64 - 1.0) * 100.0;
        is_off.then(|| format!("{scene}: {count} instructions, {percent:+.1} % compared with the stored {before}"))
    };
    counted.iter().filter_map(difference).collect()
}

/// Returns the number of instructions for one repetition of a scene, without those for its preparation.
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
        .map_err(|error| format!("cannot run valgrind: {error}; install it with `apt-get install valgrind`"))?;
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
    fn a_count_may_differ_by_the_tolerance() {
        let counts = |count| Counts::from([("match".to_owned(), count)]);
        assert!(differences(&counts(1_000), &counts(1_050)).is_empty());
        assert!(differences(&counts(1_000), &counts(950)).is_empty());
        let expected = ["match: 1051 instructions, +5.1 % compared with the stored 1000"];
        assert_eq!(differences(&counts(1_000), &counts(1_051)), expected);
        assert_eq!(differences(&counts(1_000), &counts(949)).len(), 1);
        assert_eq!(differences(&Counts::new(), &counts(1)).len(), 1);
    }
}
