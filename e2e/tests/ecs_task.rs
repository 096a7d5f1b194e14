//! The stats of an ECS task arrive at CloudWatch second by second, and nothing but they suffers when the endpoint fails.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test runs in real time and fails by panicking, in its helpers too"
)]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use e2e::{Connections, Manner, NAMESPACE, Pair, Request, Setup, SteadyLoad, TaskMetadata, eventually};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);

/// Where the task's metrics are.
const TASK: &str = "Task";

/// Every metric under the service's dimensions, with the value that it always has.
const VALUES: [(&str, &str, f64); 11] = [
    ("CPUUsage", "Percent", 18.75),
    ("CPUUtilization", "Percent", 37.5),
    ("MemoryUtilization", "Percent", 25.0),
    ("CpuUtilized", "None", 192.0),
    ("CpuReserved", "None", 512.0),
    ("MemoryUtilized", "Megabytes", 128.0),
    ("MemoryReserved", "Megabytes", 512.0),
    ("NetworkRxBytes", "Bytes/Second", 1_000.0),
    ("NetworkTxBytes", "Bytes/Second", 500.0),
    ("StorageReadBytes", "Bytes", 0.0),
    ("StorageWriteBytes", "Bytes", 0.0),
];

async fn start(metadata: &TaskMetadata, keys: serde_json::Value) -> Pair {
    let mut ecs_task = json!({
        "cluster_name": "ecs", "metric_namespace": TASK, "metrics": VALUES.map(|(name, _, _)| name),
    });
    ecs_task.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    Pair::start(Setup {
        receiver: json!({ "ecs_task": ecs_task }),
        environment: vec![metadata.variable()],
        clusters: vec![("ecs", metadata.address())],
        ..Setup::default()
    })
    .await
}

/// The seconds of a metric with the values that each has, under the dimension ServiceName.
fn seconds(pair: &Pair, metric: &str) -> BTreeMap<i64, Vec<f64>> {
    let totals = pair.cloudwatch.totals(TASK).into_iter();
    let mut found = totals.filter(|total| total.metric_name == metric && total.dimensions.contains_key("ServiceName"));
    let total = found.next();
    assert_eq!(found.next(), None);
    let buckets = total.iter().flat_map(|total| &total.buckets);
    buckets
        .map(|bucket| {
            assert_eq!(bucket.resolution, 1);
            let values = bucket.values.iter();
            (bucket.timestamp, values.flat_map(|(value, count)| vec![*value; *count as usize]).collect())
        })
        .collect()
}

