//! Measures the CPU time per request. Each variant has an Envoy, and each round puts load on one Envoy after the other.

use std::{
    fs::File,
    time::{Duration, Instant},
};

use clap::Args;
use serde::Serialize;

use crate::{
    bootstrap::bootstrap,
    cpu::CpuLayout,
    document, envoy,
    envoy::{Envoy, Start},
    floor, h2load,
    h2load::Until,
    peers::Peers,
    results,
    row::{Row, Samples, rows},
    table,
    table::Unit,
    target::{Verdict, verdicts},
    traffic::{ALL, BROWSER, Traffic},
    variant::{Body, EMPTY_FILTER, NONE, VARIANTS, Variant},
};

/// The number of positions by which the order of the variants is rotated in each round.
const ROTATION: usize = 7;
/// The number of connections: enough to keep the worker busy. With fewer connections the worker sleeps between
/// requests, and the wake-ups cost more, and vary more, than the modules.
const CONNECTIONS: u32 = 16;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Duration of the load on each variant in each round, in seconds
    #[arg(long, env = "BENCH_SECONDS", default_value_t = 1)]
    seconds: u64,
    /// Number of rounds, of which the median is the result
    #[arg(long, env = "BENCH_ROUNDS", default_value_t = 9)]
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

/// Measures all variants, prints tables, and updates results and documentation.
///
/// # Errors
/// Returns an error if a program does not run or the receiver received nothing.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let is_selected =
        |variant: &Variant| options.only.is_empty() || options.only.iter().any(|name| name == variant.name);
    let variants: Vec<Variant> = VARIANTS.into_iter().filter(is_selected).collect();
    let rows = rows(&variants, &ALL, &measure(options, &variants)?);
    let run = Run {
        machine: results::machine(),
        seconds: options.seconds,
        rounds: options.rounds,
        targets: verdicts(&rows),
        variants: rows,
    };
    println!("{}", table::requests(&run.variants, &ALL, Unit::Microseconds));
    if !options.only.is_empty() {
        return Ok(());
    }
    println!("{}", table::targets(&run.targets));
    results::write("request", &run)?;
    document::replace("request", &table::requests(&run.variants, &ALL, Unit::Microseconds))
}

fn measure(options: &Options, variants: &[Variant]) -> Result<Samples, String> {
    floor::write_all()?;
    let layout = CpuLayout::new()?;
    let peers = Peers::start(&layout)?;
    let servers = peers.servers()?;
    eprintln!("Starting {} Envoys", variants.len());
    let envoys = variants.iter().map(|variant| {
        let bootstrap = bootstrap(variant, &servers);
        let start = Start { bootstrap: &bootstrap, workers: 1, arguments: &["--log-level", "error"] };
        Envoy::start(&start, &layout).map_err(|error| format!("{}: {error}", variant.name))
    });
    let envoys = envoys.collect::<Result<Vec<_>, _>>()?;
    envoys.iter().try_for_each(Envoy::freeze)?;
    let visits: Vec<(&Variant, &Envoy, Traffic)> =
        variants.iter().zip(&envoys).flat_map(|(variant, envoy)| visits(variant, envoy)).collect();
    for (variant, envoy, traffic) in &visits {
        // Warm up: V8 recompiles hot code with optimisations.
        sample(variant, envoy, traffic, 1, &layout)?;
    }
    let mut samples = Samples::new();
    for number in 0..options.rounds {
        eprintln!("Round {} of {}", number.saturating_add(1), options.rounds);
        let rotation = number.saturating_mul(ROTATION) % visits.len().max(1);
        for (variant, envoy, traffic) in visits.iter().cycle().skip(rotation).take(visits.len()) {
            let sample = sample(variant, envoy, traffic, options.seconds, &layout)?;
            samples.entry((variant.name, traffic.name)).or_default().push(sample);
        }
    }
    for (variant, envoy) in variants.iter().zip(&envoys).filter(|(variant, _)| variant.is_observed()) {
        check_received(envoy).map_err(|error| format!("{}: {error}", variant.name))?;
    }
    Ok(samples)
}

/// Returns the visits to a variant in each round. All others are compared with Envoy without Wasm and with the empty
/// filter, so these are visited twice.
fn visits<'a>(variant: &'a Variant, envoy: &'a Envoy) -> Vec<(&'a Variant, &'a Envoy, Traffic)> {
    let times = if [NONE, EMPTY_FILTER].contains(&variant.name) { 2 } else { 1 };
    let traffics: &[Traffic] = if variant.body == Body::Empty { &ALL } else { &[BROWSER] };
    traffics
        .iter()
        .cycle()
        .take(traffics.len().saturating_mul(times))
        .map(|traffic| (variant, envoy, *traffic))
        .collect()
}

/// Puts load on an Envoy. Returns the microseconds of CPU time of its process per request.
fn sample(
    variant: &Variant,
    envoy: &Envoy,
    traffic: &Traffic,
    seconds: u64,
    layout: &CpuLayout,
) -> Result<f64, String> {
    envoy.thaw()?;
    let before = envoy.cpu()?;
    let address = envoy.address()?;
    let answered = layout.on_load_cpu(|| h2load::send(address, traffic, CONNECTIONS, Until::Seconds(seconds)));
    let answered = answered.map_err(|error| format!("{}, {}: {error}", variant.name, traffic.name))?;
    let used = envoy.cpu()?.saturating_sub(before);
    envoy.freeze()?;
    // Truncate the access log, which would otherwise fill the disk.
    let log = File::options().write(true).open(envoy.folder().join("access.log"));
    let _ = log.map(|log| log.set_len(0));
    Ok(used.as_secs_f64() * 1e6 / answered as f64)
}

/// Checks that the receiver received data, because a module that does not work would seem cheap.
///
/// # Errors
/// Returns an error if the receiver received nothing in time.
pub(crate) fn check_received(envoy: &Envoy) -> Result<(), String> {
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
