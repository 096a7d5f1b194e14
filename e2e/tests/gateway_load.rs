//! A high rate of posts loses nothing.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test runs in real time, and fails by panicking"
)]

use std::time::{Duration, Instant};

use e2e::{Connection, GatewaySetup, GatewayStack, json_post};
use serde_json::json;
use tokio::task::JoinSet;

/// The target rate in posts per second.
const RATE: u64 = 5_000;

/// Number of connections, each with an equal share of the rate.
const CONNECTIONS: u64 = 16;

#[tokio::test(flavor = "multi_thread")]
async fn thirty_seconds_of_posts_are_stored_with_exact_totals() {
    let mut gateway = GatewayStack::start(GatewaySetup::default()).await;
    let address = gateway.address();
    let start = Instant::now();
    let duration = Duration::from_secs(30);
    let mut tasks: JoinSet<(u64, f64)> = JoinSet::new();
    for client in 0..CONNECTIONS {
        tasks.spawn(async move {
            let mut connection = Connection::new(address);
            let (mut accepted, mut sum) = (0u64, 0.0);
            let pause = Duration::from_micros(1_000_000 * CONNECTIONS / RATE);
            while start.elapsed() < duration {
                let value = (accepted * 7 + client) % 1_000;
                let body = json!({ "Namespace": "Load", "MetricData": [{
                    "MetricName": "Work", "Value": value, "Dimensions": [{ "Name": "client", "Value": (client % 4).to_string() }],
                }] });
                let status = connection.send(&json_post("/metrics", body)).await.unwrap().status;
                assert_eq!(status, 202);
                accepted += 1;
                sum += value as f64;
                // A client that is late does not wait.
                tokio::time::sleep((pause * accepted as u32).saturating_sub(start.elapsed())).await;
            }
            (accepted, sum)
        });
    }
    let results = tasks.join_all().await;
    let seconds = start.elapsed().as_secs_f64();
    let (accepted, sum) = results.into_iter().fold((0, 0.0), |(count, sum), (more, value)| (count + more, sum + value));
    let rate = accepted as f64 / seconds;
    println!("{accepted} posts in {seconds:.1} s: {rate:.0} posts/s");
    let stored = gateway.flush("Load").await;
    assert_eq!(stored.len(), 4);
    assert_eq!(stored.values().map(|total| total.count).sum::<f64>(), accepted as f64);
    assert_eq!(stored.values().map(|total| total.sum).sum::<f64>(), sum);
    // A lower rate means that requests wait for a timer. The actual rate depends on the load of the machine.
    assert!(rate > 200.0, "{rate} posts/s");
    gateway.envoy.assert_healthy();
}
