//! A long load with faults, updates of the listener and rotating credentials: nothing is lost, and memory is constant.
//!
//! `make soak` runs it for ten minutes, or for `SOAK_SECONDS`. `SOAK_RESULTS` names a file for the samples, from which
//! `make soak` draws the chart in docs/performance.md.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::{collections::BTreeSet, env, fs, time::Duration};

use e2e::{
    Bootstrap, ClientRequest, ConnectionMode, Envoy, Listener, NAMESPACE, Pair, Plugin, ReceiverAttachment,
    RequestCounts, Route, SenderAttachment, SteadyLoad, series,
};
use local_cloudwatch::{DropPoint, Failure, LocalCloudWatch, SECRET_MARK, ServerOptions};
use serde_json::{Value, json};
use tokio::time::interval;

/// The series of the requests to the listener that stays.
const SERIES: u64 = 2_500;

/// The requests a second to that listener, if the machine has time for them.
const PER_SECOND: u64 = 2_000;

/// The series of the requests to the listener that is updated.
const CHANGING_SERIES: u64 = 50;

/// The requests a second to that listener. Each has its own connection, because Envoy closes those of a removed
/// listener.
const CHANGING_PER_SECOND: u64 = 100;

/// The duration in seconds if `SOAK_SECONDS` is not set.
const SECONDS: u64 = 60;

/// The lifetime of credentials. They are replaced after half of it.
const LIFETIME: Duration = Duration::from_secs(20);

/// The growth in percent of Envoy's resident memory from the second quarter of the test to the last one, which is
/// allowed.
const ALLOWED_GROWTH: u64 = 3;

/// The memory of Envoy and the values that the receiver holds at one moment.
#[derive(Clone, Copy)]
struct Sample {
    second: u64,
    /// The resident memory of the process, in bytes.
    resident: u64,
    /// The allocations of Envoy itself, without those of V8, in bytes.
    allocated: u64,
    /// The memory of the data in the receiver's buffer, in bytes.
    held_bytes: u64,
    /// The values in the receiver's buffer.
    held: u64,
}

impl Sample {
    async fn of(envoy: &Envoy, second: u64) -> Self {
        let stats = envoy.admin().module_stats().await;
        let server = envoy.admin().stats("server.memory_allocated").await;
        Self {
            second,
            resident: envoy.resident_bytes(),
            allocated: server["server.memory_allocated"],
            held_bytes: stats["receiver.held_bytes"],
            held: stats["receiver.held"],
        }
    }

    fn to_json(self) -> Value {
        let Self { second, resident, allocated, held_bytes, held } = self;
        json!({ "second": second, "resident": resident, "allocated": allocated, "held_bytes": held_bytes, "held": held })
    }
}

