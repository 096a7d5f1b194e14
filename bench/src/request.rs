//! Measures the CPU time per request. Each variant has an Envoy, and each round puts load on one Envoy after the other.

use std::{
    fs::File,
    path::Path,
    time::{Duration, Instant},
};

use clap::Args;
use serde::Serialize;

use crate::{
    bootstrap::bootstrap,
    chart::chart,
    cloudwatch::CloudWatch,
    cpu::CpuLayout,
    document, envoy,
    envoy::{Envoy, Start},
    floor,
    load::load,
    results,
    row::Row,
    statistics::{interquartile_range, median},
    table,
    target::{Verdict, verdicts},
    variant::{EMPTY_FILTER, NONE, VARIANTS, Variant},
};

/// The number of positions by which the order of the variants is rotated in each round.
const ROTATION: usize = 7;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Duration of the load on each variant in each round, in seconds
    #[arg(long, env = "BENCH_SECONDS", default_value_t = 1)]
    seconds: u64,
    /// Number of rounds, of which the median is the result
    #[arg(long, env = "BENCH_ROUNDS", default_value_t = 15)]
    rounds: usize,
    /// Names of the variants to measure, separated by semicolons; results are printed but not stored
    #[arg(long, env = "BENCH_ONLY", value_delimiter = ';')]
    only: Vec<String>,
}

/// The results of a run.
#[derive(Debug, Serialize)]
struct Run {
    machine: String,
    seconds: u64,
    rounds: usize,
    variants: Vec<Row>,
    targets: Vec<Verdict>,
}

/// Measures all variants, prints tables, and updates results, chart and documentation.
///
/// # Errors
/// Returns an error if a program does not run or the receiver received nothing.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let is_selected =
        |variant: &Variant| options.only.is_empty() || options.only.iter().any(|name| name == variant.name);
    let variants: Vec<Variant> = VARIANTS.into_iter().filter(is_selected).collect();
    let rows = rows(&variants, &measure(options, &variants)?);
    let run = Run {
        machine: results::machine(),
        seconds: options.seconds,
        rounds: options.rounds,
        targets: verdicts(&rows),
        variants: rows,
    };
    println!("{}", table::requests(&run.variants));
    if !options.only.is_empty() {
        return Ok(());
    }
    println!("{}", table::targets(&run.targets));
    results::write("request", &run)?;
    let root = envoy::root();
    write(&root.join("docs/performance.svg"), &chart(&run.variants))?;
    document::replace("request", &table::requests(&run.variants))?;
    document::replace("targets", &table::targets(&run.targets))
}

fn measure(options: &Options, variants: &[Variant]) -> Result<Vec<Vec<f64>>, String> {
    floor::write_all()?;
    let cloudwatch = CloudWatch::start()?;
    let layout = CpuLayout::new()?;
    eprintln!("Starting {} Envoys", variants.len());
    let envoys = variants.iter().map(|variant| {
        let bootstrap = bootstrap(variant, cloudwatch.address());
        let start = Start { bootstrap: &bootstrap, workers: 1, arguments: &["--log-level", "error"] };
        Envoy::start(&start, &layout).map_err(|error| format!("{}: {error}", variant.name))
    });
    let envoys = envoys.collect::<Result<Vec<_>, _>>()?;
    let round = |variant: &Variant, envoy: &Envoy, seconds: u64| {
        envoy.thaw()?;
        let before = envoy.cpu()?;
        let load = load(envoy.address()?, seconds, &layout).map_err(|error| format!("{}: {error}", variant.name))?;
        let used = envoy.cpu()?.saturating_sub(before);
        envoy.freeze()?;
        // Truncate the access log, which would otherwise fill the disk.
        let log = File::options().write(true).open(envoy.folder().join("access.log"));
        let _ = log.map(|log| log.set_len(0));
        Ok::<_, String>(used.as_secs_f64() * 1e6 / load.requests as f64)
    };
    envoys.iter().try_for_each(Envoy::freeze)?;
    for (variant, envoy) in variants.iter().zip(&envoys) {
        // Warm up: V8 recompiles hot code with optimisations.
        round(variant, envoy, 1)?;
    }
    // All variants are compared with these two, so they are measured twice per round.
    let twice = variants.iter().enumerate().filter(|(_, variant)| [NONE, EMPTY_FILTER].contains(&variant.name));
    let visits: Vec<usize> = (0..variants.len()).chain(twice.map(|(index, _)| index)).collect();
    let mut measured = vec![Vec::new(); variants.len()];
    for number in 0..options.rounds {
        eprintln!("Round {} of {}", number.saturating_add(1), options.rounds);
        let rotation = number.saturating_mul(ROTATION) % visits.len();
        for index in visits.iter().cycle().skip(rotation).take(visits.len()) {
            if let (Some(variant), Some(envoy), Some(measured)) =
                (variants.get(*index), envoys.get(*index), measured.get_mut(*index))
            {
                measured.push(round(variant, envoy, options.seconds)?);
            }
        }
    }
    for (variant, envoy) in variants.iter().zip(&envoys).filter(|(variant, _)| variant.is_observed()) {
        check_received(envoy).map_err(|error| format!("{}: {error}", variant.name))?;
    }
    Ok(measured)
}

/// Checks that the receiver received data, because a module that does not work would seem cheap.
///
/// # Errors
/// Returns an error if the receiver received nothing in time.
fn check_received(envoy: &Envoy) -> Result<(), String> {
    const LIMIT: Duration = Duration::from_secs(15);
    envoy.thaw()?;
    let begin = Instant::now();
    loop {
        let page = envoy.page("/stats?filter=acpw.receiver.received")?;
        let received = page.trim().rsplit(' ').next().and_then(|count| count.parse::<u64>().ok());
        if received.is_some_and(|received| received > 0) {
            return Ok(());
        }
        if begin.elapsed() > LIMIT {
            return Err(format!("the receiver received nothing: {page}\n{}", envoy.log()));
        }
        envoy::pause(Duration::from_millis(200));
    }
}

fn rows(variants: &[Variant], measured: &[Vec<f64>]) -> Vec<Row> {
    let medians: Vec<(&str, f64)> =
        variants.iter().zip(measured).map(|(variant, each)| (variant.name, median(each))).collect();
    let median_of =
        |name: &str| medians.iter().find(|(known, _)| *known == name).map_or(f64::NAN, |(_, median)| *median);
    let empty = median_of(EMPTY_FILTER) - median_of(NONE);
    let row = |(variant, each): (&Variant, &Vec<f64>)| {
        let base = median_of(variant.body.base());
        let added = median_of(variant.name) - base;
        Row {
            name: variant.name,
            microseconds: median_of(variant.name),
            spread: interquartile_range(each),
            added,
            ratio: added / empty,
            of_floor: variant.floor.map(|floor| added / (median_of(floor) - base)),
            each: each.clone(),
        }
    };
    variants.iter().zip(measured).map(row).collect()
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}
