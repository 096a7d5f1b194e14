//! The stats of an ECS task are published for every second, and a failing endpoint affects nothing else.

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

use e2e::{
    ClientRequest, ConnectionMode, MetadataBehaviour, NAMESPACE, Pair, Setup, SteadyLoad, TaskMetadata, eventually,
};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);

/// The namespace of the task's metrics.
const TASK: &str = "Task";

/// Every metric with its unit and its constant value.
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

/// Returns the values of a metric with the dimension ServiceName by second.
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

/// Waits until `count` seconds are stored, and asserts that they have no gap and the right values.
async fn assert_seconds(pair: &Pair, count: usize, limit: Duration) {
    eventually("the seconds are stored", limit, async || {
        let stored = seconds(pair, "CPUUtilization");
        if stored.len() >= count { Ok(()) } else { Err(format!("{}", stored.len())) }
    })
    .await;
    for (metric, unit, value) in VALUES {
        let stored = seconds(pair, metric);
        let (first, last) = (*stored.keys().next().unwrap(), *stored.keys().last().unwrap());
        assert!(stored.keys().copied().eq(first..=last), "{metric}: {:?}", stored.keys());
        // Rates may start one second later, and the last second may be in flight.
        assert!(stored.len() + 2 >= count, "{metric}: {}", stored.len());
        let is_right = |values: &Vec<f64>| values.iter().all(|actual| (actual - value).abs() < 1e-5);
        assert!(stored.values().all(is_right), "{metric}: {stored:?}");
        // The first rounds may not yet be in the middle of a second, which then has two values.
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
async fn every_second_is_published_at_the_publish_interval() {
    let metadata = TaskMetadata::start().await;
    let mut pair = start(&metadata, json!({})).await;
    assert_seconds(&pair, 20, Duration::from_secs(60)).await;
    let stats = pair.envoy.admin().module_stats().await;
    assert_eq!(stats["receiver.sources.failed"], 0, "{stats:#?}");
    // Rates need two readings: three CPU, two network and two storage metrics have no value in the first second.
    assert_eq!(stats["receiver.sources.gaps"], 7, "{stats:#?}");
    // One request for the task, and one per second for the stats.
    let requests = metadata.requests();
    assert_eq!(requests[..2], ["/task", "/task/stats"]);
    assert!(requests[2..].iter().all(|path| path == "/task/stats"), "{requests:?}");
    pair.envoy.assert_healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn publish_immediately_publishes_within_two_seconds() {
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
    for count in 1..=8 {
        eventually(
            "the next second is stored",
            LIMIT,
            async || if stored().len() >= count { Ok(()) } else { Err("not yet") },
        )
        .await;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        worst = worst.max(now.saturating_sub(Duration::from_secs(*stored().keys().last().unwrap() as u64)));
    }
    // The age counts from the start of the second, which is measured in its middle.
    assert!(worst < Duration::from_millis(2_000), "{worst:?}");
    assert!(stored().values().flatten().all(|value| (value - 12.5).abs() < 1e-6), "{:?}", stored());
    pair.envoy.assert_healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_endpoint_affects_only_its_own_metrics() {
    let metadata = TaskMetadata::start().await;
    let mut pair = start(&metadata, json!({ "metrics": ["MemoryUtilized"] })).await;
    let load = SteadyLoad::start(pair.address(), 50, ConnectionMode::KeepAlive, |n| {
        ClientRequest::get("example.com", &format!("/{}", n % 5))
    });
    let requests = |pair: &Pair| pair.cloudwatch.totals(NAMESPACE).iter().map(|total| total.sum as u64).sum::<u64>();
    let behaviours = [
        MetadataBehaviour::Hang,
        MetadataBehaviour::Status(500),
        MetadataBehaviour::Status(429),
        MetadataBehaviour::Garbage,
        MetadataBehaviour::Document("null"),
        MetadataBehaviour::Document("{}"),
    ];
    for behaviour in behaviours {
        metadata.set_behaviour(MetadataBehaviour::Normal);
        let before = seconds(&pair, "MemoryUtilized").len();
        eventually("the task's metrics are published", LIMIT, async || {
            let now = seconds(&pair, "MemoryUtilized").len();
            if now > before { Ok(()) } else { Err(format!("{behaviour:?}: {now}")) }
        })
        .await;
        metadata.set_behaviour(behaviour);
        let lost = async || {
            let stats = pair.envoy.admin().module_stats().await;
            stats["receiver.sources.failed"] + stats["receiver.sources.gaps"]
        };
        let (gaps, counted) = (lost().await, requests(&pair));
        let start = Instant::now();
        eventually("gaps are counted, and requests are still published", LIMIT, async || {
            let (now, requests) = (lost().await, requests(&pair));
            if now >= gaps + 2 && requests >= counted + 50 {
                Ok(())
            } else {
                Err(format!("{behaviour:?}: {now} {requests}"))
            }
        })
        .await;
        assert!(start.elapsed() < Duration::from_secs(15), "{behaviour:?}: {:?}", start.elapsed());
    }
    let sent = load.stop().await;
    eventually("every request is published", LIMIT, async || {
        let counted = requests(&pair);
        if counted == sent { Ok(()) } else { Err(format!("{counted} of {sent}")) }
    })
    .await;
    let stored = seconds(&pair, "MemoryUtilized");
    assert!(stored.values().flatten().all(|value| *value == 128.0), "{stored:?}");
    assert!(pair.envoy.log().contains("source ecs_task failed"), "{}", pair.envoy.log());
    pair.envoy.assert_healthy();
}

/// Runs for two minutes under load.
#[cfg(feature = "soak")]
#[tokio::test(flavor = "multi_thread")]
async fn two_minutes_have_no_gap() {
    let metadata = TaskMetadata::start().await;
    let mut pair = start(&metadata, json!({})).await;
    let load =
        SteadyLoad::start(pair.address(), 100, ConnectionMode::KeepAlive, |_| ClientRequest::get("example.com", "/"));
    tokio::time::sleep(Duration::from_secs(115)).await;
    assert_seconds(&pair, 120, Duration::from_secs(60)).await;
    load.stop().await;
    let stats = pair.envoy.admin().module_stats().await;
    assert_eq!((stats["receiver.sources.failed"], stats["receiver.sources.gaps"]), (0, 7), "{stats:#?}");
    println!("{} requests of {} seconds", metadata.requests().len(), seconds(&pair, "CPUUtilization").len());
    pair.envoy.assert_healthy();
}
