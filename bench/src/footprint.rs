//! Measures the memory of the modules and the number of CloudWatch calls.

#![allow(clippy::indexing_slicing, reason = "indexing a JSON object inserts missing keys")]

use std::{
    fs,
    time::{Duration, Instant},
};

use scenes::SEED;
use serde::Serialize;
use serde_json::Value;

use crate::{
    bootstrap::{Servers, attach, bootstrap, empty, listener, manager, receiver_sink, sender_plugin},
    cloudwatch::CloudWatch,
    cpu::CpuLayout,
    document,
    envoy::{Envoy, Start, pause},
    load::{load, load_paths},
    results,
    table::table,
    variant::{Addition, Attachment, Body, Module, SenderSetup, Variant},
};

const SERIES: usize = 10_000;
/// The time in which records arrive and the memory size settles.
const SETTLE: Duration = Duration::from_secs(4);
/// The time limit for a publication: more than the publish interval.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(75);

/// The results of a run.
#[derive(Debug, Serialize)]
struct Run {
    machine: String,
    memory: Memory,
    costs: Vec<Cost>,
}

/// Resident memory in bytes.
#[derive(Debug, Serialize)]
struct Memory {
    none: [u64; 2],
    pair: [u64; 2],
    workers: [usize; 2],
    /// The memory that 10,000 series add, in sender and receiver together.
    series: u64,
}

/// The CloudWatch calls that a load causes.
#[derive(Debug, Serialize)]
struct Cost {
    name: &'static str,
    requests: u64,
    seconds: u64,
    calls: usize,
    body_bytes: usize,
    raw_bytes: usize,
}

/// Measures memory and calls, prints tables, and updates results and documentation.
///
/// # Errors
/// Returns an error if a program does not run or data are missing.
pub(crate) fn run() -> Result<(), String> {
    let layout = CpuLayout::new()?;
    let run = Run {
        machine: results::machine(),
        memory: memory(&layout)?,
        costs: vec![
            cost("RequestCount by host, method, path, status", SenderSetup::Seed, &layout)?,
            cost("the full set", SenderSetup::Full, &layout)?,
        ],
    };
    let text = text(&run);
    println!("{text}");
    results::write("footprint", &run)?;
    document::replace("footprint", &text)
}

fn memory(layout: &CpuLayout) -> Result<Memory, String> {
    const WORKERS: [usize; 2] = [1, 4];
    let cloudwatch = CloudWatch::start()?;
    let measure = |addition, workers| {
        let variant = Variant { name: "", addition, body: Body::Empty, floor: None };
        let bootstrap = bootstrap(&variant, &Servers::cloudwatch(cloudwatch.address()));
        let envoy = Envoy::start(&Start { bootstrap: &bootstrap, workers, arguments: &QUIET }, layout)?;
        load(envoy.address()?, 3, layout)?;
        pause(SETTLE);
        resident_bytes(envoy.id())
    };
    let [few, many] = WORKERS;
    let both = |addition| Ok::<_, String>([measure(addition, few)?, measure(addition, many)?]);
    Ok(Memory {
        none: both(Addition::Nothing)?,
        pair: both(Addition::Module(Attachment::Filter, Module::Sender(SenderSetup::Full)))?,
        workers: WORKERS,
        series: series(layout)?,
    })
}

/// Returns the memory that 10,000 series of RequestCount add to an Envoy with one worker.
fn series(layout: &CpuLayout) -> Result<u64, String> {
    let cloudwatch = CloudWatch::start()?;
    let mut manager = manager(Body::Empty);
    let mut sender: Value =
        serde_json::from_str(SEED).map_err(|error| format!("the sender's configuration: {error}"))?;
    if let Some(sender) = sender.as_object_mut() {
        sender.insert("max_series".to_owned(), SERIES.into());
    }
    attach(&mut manager, Attachment::Filter, sender_plugin(&sender.to_string()));
    let mut bootstrap = empty(cloudwatch.address());
    bootstrap["stats_sinks"] = vec![receiver_sink(cloudwatch.address(), &Value::Null)].into();
    bootstrap["static_resources"]["listeners"] = vec![listener(&manager)].into();
    let envoy = Envoy::start(&Start { bootstrap: &bootstrap, workers: 1, arguments: &QUIET }, layout)?;
    load(envoy.address()?, 3, layout)?;
    pause(SETTLE);
    let before = resident_bytes(envoy.id())?;
    load_paths(envoy.address()?, Some(SERIES.saturating_sub(1)), 5, layout)?;
    let begin = Instant::now();
    while cloudwatch.series() < SERIES && begin.elapsed() < PUBLISHED_WITHIN {
        pause(Duration::from_millis(200));
    }
    if cloudwatch.series() < SERIES {
        return Err(format!("only {} of {SERIES} series were published", cloudwatch.series()));
    }
    Ok(resident_bytes(envoy.id())?.saturating_sub(before))
}

fn cost(name: &'static str, setup: SenderSetup, layout: &CpuLayout) -> Result<Cost, String> {
    const SECONDS: u64 = 60;
    let cloudwatch = CloudWatch::start()?;
    let addition = Addition::Module(Attachment::Filter, Module::Sender(setup));
    let variant = Variant { name: "", addition, body: Body::Empty, floor: None };
    let bootstrap = bootstrap(&variant, &Servers::cloudwatch(cloudwatch.address()));
    let envoy = Envoy::start(&Start { bootstrap: &bootstrap, workers: 1, arguments: &QUIET }, layout)?;
    let requests = load(envoy.address()?, SECONDS, layout)?.requests;
    let begin = Instant::now();
    while cloudwatch.requests() < requests && begin.elapsed() < PUBLISHED_WITHIN {
        pause(Duration::from_millis(200));
    }
    let stored = cloudwatch.requests();
    if stored < requests {
        return Err(format!("{name}: only {stored} of {requests} requests were published"));
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

/// Returns the resident memory of a process in bytes.
///
/// # Errors
/// Returns an error if the process has ended or the system is not Linux.
pub(crate) fn resident_bytes(id: u32) -> Result<u64, String> {
    let file = format!("/proc/{id}/status");
    let status = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    let kilobytes =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB")?.trim().parse().ok());
    kilobytes.map(|kilobytes: u64| kilobytes.saturating_mul(1024)).ok_or_else(|| format!("{file} has no field VmRSS"))
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
