//! Counts the instructions of each variant per request, on a real Envoy under callgrind.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::{
    bootstrap::bootstrap,
    callgrind,
    chart::chart,
    cpu::CpuLayout,
    document, envoy,
    envoy::{Envoy, Start},
    floor, h2load,
    h2load::Until,
    peers::Peers,
    request::check_received,
    results,
    row::{Row, Samples, rows},
    table,
    table::Unit,
    target::{Verdict, verdicts},
    traffic::{ALL, HEADER_COUNTS, Traffic},
    variant::{Body, READS, VARIANTS, Variant},
};

/// The number of requests of each kind before counting. After them V8 compiles hot code a second time.
const WARM_UP: u64 = 800;
/// The number of requests in a sample.
const REQUESTS: u64 = 400;
/// The number of samples of each kind of traffic.
const SAMPLES: usize = 2;
const CONNECTIONS: u32 = 4;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Names of the variants to measure, separated by semicolons; results are printed but not stored
    #[arg(long, env = "BENCH_ONLY", value_delimiter = ';')]
    only: Vec<String>,
}

/// The results of a run.
#[derive(Debug, Serialize)]
struct Run {
    machine: String,
    variants: Vec<Row>,
    reads: Vec<Row>,
    targets: Vec<Verdict>,
}

/// Counts the instructions of all variants, prints tables, and updates results, chart and documentation.
///
/// # Errors
/// Returns an error if a program does not run or the receiver received nothing.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    floor::write_all()?;
    let is_selected = |variant: &Variant| {
        // A body costs the same with any variant.
        variant.body == Body::Empty && (options.only.is_empty() || options.only.iter().any(|name| name == variant.name))
    };
    let variants: Vec<Variant> = VARIANTS.into_iter().filter(is_selected).collect();
    let variants = rows(&variants, &ALL, &count(&variants, &ALL)?);
    println!("{}", table::requests(&variants, &ALL, Unit::Instructions));
    if !options.only.is_empty() {
        return Ok(());
    }
    let reads = rows(&READS, &HEADER_COUNTS, &count(&READS, &HEADER_COUNTS)?);
    let run = Run { machine: results::machine(), targets: verdicts(&variants), variants, reads };
    println!("{}\n{}", table::targets(&run.targets), table::reads(&run.reads, Unit::Instructions));
    results::write("count", &run)?;
    let picture = envoy::root().join("docs/performance.svg");
    std::fs::write(&picture, chart(&run.variants)).map_err(|error| format!("{}: {error}", picture.display()))?;
    document::replace("count", &table::requests(&run.variants, &ALL, Unit::Instructions))?;
    document::replace("reads", &table::reads(&run.reads, Unit::Instructions))?;
    document::replace("targets", &table::targets(&run.targets))
}

fn count(variants: &[Variant], traffics: &[Traffic]) -> Result<Samples, String> {
    let layout = CpuLayout::new()?;
    let peers = Peers::start(&layout)?;
    let servers = peers.servers()?;
    let mut samples = Samples::new();
    for variant in variants {
        let bootstrap = bootstrap(variant, &servers);
        let start = Start { bootstrap: &bootstrap, workers: 1, arguments: &["--log-level", "error"] };
        let counted = callgrind::start_envoy(&start, &layout)
            .and_then(|envoy| traffics_of(&envoy, variant, traffics))
            .map_err(|error| format!("{}: {error}", variant.name))?;
        eprintln!("{}: {counted:.0?}", variant.name);
        for (traffic, count) in counted {
            samples.entry((variant.name, traffic)).or_default().push(count);
        }
    }
    Ok(samples)
}

/// Returns the instructions per request of all samples.
fn traffics_of(envoy: &Envoy, variant: &Variant, traffics: &[Traffic]) -> Result<Vec<(&'static str, f64)>, String> {
    let address = envoy.address()?;
    let load = |traffic: &Traffic, requests| {
        h2load::send(address, traffic, CONNECTIONS, Until::Requests(requests)).map(|_| ())
    };
    for _ in 0..2 {
        traffics.iter().try_for_each(|traffic| load(traffic, WARM_UP))?;
        wait_until_idle(envoy)?;
    }
    if variant.is_observed() {
        check_received(envoy)?;
    }
    callgrind::start(envoy)?;
    let mut counted = Vec::new();
    for traffic in traffics {
        // Callgrind translates the code again once it counts.
        load(traffic, REQUESTS)?;
        for _ in 0..SAMPLES {
            let instructions = callgrind::during(envoy, || load(traffic, REQUESTS))?;
            let main = if variant.uses_main_thread() { instructions.main } else { 0 };
            counted.push((traffic.name, instructions.others.saturating_add(main) as f64 / REQUESTS as f64));
        }
    }
    Ok(counted)
}

/// Waits until Envoy uses little CPU time, because V8 has compiled the hot code a second time.
///
/// # Errors
/// Returns an error if Envoy ends, or is busy for minutes.
fn wait_until_idle(envoy: &Envoy) -> Result<(), String> {
    const ATTEMPTS: u32 = 240;
    const INTERVAL: Duration = Duration::from_secs(1);
    for _ in 0..ATTEMPTS {
        let before = envoy.cpu()?;
        envoy::pause(INTERVAL);
        if envoy.cpu()?.saturating_sub(before) < INTERVAL / 10 {
            return Ok(());
        }
    }
    Err("Envoy is busy without requests".to_owned())
}
