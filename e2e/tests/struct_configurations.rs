//! Configurations as a `google.protobuf.Struct`, which Envoy passes in protobuf encoding.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use e2e::{
    Bootstrap, ClientRequest, Connection, Envoy, Listener, Plugin, ReceiverAttachment, Route, SenderAttachment,
    eventually,
};
use local_cloudwatch::{LocalCloudWatch, ServerOptions};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn every_module_accepts_a_struct() {
    let cloudwatch = LocalCloudWatch::start(ServerOptions::default()).await.unwrap();
    let receiver = json!({
        "cloud_watch_region": "us-east-1",
        "cloud_watch_cluster_name": "cloud_watch",
        "cloud_watch_host": cloudwatch.address().to_string(),
        "aws_access_key_id": "local",
        "aws_secret_access_key": "local",
        "metric_namespace": "Struct",
        "publish_interval_millisecond": 1000,
        "self_metrics": false,
    });
    let sender = json!({
        "receiver_vm_id": "receiver",
        "match_hosts": ["example.com", "*.example.org"],
        "flush_interval_millisecond": 200,
        "dimensions": { "Service": "checkout" },
        "dimension_sets": [["Service", "host"]],
        "entity": null,
    });
    let gateway = json!({ "receiver_vm_id": "receiver", "namespaces": ["Struct"] });
    let main = Listener::new("main")
        .route(Route::direct("/", 200))
        .sender(SenderAttachment::HttpFilter, Plugin::sender(sender).as_struct());
    let bootstrap = Bootstrap::default()
        .listener(main)
        .listener(Listener::new("gateway").gateway(&Plugin::gateway(gateway).as_struct()))
        .cluster("cloud_watch", cloudwatch.address())
        .receiver(ReceiverAttachment::StatsSink, Plugin::receiver(receiver).as_struct());
    let mut envoy = Envoy::start(&bootstrap).await;
    let response = Connection::new(envoy.address("main")).send(&ClientRequest::get("example.com", "/")).await.unwrap();
    assert_eq!(response.status, 200);
    let body = json!({ "Namespace": "Struct", "MetricData": [{ "MetricName": "Posted", "Value": 2 }] });
    eventually("the gateway accepts a post", LIMIT, async || {
        let post = e2e::json_post("/metrics", &body);
        let response = Connection::new(envoy.address("gateway")).send(&post).await.unwrap();
        if response.status == 202 { Ok(()) } else { Err(response.status) }
    })
    .await;
    eventually("both are stored", LIMIT, async || {
        let totals = cloudwatch.totals("Struct");
        let sum = |name: &str| {
            totals
                .iter()
                .filter(|total| total.metric_name == name)
                .flat_map(|total| &total.buckets)
                .map(|b| b.sum)
                .sum::<f64>()
        };
        let sums = (sum("RequestCount"), sum("Posted"));
        if sums == (1.0, 2.0) { Ok(()) } else { Err(format!("{sums:?}")) }
    })
    .await;
    envoy.assert_healthy();
}
