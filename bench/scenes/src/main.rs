//! Runs scenes from the command line. `scenes times` prints the CPU times of merging and publishing as JSON.
//! `scenes run SCENE TIMES` runs a scene several times, so that another program can count its instructions.

use std::{hint::black_box, process::ExitCode, time::Duration};

use scenes::{
    FULL, HOST, HostMatching, LoadShape, PayloadEncoding, PayloadSigning, Publication, SEED, Service, Worker, at,
    records, shapes, step_times,
};
use serde_json::{Value, json};

const USAGE: &str = "usage: scenes times\n       scenes run SCENE TIMES";

/// The number of runs, of which the shortest time of each step is the result.
const RUNS: usize = 7;

/// One second of a sender with the full set and ten routes.
const SECOND: LoadShape = LoadShape { senders: 1, configuration: FULL, paths: 10, is_shared: true, requests: 2_000 };

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let is_valid = match arguments.as_slice() {
        ["times"] => {
            let shapes =
                [("counts", shapes::COUNTS), ("full set", shapes::DISTRIBUTIONS), ("many counts", shapes::MANY_COUNTS)];
            let times = shapes.iter().flat_map(|shape| Service::ALL.map(|service| times(*shape, service)));
            println!("{}", times.collect::<Value>());
            true
        }
        ["run", scene, times] => times.parse().is_ok_and(|times| run(scene, times)),
        _ => false,
    };
    if is_valid {
        return ExitCode::SUCCESS;
    }
    eprintln!("{USAGE}");
    ExitCode::FAILURE
}

/// Returns the CPU times to merge and publish the records of these senders: in total, and of the longest step.
fn times((name, shape): (&str, LoadShape), service: Service) -> Value {
    let times = step_times(service, &records(shape, at(0)), RUNS);
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let total: Duration = times.iter().map(|step| step.cost).sum();
    let longest = times.iter().map(|step| step.cost).max().unwrap_or_default();
    json!({
        "shape": name, "service": service.name(), "total": milliseconds(total), "longest": milliseconds(longest),
    })
}

/// Runs a scene `times` times. Returns false if there is no scene with this name.
fn run(scene: &str, times: usize) -> bool {
    match scene {
        "match" => {
            let mut matching = HostMatching::default();
            repeat(times, || matching.matches(black_box(HOST.as_bytes())));
        }
        "record_seed" => record(SEED, times),
        "record_full" => record(FULL, times),
        "merge" => {
            let records = records(SECOND, at(0));
            let mut publication = Publication::default();
            publication.merge(&records);
            repeat(times, || publication.merge(black_box(&records)));
        }
        "encode" => {
            let encoding = PayloadEncoding::new(SECOND);
            repeat(times, || encoding.encode());
        }
        "sign" => {
            let mut signing = PayloadSigning::new(1_000);
            repeat(times, || signing.sign());
        }
        _ => return false,
    }
    true
}

fn record(configuration: &str, times: usize) {
    let mut worker = Worker::new(configuration, at(0));
    repeat(times, || worker.request(black_box(b"/test"), black_box(b"main"), 20_000_000));
}

fn repeat<T>(times: usize, mut scene: impl FnMut() -> T) {
    for _ in 0..times {
        black_box(scene());
    }
}
