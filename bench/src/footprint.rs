//! What the modules take of memory, and what they cost in calls of CloudWatch.

#![allow(clippy::indexing_slicing, reason = "a JSON object takes any key")]

use std::{
    fs,
    time::{Duration, Instant},
};

use scenes::SEED;
use serde::Serialize;
use serde_json::Value;

use crate::{
    bootstrap::{attach, bootstrap, empty, listener, manager, receiver_sink, sender_plugin},
    cloudwatch::CloudWatch,
    cpu::Places,
    document,
    envoy::{Envoy, Start, pause},
    load::{load, load_paths},
    results,
    table::table,
    variant::{Addition, Body, Module, Observed, Place, Variant},
};

const SERIES: usize = 10_000;
/// Time for records to arrive and for memory to settle.
const SETTLE: Duration = Duration::from_secs(4);
/// The interval between publications, and more.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(75);

/// The results.
#[derive(Debug, Serialize)]
struct Run {
    machine: String,
    memory: Memory,
    costs: Vec<Cost>,
}

/// Resident memory, in bytes.
#[derive(Debug, Serialize)]
struct Memory {
    none: [u64; 2],
    pair: [u64; 2],
    workers: [usize; 2],
    /// What 10,000 series add, in sender and receiver together.
    series: u64,
}

/// What a load comes to at CloudWatch.
#[derive(Debug, Serialize)]
struct Cost {
    name: &'static str,
    requests: u64,
    seconds: u64,
    calls: usize,
    body_bytes: usize,
    raw_bytes: usize,
}

/// Measures memory and calls, prints tables, and writes results and document.
///
/// # Errors
/// When something does not run.
pub(crate) fn run() -> Result<(), String> {
    let places = Places::new()?;
    let run = Run {
        machine: results::machine(),
        memory: memory(&places)?,
        costs: vec![
            cost("RequestCount by host, method, path, status", Observed::Seed, &places)?,
            cost("the full set", Observed::Full, &places)?,
        ],
    };
    let text = text(&run);
    println!("{text}");
    results::write("footprint", &run)?;
    document::replace("footprint", &text)
}

fn memory(places: &Places) -> Result<Memory, String> {
    const WORKERS: [usize; 2] = [1, 4];
    let cloudwatch = CloudWatch::start()?;
    let of = |addition, workers| {
        let variant = Variant { name: "", addition, body: Body::Empty, floor: None };
        let bootstrap = bootstrap(&variant, cloudwatch.address());
        let envoy = Envoy::start(&Start { bootstrap: &bootstrap, workers, arguments: &QUIET }, places)?;
        load(envoy.address()?, 3, places)?;
        pause(SETTLE);
        resident_bytes(envoy.id())
    };
    let [few, many] = WORKERS;
    let both = |addition| Ok::<_, String>([of(addition, few)?, of(addition, many)?]);
    Ok(Memory {
        none: both(Addition::Nothing)?,
        pair: both(Addition::Module(Place::Filter, Module::Sender(Observed::Full)))?,
        workers: WORKERS,
        series: series(places)?,
    })
}

/// What 10,000 series of RequestCount add to an Envoy of one worker.
fn series(places: &Places) -> Result<u64, String> {
    let cloudwatch = CloudWatch::start()?;
    let mut manager = manager(Body::Empty);
    let mut sender: Value =
        serde_json::from_str(SEED).map_err(|error| format!("the sender's configuration: {error}"))?;
    if let Some(sender) = sender.as_object_mut() {
        sender.insert("max_series".to_owned(), SERIES.into());
    }
    attach(&mut manager, Place::Filter, sender_plugin(&sender.to_string()));
    let mut bootstrap = empty(cloudwatch.address());
    bootstrap["stats_sinks"] = vec![receiver_sink(cloudwatch.address(), &Value::Null)].into();
    bootstrap["static_resources"]["listeners"] = vec![listener(&manager)].into();
    let envoy = Envoy::start(&Start { bootstrap: &bootstrap, workers: 1, arguments: &QUIET }, places)?;
    load(envoy.address()?, 3, places)?;
    pause(SETTLE);
    let before = resident_bytes(envoy.id())?;
    load_paths(envoy.address()?, Some(SERIES.saturating_sub(1)), 5, places)?;
    let begin = Instant::now();
    while cloudwatch.series() < SERIES && begin.elapsed() < PUBLISHED_WITHIN {
        pause(Duration::from_millis(200));
    }
    if cloudwatch.series() < SERIES {
        return Err(format!("only {} series were published", cloudwatch.series()));
    }
    Ok(resident_bytes(envoy.id())?.saturating_sub(before))
}

