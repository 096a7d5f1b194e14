//! Runs scenes from the command line. `scenes times` prints the CPU times of publishing as JSON.
//! `scenes run SCENE TIMES` runs a scene several times, so that another program can count its instructions.

use std::{hint::black_box, process::ExitCode, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use scenes::{
    FULL, HOST, HostMatching, LoadShape, PayloadEncoding, PayloadSigning, Publication, SEED, Worker, at, records,
    shapes,
};

const USAGE: &str = "usage: scenes times\n       scenes run SCENE TIMES";

/// The number of measurements, of which the median is the result.
const ATTEMPTS: usize = 9;

/// One second of a sender with the full set and ten routes.
const SECOND: LoadShape = LoadShape { senders: 1, configuration: FULL, paths: 10, is_shared: true, requests: 2_000 };

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let is_valid = match arguments.as_slice() {
        ["times"] => {
            let (counts, distributions) = (milliseconds(shapes::COUNTS), milliseconds(shapes::DISTRIBUTIONS));
            println!(r#"{{"counts":{counts},"distributions":{distributions}}}"#);
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

/// Returns the median CPU time in milliseconds to merge and publish the records of these senders.
fn milliseconds(shape: LoadShape) -> f64 {
    let records = records(shape, at(0));
    let mut publication = Publication::default();
    let mut attempt = || {
        let start = cpu();
        publication.merge(&records);
        black_box(publication.publish());
        cpu().saturating_sub(start).as_secs_f64() * 1e3
    };
    let mut times: Vec<f64> = (0..ATTEMPTS).map(|_| attempt()).collect();
    times.sort_by(f64::total_cmp);
    times.get(ATTEMPTS / 2).copied().unwrap_or_default()
}

/// Returns the CPU time of this thread.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
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
