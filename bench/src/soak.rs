//! Draws the samples of e2e/tests/long_load.rs, and writes its figures into docs/performance.md.

use std::{collections::BTreeMap, fs, path::PathBuf};

use clap::Args;
use plot::{Axis, Chart, Panel};
use serde::{Deserialize, Serialize};

use crate::{document, envoy, results, statistics::median, table::table};

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// File with the samples
    #[arg(default_value = "target/soak.json")]
    samples: PathBuf,
}

/// The file of samples.
#[derive(Debug, Deserialize)]
struct Soak {
    seconds: u64,
    requests: u64,
    series: u64,
    updates: u64,
    key_sets: u64,
    stats: BTreeMap<String, u64>,
    samples: Vec<Sample>,
}

/// Envoy's memory in bytes, and the held values, at one moment.
#[derive(Debug, Deserialize)]
struct Sample {
    second: u64,
    resident: f64,
    allocated: f64,
    held_bytes: f64,
    held: f64,
}

/// The results of a run.
#[derive(Debug, Serialize)]
struct Run {
    machine: String,
    seconds: u64,
    requests: u64,
    series: u64,
    updates: u64,
    key_sets: u64,
    /// The medians of the resident memory in the quarters of the run, in bytes.
    resident_quarters: Vec<f64>,
    /// The medians of Envoy's own allocations in the quarters of the run, in bytes.
    allocated_quarters: Vec<f64>,
    stats: BTreeMap<String, u64>,
}

/// Draws the chart, prints the table, and updates results and documentation.
///
/// # Errors
/// Returns an error if the samples cannot be read or a file cannot be written.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let describe = |error: &dyn std::fmt::Display| format!("{}: {error}", options.samples.display());
    let text = fs::read_to_string(&options.samples).map_err(|error| describe(&error))?;
    let soak: Soak = serde_json::from_str(&text).map_err(|error| describe(&error))?;
    let quarters = |value: fn(&Sample) -> f64| {
        let values: Vec<f64> = soak.samples.iter().map(value).collect();
        values.chunks(values.len().div_ceil(4).max(1)).map(median).collect::<Vec<_>>()
    };
    let run = Run {
        machine: results::machine(),
        seconds: soak.seconds,
        requests: soak.requests,
        series: soak.series,
        updates: soak.updates,
        key_sets: soak.key_sets,
        resident_quarters: quarters(|sample| sample.resident),
        allocated_quarters: quarters(|sample| sample.allocated),
        stats: soak.stats.clone(),
    };
    let text = self::text(&run);
    println!("{text}");
    results::write("soak", &run)?;
    document::replace("soak", &text)?;
    let file = envoy::root().join("docs/soak.svg");
    fs::write(&file, chart(&soak).to_svg()?).map_err(|error| format!("{}: {error}", file.display()))
}

fn text(run: &Run) -> String {
    let count = |name: &str| run.stats.get(name).copied().unwrap_or_default();
    let dropped: u64 = run.stats.iter().filter(|(name, _)| name.contains(".dropped.")).map(|(_, value)| value).sum();
    let megabytes =
        |quarters: &[f64]| quarters.iter().map(|bytes| format!("{:.1}", bytes / 1e6)).collect::<Vec<_>>().join(", ");
    let rows = [
        ("seconds", run.seconds.to_string()),
        ("requests, all stored", run.requests.to_string()),
        ("series", run.series.to_string()),
        ("updates of a listener", run.updates.to_string()),
        ("sets of credentials", run.key_sets.to_string()),
        ("observed", count("sender.observed").to_string()),
        ("published", count("receiver.published").to_string()),
        ("held at the end", count("receiver.held").saturating_add(count("sender.held")).to_string()),
        ("dropped", dropped.to_string()),
        ("calls", count("receiver.requests").to_string()),
        ("calls sent again", count("receiver.retried").to_string()),
        ("of these throttled", count("receiver.throttled").to_string()),
        ("of these without an answer", count("receiver.unknown_outcome").to_string()),
        ("resident MB, medians of the quarters", megabytes(&run.resident_quarters)),
        ("allocated by Envoy MB, the same", megabytes(&run.allocated_quarters)),
    ];
    table(&["the long load", ""], rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]))
}

fn chart(soak: &Soak) -> Chart {
    // A point for every half a percent of the time is enough.
    let step = soak.samples.len().div_ceil(200).max(1);
    let of = |value: fn(&Sample) -> f64| {
        let highest = move |samples: &[Sample]| samples.iter().map(value).fold(0.0, f64::max);
        let minute = |samples: &[Sample]| samples.first().map_or(0.0, |sample| sample.second as f64 / 60.0);
        soak.samples.chunks(step).map(move |samples| (minute(samples), highest(samples))).collect::<Vec<_>>()
    };
    let minutes = || Axis::linear("minute");
    Chart::new("An hour with faults, updates of a listener and rotating credentials", 2)
        .panel(
            Panel::new("memory of Envoy", minutes(), Axis::linear("MB"))
                .line("resident", of(|sample| sample.resident / 1e6))
                .line("allocated by Envoy itself", of(|sample| sample.allocated / 1e6))
                .line("held data", of(|sample| sample.held_bytes / 1e6)),
        )
        .panel(
            Panel::new("values that wait in the receiver", minutes(), Axis::linear("values"))
                .line("held", of(|sample| sample.held)),
        )
}