fn start_load(pair: &Pair, listener: &str, per_second: u64, (prefix, paths): (&'static str, u64)) -> SteadyLoad {
    let mode = if listener == "main" { ConnectionMode::KeepAlive } else { ConnectionMode::PerRequest };
    let request = move |number| ClientRequest::get("example.com", &format!("{prefix}{}", number % paths));
    SteadyLoad::start(pair.envoy.address(listener), per_second, mode, request)
}

/// Returns the counts of requests to a number of paths with a prefix, in turn.
fn expected(prefix: &str, requests: u64, paths: u64) -> RequestCounts {
    let of_path = |number| requests / paths + u64::from(number < requests % paths);
    let counts = (0..paths).map(|n| (series("example.com", "GET", &format!("{prefix}{n}"), 200), of_path(n)));
    counts.filter(|(_, count)| *count > 0).collect()
}

/// Returns a listener after a number of updates. Each update changes the sender's configuration and its extension
/// point.
fn listener(name: &str, update: u64) -> Listener {
    let sender = json!({
        "receiver_vm_id": "receiver",
        "flush_interval_millisecond": 200,
        "max_series": 5_000 + update % 2,
    });
    let attachment = SenderAttachment::ALL[usize::from(!update.is_multiple_of(2))];
    Listener::new(name).route(Route::direct("/", 200)).sender(attachment, Plugin::sender(sender))
}

async fn start() -> Pair {
    let cloudwatch = LocalCloudWatch::start(ServerOptions { keys: Vec::new(), ..ServerOptions::default() }).await;
    let cloudwatch = cloudwatch.unwrap();
    cloudwatch.set_lifetime(LIFETIME);
    let receiver = json!({
        "cloud_watch_region": "us-east-1",
        "cloud_watch_cluster_name": "cloud_watch",
        "cloud_watch_host": cloudwatch.address().to_string(),
        "credentials": { "provider": "container", "cluster": "cloud_watch", "relative_uri": "/v2/credentials/task" },
        "metric_namespace": NAMESPACE,
        "publish_interval_millisecond": 1_000,
    });
    let bootstrap = Bootstrap::default()
        .listener(listener("main", 0))
        .listener(listener("changing", 0))
        .dynamic()
        .cluster("cloud_watch", cloudwatch.address())
        .receiver(ReceiverAttachment::StatsSink, Plugin::receiver(receiver));
    let envoy = Envoy::start(&bootstrap).await;
    Pair { cloudwatch, envoy }
}

/// Injects the fault of a second. A minute has each of them, and every tenth minute a longer outage.
async fn inject(cloudwatch: &LocalCloudWatch, second: u64) {
    let is_long_outage = second / 60 % 10 == 5;
    match (second % 60, is_long_outage) {
        (5, _) => cloudwatch.fail_next(3, Failure::new(503, "ServiceUnavailable")),
        (10, _) => cloudwatch.fail_next(2, Failure::new(400, "ThrottlingException")),
        (15, false) => cloudwatch.drop_next(3, DropPoint::BeforeStoring),
        (20, false) => cloudwatch.fail_next(2, Failure::new(500, "InternalServiceFault")),
        (25, false) => cloudwatch.delay(Duration::from_millis(700)),
        (30, false) => cloudwatch.delay(Duration::ZERO),
        (40, false) | (15, true) => cloudwatch.pause().await,
        (46, false) | (55, true) => cloudwatch.resume().await.unwrap(),
        _ => {}
    }
}

/// Returns the median of the resident memory in each quarter.
fn quarters(samples: &[Sample]) -> Vec<u64> {
    let median = |samples: &[Sample]| {
        let mut resident: Vec<_> = samples.iter().map(|sample| sample.resident).collect();
        resident.sort_unstable();
        resident[resident.len() / 2]
    };
    samples.chunks(samples.len().div_ceil(4)).map(median).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_load_with_faults_updates_and_rotation_loses_nothing_and_keeps_memory_constant() {
    let seconds = env::var("SOAK_SECONDS").map_or(SECONDS, |seconds| seconds.parse().expect("a number of seconds"));
    let mut pair = start().await;
    let load = start_load(&pair, "main", PER_SECOND, ("/", SERIES));
    let changing = start_load(&pair, "changing", CHANGING_PER_SECOND, ("/changing/", CHANGING_SERIES));
    // An update of the listener takes more than a second. The next ticks make up for it.
    let mut pace = interval(Duration::from_secs(1));
    let (mut samples, mut updates) = (Vec::new(), 0);
    for second in 0..seconds {
        pace.tick().await;
        inject(&pair.cloudwatch, second).await;
        if second % 20 == 12 {
            updates += 1;
            pair.envoy.update(&[listener("main", 0), listener("changing", updates)]).await;
        }
        samples.push(Sample::of(&pair.envoy, second).await);
    }
    pair.cloudwatch.delay(Duration::ZERO);
    pair.cloudwatch.resume().await.unwrap();
    let (main, changing) = (load.stop().await, changing.stop().await);
    let requests = main + changing;
    let mut counts = expected("/", main, SERIES);
    counts.extend(expected("/changing/", changing, CHANGING_SERIES));
    assert_eq!(pair.wait_until_stored(requests).await, counts);
    samples.push(Sample::of(&pair.envoy, seconds).await);

    let stats = pair.envoy.admin().module_stats().await;
    let sets = key_sets(&pair.cloudwatch);
    if let Some(file) = env::var_os("SOAK_RESULTS") {
        let results = json!({
            "seconds": seconds,
            "requests": requests,
            "series": counts.len(),
            "updates": updates,
            "key_sets": sets,
            "stats": stats,
            "samples": samples.iter().map(|sample| sample.to_json()).collect::<Vec<_>>(),
        });
        fs::write(file, results.to_string()).unwrap();
    }
    let quarters = quarters(&samples);
    println!(
        "{seconds} s: {requests} requests in {} series, all stored; {updates} updates; {sets} sets of credentials; \
         {} calls, {} retried, {} throttled, {} without a response; resident memory {} MB at the start, medians of the \
         quarters {:?} MB, {} MB at the end",
        counts.len(),
        stats["receiver.requests"],
        stats["receiver.retried"],
        stats["receiver.throttled"],
        stats["receiver.unknown_outcome"],
        samples[0].resident / 1_000_000,
        quarters.iter().map(|bytes| bytes / 1_000_000).collect::<Vec<_>>(),
        samples[samples.len() - 1].resident / 1_000_000,
    );
    assert!(updates >= seconds / 20, "{updates} updates");
    assert!(sets as u64 >= seconds / LIFETIME.as_secs(), "{sets} sets of credentials");
    assert!(stats["receiver.throttled"] >= 2 && stats["receiver.unknown_outcome"] >= 3, "{stats:#?}");
    assert!(stats["receiver.retried"] >= 10, "{stats:#?}");
    assert!(!pair.envoy.log().contains(SECRET_MARK), "{}", pair.envoy.log());
    assert!(quarters[3] * 100 <= quarters[1] * (100 + ALLOWED_GROWTH), "memory grows: {quarters:?}");
}

/// Returns the number of access keys with which data was stored.
fn key_sets(cloudwatch: &LocalCloudWatch) -> usize {
    let calls = cloudwatch.calls().into_iter().filter(|call| call.is_stored);
    calls.map(|call| call.access_key_id).collect::<BTreeSet<_>>().len()
}