/// Waits until so many seconds are stored, and checks that they follow each other, and every value.
async fn follow(pair: &Pair, wanted: usize, limit: Duration) {
    eventually("the seconds are stored", limit, async || {
        let stored = seconds(pair, "CPUUtilization");
        if stored.len() >= wanted { Ok(()) } else { Err(format!("{}", stored.len())) }
    })
    .await;
    for (metric, unit, value) in VALUES {
        let stored = seconds(pair, metric);
        let (first, last) = (*stored.keys().next().unwrap(), *stored.keys().last().unwrap());
        assert!(stored.keys().copied().eq(first..=last), "{metric}: {:?}", stored.keys());
        // Those with a reading before may begin later by one, and the last may be on its way.
        assert!(stored.len() + 2 >= wanted, "{metric}: {}", stored.len());
        // Counters have whole bytes and whole nanoseconds, so a difference over a second is off by one at most.
        let tolerance = if unit == "Bytes/Second" { 2.0 } else { 1e-5 };
        let is_right = |values: &Vec<f64>| values.iter().all(|told| (told - value).abs() < tolerance);
        assert!(stored.values().all(is_right), "{metric}: {stored:?}");
        // At the start a round may not yet be in the middle of a second, which then has the next one too.
        assert!(stored.values().skip(3).all(|values| values.len() == 1), "{metric}: {stored:?}");
        let totals = pair.cloudwatch.totals(TASK);
        let units: Vec<_> =
            totals.iter().filter(|total| total.metric_name == metric).map(|total| total.unit.as_str()).collect();
        assert_eq!(units, [unit], "{metric}");
    }
    for total in pair.cloudwatch.totals(TASK) {
        let dimensions: Vec<_> = total.dimensions.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(dimensions, [("ClusterName", "shop"), ("ServiceName", "checkout-web")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_second_is_there_at_the_receivers_interval() {
    let metadata = TaskMetadata::start().await;
    let mut pair = start(&metadata, json!({})).await;
    follow(&pair, 20, Duration::from_secs(60)).await;
    let stats = pair.envoy.admin().acpw().await;
    assert_eq!(stats["receiver.sources.failed"], 0, "{stats:#?}");
    // Rates need two readings: three of CPU, two of the network and two of storage have no value in the first second.
    assert_eq!(stats["receiver.sources.gaps"], 7, "{stats:#?}");
    // One request a second, and one for the task.
    let asked = metadata.asked();
    assert_eq!(asked[..2], ["/task", "/task/stats"]);
    assert!(asked[2..].iter().all(|path| path == "/task/stats"), "{asked:?}");
    pair.envoy.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn at_once_is_within_a_second() {
    let metadata = TaskMetadata::start().await;
    let mut pair = Pair::start(Setup {
        receiver: json!({
            "publish_interval_millisecond": 3_600_000,
            "ecs_task": {
                "cluster_name": "ecs", "metric_namespace": TASK, "publish_immediately": true,
                "container_name": "web", "dimension_sets": [["ClusterName", "ServiceName", "ContainerName"]],
            },
        }),
        environment: vec![metadata.variable()],
        clusters: vec![("ecs", metadata.address())],
        ..Setup::default()
    })
    .await;
    let stored = || seconds(&pair, "CPUUsage");
    let mut worst = Duration::ZERO;
    for wanted in 1..=8 {
        eventually(
            "a second is stored",
            LIMIT,
            async || if stored().len() >= wanted { Ok(()) } else { Err("not yet") },
        )
        .await;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        worst = worst.max(now.saturating_sub(Duration::from_secs(*stored().keys().last().unwrap() as u64)));
    }
    // From the beginning of the second that was measured in its middle.
    assert!(worst < Duration::from_millis(2_000), "{worst:?}");
    assert!(stored().values().flatten().all(|value| (value - 12.5).abs() < 1e-6), "{:?}", stored());
    pair.envoy.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_fails_costs_only_its_own_metrics() {
    let metadata = TaskMetadata::start().await;
    let mut pair = start(&metadata, json!({ "metrics": ["MemoryUtilized"] })).await;
    let load = SteadyLoad::start(pair.address(), 50, Connections::Kept, |n| {
        Request::get("example.com", &format!("/{}", n % 5))
    });
    let requests = |pair: &Pair| pair.cloudwatch.totals(NAMESPACE).iter().map(|total| total.sum as u64).sum::<u64>();
    let manners = [
        Manner::Hang,
        Manner::Status(500),
        Manner::Status(429),
        Manner::Garbage,
        Manner::Document("null"),
        Manner::Document("{}"),
    ];
    for manner in manners {
        metadata.answer(Manner::Good);
        let before = seconds(&pair, "MemoryUtilized").len();
        eventually("the task is told", LIMIT, async || {
            let now = seconds(&pair, "MemoryUtilized").len();
            if now > before { Ok(()) } else { Err(format!("{manner:?}: {now}")) }
        })
        .await;
        metadata.answer(manner);
        let lost = async || {
            let stats = pair.envoy.admin().acpw().await;
            stats["receiver.sources.failed"] + stats["receiver.sources.gaps"]
        };
        let (gaps, counted) = (lost().await, requests(&pair));
        let start = Instant::now();
        eventually("it is a gap, and requests are counted on", LIMIT, async || {
            let (now, requests) = (lost().await, requests(&pair));
            if now >= gaps + 2 && requests >= counted + 50 {
                Ok(())
            } else {
                Err(format!("{manner:?}: {now} {requests}"))
            }
        })
        .await;
        assert!(start.elapsed() < Duration::from_secs(15), "{manner:?}: {:?}", start.elapsed());
    }
    let sent = load.stop().await;
    eventually("every request is counted", LIMIT, async || {
        let counted = requests(&pair);
        if counted == sent { Ok(()) } else { Err(format!("{counted} of {sent}")) }
    })
    .await;
    let stored = seconds(&pair, "MemoryUtilized");
    assert!(stored.values().flatten().all(|value| *value == 128.0), "{stored:?}");
    assert!(pair.envoy.log().contains("source ecs_task failed"), "{}", pair.envoy.log());
    pair.envoy.assert_sound();
}

/// The same for two minutes, with requests beside.
#[cfg(feature = "soak")]
#[tokio::test(flavor = "multi_thread")]
async fn two_minutes_have_every_second() {
    let metadata = TaskMetadata::start().await;
    let mut pair = start(&metadata, json!({})).await;
    let load = SteadyLoad::start(pair.address(), 100, Connections::Kept, |_| Request::get("example.com", "/"));
    tokio::time::sleep(Duration::from_secs(115)).await;
    follow(&pair, 120, Duration::from_secs(60)).await;
    load.stop().await;
    let stats = pair.envoy.admin().acpw().await;
    assert_eq!((stats["receiver.sources.failed"], stats["receiver.sources.gaps"]), (0, 7), "{stats:#?}");
    println!("{} requests of {} seconds", metadata.asked().len(), seconds(&pair, "CPUUtilization").len());
    pair.envoy.assert_sound();
}