fn cost(name: &'static str, observed: Observed, places: &Places) -> Result<Cost, String> {
    const SECONDS: u64 = 60;
    let cloudwatch = CloudWatch::start()?;
    let addition = Addition::Module(Place::Filter, Module::Sender(observed));
    let variant = Variant { name: "", addition, body: Body::Empty, floor: None };
    let bootstrap = bootstrap(&variant, cloudwatch.address());
    let envoy = Envoy::start(&Start { bootstrap: &bootstrap, workers: 1, arguments: &QUIET }, places)?;
    let requests = load(envoy.address()?, SECONDS, places)?.requests;
    let begin = Instant::now();
    while cloudwatch.requests() < requests && begin.elapsed() < PUBLISHED_WITHIN {
        pause(Duration::from_millis(200));
    }
    let stored = cloudwatch.requests();
    if stored < requests {
        return Err(format!("{name}: of {requests} requests {stored} were published"));
    }
    let calls = cloudwatch.server().calls();
    let calls: Vec<_> = calls.iter().filter(|call| call.is_stored).collect();
    Ok(Cost {
        name,
        requests,
        seconds: SECONDS,
        calls: calls.len(),
        body_bytes: calls.iter().map(|call| call.body_bytes).sum(),
        raw_bytes: calls.iter().map(|call| call.raw_bytes).sum(),
    })
}

const QUIET: [&str; 2] = ["--log-level", "error"];

fn resident_bytes(id: u32) -> Result<u64, String> {
    let file = format!("/proc/{id}/status");
    let status = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    let kilobytes =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB")?.trim().parse().ok());
    kilobytes
        .map(|kilobytes: u64| kilobytes.saturating_mul(1024))
        .ok_or_else(|| format!("{file} does not tell the resident memory"))
}

fn text(run: &Run) -> String {
    let megabytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
    let Memory { none: [none, none_more], pair: [pair, pair_more], workers: [few, many], series } = run.memory;
    let workers = (many.saturating_sub(few)) as u64;
    let per_worker = |from: u64, to: u64| to.saturating_sub(from).checked_div(workers).unwrap_or_default();
    let rows = [
        ("Envoy without Wasm, 1 worker", none),
        ("with sender and receiver, 1 worker", pair),
        ("each further worker without Wasm", per_worker(none, none_more)),
        ("each further worker with the sender", per_worker(pair, pair_more)),
        ("10,000 series, in sender and receiver", series),
    ];
    let rows = rows.into_iter().map(|(name, bytes)| vec![name.to_owned(), megabytes(bytes)]);
    let memory = table(&["resident memory", "MB"], rows);
    let rows = run.costs.iter().map(|cost| {
        let per_million = |count: usize| format!("{:.2}", count as f64 * 1e6 / cost.requests as f64);
        vec![
            cost.name.to_owned(),
            cost.requests.to_string(),
            cost.calls.to_string(),
            per_million(cost.calls),
            per_million(cost.body_bytes),
            per_million(cost.raw_bytes),
        ]
    });
    let head = ["a minute of load", "requests", "calls", "calls a million", "bytes a million", "uncompressed"];
    format!("{memory}\n{}", table(&head, rows))
}
