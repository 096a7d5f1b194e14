//! CPU per request: an Envoy for each variant, load on one after the other, round after round.

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
    cpu::Places,
    document, envoy,
    envoy::{Envoy, Start},
    floor,
    load::load,
    results,
    statistics::{interquartile_range, median},
    table,
    target::{Verdict, verdicts},
    variant::{EMPTY_FILTER, NONE, VARIANTS, Variant},
};

/// How far apart a variant is from its place in the last round, so that none always follows the same one.
const ROTATION: usize = 7;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Seconds of load for each variant in each round.
    #[arg(long, env = "BENCH_SECONDS", default_value_t = 1)]
    seconds: u64,
    /// Rounds; the median of them is the result.
    #[arg(long, env = "BENCH_ROUNDS", default_value_t = 15)]
    rounds: usize,
    /// Names of variants, with semicolons between them, to look at these only; nothing is written then.
    #[arg(long, env = "BENCH_ONLY", value_delimiter = ';')]
    only: Vec<String>,
}

/// The result of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) machine: String,
    pub(crate) seconds: u64,
    pub(crate) rounds: usize,
    pub(crate) variants: Vec<Row>,
    pub(crate) targets: Vec<Verdict>,
}

/// The result of a variant, in microseconds of CPU for each request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The median of the rounds.
    pub(crate) microseconds: f64,
    /// The interquartile range of the rounds.
    pub(crate) spread: f64,
    /// What is added to an Envoy without Wasm that answers with the same body.
    pub(crate) added: f64,
    /// That as a multiple of what the SDK's empty filter adds.
    pub(crate) ratio: f64,
    /// That as a multiple of what the variant's floor adds.
    pub(crate) of_floor: Option<f64>,
    /// Each round.
    pub(crate) each: Vec<f64>,
}

/// Measures all variants, prints a table, and writes results, chart and document.
///
/// # Errors
/// When something does not run.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let is_wanted = |variant: &Variant| options.only.is_empty() || options.only.iter().any(|name| name == variant.name);
    let variants: Vec<Variant> = VARIANTS.into_iter().filter(is_wanted).collect();
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
    let places = Places::new()?;
    eprintln!("Starting {} Envoys.", variants.len());
    let envoys = variants.iter().map(|variant| {
        let bootstrap = bootstrap(variant, cloudwatch.address());
        let start = Start { bootstrap: &bootstrap, workers: 1, arguments: &["--log-level", "error"] };
        Envoy::start(&start, &places).map_err(|error| format!("{}: {error}", variant.name))
    });
    let envoys = envoys.collect::<Result<Vec<_>, _>>()?;
    let round = |variant: &Variant, envoy: &Envoy, seconds: u64| {
        envoy.thaw()?;
        let before = envoy.cpu()?;
        let load = load(envoy.address()?, seconds, &places).map_err(|error| format!("{}: {error}", variant.name))?;
        let used = envoy.cpu()?.saturating_sub(before);
        envoy.freeze()?;
        // An access log would fill the disk.
        let log = File::options().write(true).open(envoy.folder().join("access.log"));
        let _ = log.map(|log| log.set_len(0));
        Ok::<_, String>(used.as_secs_f64() * 1e6 / load.requests as f64)
    };
    envoys.iter().try_for_each(Envoy::freeze)?;
    for (variant, envoy) in variants.iter().zip(&envoys) {
        // V8 compiles what is hot for a second time.
        round(variant, envoy, 1)?;
    }
    // Everything is compared with these two, so they are measured twice in a round.
    let twice = variants.iter().enumerate().filter(|(_, variant)| [NONE, EMPTY_FILTER].contains(&variant.name));
    let visits: Vec<usize> = (0..variants.len()).chain(twice.map(|(at, _)| at)).collect();
    let mut measured = vec![Vec::new(); variants.len()];
    for number in 0..options.rounds {
        eprintln!("Round {} of {}.", number.saturating_add(1), options.rounds);
        let rotation = number.saturating_mul(ROTATION) % visits.len();
        for at in visits.iter().cycle().skip(rotation).take(visits.len()) {
            if let (Some(variant), Some(envoy), Some(measured)) =
                (variants.get(*at), envoys.get(*at), measured.get_mut(*at))
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

/// The receiver had something to publish: a module that does not work is cheap.
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
            return Err(format!("the receiver has received nothing: {page}\n{}", envoy.log()));
        }
        envoy::pause(Duration::from_millis(200));
    }
}

fn rows(variants: &[Variant], measured: &[Vec<f64>]) -> Vec<Row> {
    let medians: Vec<(&str, f64)> =
        variants.iter().zip(measured).map(|(variant, each)| (variant.name, median(each))).collect();
    let of = |name: &str| medians.iter().find(|(known, _)| *known == name).map_or(f64::NAN, |(_, median)| *median);
    let empty = of(EMPTY_FILTER) - of(NONE);
    let row = |(variant, each): (&Variant, &Vec<f64>)| {
        let base = of(variant.body.base());
        let added = of(variant.name) - base;
        Row {
            name: variant.name,
            microseconds: of(variant.name),
            spread: interquartile_range(each),
            added,
            ratio: added / empty,
            of_floor: variant.floor.map(|floor| added / (of(floor) - base)),
            each: each.clone(),
        }
    };
    variants.iter().zip(measured).map(row).collect()
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}
