//! The Envoy of each measurement.

#![allow(clippy::indexing_slicing, reason = "indexing a JSON object inserts missing keys")]

use std::time::SystemTime;

use acpw_metric::{Now, Timestamp};
use scenes::{HOST, LoadShape, SEED, Service, records};
use serde_json::{Value, json};

use crate::{
    bootstrap::{attach, empty, listener, manager, plugin, receiver_sink, sender_plugin, singleton},
    cloudwatch::CloudWatch,
    cpu::CpuLayout,
    envoy::{Envoy, Start},
    receiver::{BUFFER_BYTES, feeder, service_keys},
    scale::{INTERVAL, paced_load::PacedLoad, page_server::PageServer},
    trace,
    variant::{Attachment, Body},
};

/// The series of the senders of one scene, unless their number is measured.
const PATHS: u64 = 100;

/// The requests a second of the scenes with senders.
const REQUESTS: u64 = 2_000;

/// Connections that reach all of up to 32 workers.
const CONNECTIONS: u64 = 128;

/// The connections of clients that post.
const POSTING_CONNECTIONS: u64 = 64;

/// An Envoy under load.
pub(super) struct Scene {
    pub(super) envoy: Envoy,
    pub(super) cloudwatch: CloudWatch,
    pub(super) load: Option<PacedLoad>,
    _page: Option<PageServer>,
}

/// Starts an Envoy whose receiver gets the records of `series` series once, after a second.
///
/// # Errors
/// Returns an error if a program does not start.
pub(super) fn of_series(series: u64, layout: &CpuLayout) -> Result<Scene, String> {
    of_series_to(Service::PutMetricData, series, layout)
}

/// Starts an Envoy like that of [`of_series`], which publishes to the OTLP endpoint.
///
/// # Errors
/// Returns an error if a program does not start.
pub(super) fn of_series_by_otlp(series: u64, layout: &CpuLayout) -> Result<Scene, String> {
    of_series_to(Service::Otlp, series, layout)
}

fn of_series_to(service: Service, series: u64, layout: &CpuLayout) -> Result<Scene, String> {
    const PATHS_OF_A_SENDER: u64 = 100;
    let senders = usize::try_from(series / PATHS_OF_A_SENDER).unwrap_or(usize::MAX);
    let shape = LoadShape {
        senders,
        configuration: SEED,
        paths: PATHS_OF_A_SENDER as usize,
        is_shared: false,
        requests: PATHS_OF_A_SENDER as usize * 10,
    };
    let cloudwatch = CloudWatch::start()?;
    let mut bootstrap = bootstrap(&cloudwatch, &service_keys(service, &cloudwatch));
    bootstrap["bootstrap_extensions"] = json!([singleton(feeder(&records(shape, now()), Some(1)))]);
    // The trace has the time of each callback.
    let envoy = Envoy::start(&Start { bootstrap: &bootstrap, workers: 1, arguments: &trace::ARGUMENTS }, layout)?;
    Ok(Scene { envoy, cloudwatch, load: None, _page: None })
}

/// Starts an Envoy with `workers` workers, which get a fixed rate of requests.
///
/// # Errors
/// Returns an error if a program does not start.
pub(super) fn of_workers(workers: u64, layout: &CpuLayout) -> Result<Scene, String> {
    let cloudwatch = CloudWatch::start()?;
    let mut manager = manager(Body::Empty);
    attach(&mut manager, Attachment::Filter, sender_plugin(SEED));
    let mut bootstrap = bootstrap(&cloudwatch, &json!({}));
    bootstrap["static_resources"]["listeners"] = json!([listener(&manager)]);
    let mut scene = start(&bootstrap, workers, cloudwatch, None, layout)?;
    let request =
        |number: u64| format!("GET /resource/{} HTTP/1.1\r\nHost: {HOST}\r\n\r\n", number % PATHS).into_bytes();
    scene.load = Some(PacedLoad::start(scene.envoy.address()?, CONNECTIONS, REQUESTS, request)?);
    Ok(scene)
}

/// Starts an Envoy whose receiver scrapes `series` series every second.
///
/// # Errors
/// Returns an error if a program does not start.
pub(super) fn of_scraped(series: u64, layout: &CpuLayout) -> Result<Scene, String> {
    let page = PageServer::start(series)?;
    let cloudwatch = CloudWatch::start()?;
    let mut bootstrap = bootstrap(
        &cloudwatch,
        &json!({ "scrape": [{
            "cluster_name": "page",
            "interval_millisecond": 1_000,
            "rules": [{ "metric": "requests_total", "dimensions": { "Path": { "label": "path" } } }],
        }] }),
    );
    let mut cluster = bootstrap["static_resources"]["clusters"][0].clone();
    cluster["name"] = "page".into();
    cluster["load_assignment"]["cluster_name"] = "page".into();
    let endpoint = cluster.pointer_mut("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address");
    endpoint.ok_or("the cluster has no address")?["port_value"] = page.address().port().into();
    if let Some(clusters) = bootstrap["static_resources"]["clusters"].as_array_mut() {
        clusters.push(cluster);
    }
    start(&bootstrap, 1, cloudwatch, Some(page), layout)
}

/// Starts an Envoy whose gateway gets `per_second` posts a second.
///
/// # Errors
/// Returns an error if a program does not start.
pub(super) fn of_posts(per_second: u64, layout: &CpuLayout) -> Result<Scene, String> {
    let cloudwatch = CloudWatch::start()?;
    let mut gateway = plugin("gateway", "gateway.wasm", "receiver", r#"{ "receiver_vm_id": "receiver" }"#);
    gateway["allow_on_headers_stop_iteration"] = true.into();
    gateway["failure_policy"] = "FAIL_RELOAD".into();
    let mut manager = manager(Body::Empty);
    attach(&mut manager, Attachment::Filter, gateway);
    let mut bootstrap = bootstrap(&cloudwatch, &json!({}));
    bootstrap["static_resources"]["listeners"] = json!([listener(&manager)]);
    let mut scene = start(&bootstrap, 1, cloudwatch, None, layout)?;
    let connections = POSTING_CONNECTIONS.min(per_second);
    scene.load = Some(PacedLoad::start(scene.envoy.address()?, connections, per_second, post)?);
    Ok(scene)
}

/// Returns a post with one value of one of ten series.
fn post(number: u64) -> Vec<u8> {
    let body = format!(
        r#"{{"Namespace":"Load","MetricData":[{{"MetricName":"Work","Value":{},"Dimensions":[{{"Name":"client","Value":"{}"}}]}}]}}"#,
        number % 1_000,
        number % 10
    );
    let head = format!(
        "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

/// Returns a bootstrap with a receiver that publishes every [`INTERVAL`] and has room for 100,000 series.
fn bootstrap(cloudwatch: &CloudWatch, keys: &Value) -> Value {
    let mut receiver = json!({
        "publish_interval_millisecond": INTERVAL.as_millis() as u64,
        "buffer_limit_bytes": BUFFER_BYTES,
        "max_series": null,
    });
    if let (Some(receiver), Some(keys)) = (receiver.as_object_mut(), keys.as_object()) {
        receiver.extend(keys.clone());
    }
    let mut bootstrap = empty(cloudwatch.address());
    bootstrap["stats_sinks"] = json!([receiver_sink(cloudwatch.address(), &receiver)]);
    bootstrap["enable_dispatcher_stats"] = true.into();
    bootstrap
}

fn start(
    bootstrap: &Value,
    workers: u64,
    cloudwatch: CloudWatch,
    page: Option<PageServer>,
    layout: &CpuLayout,
) -> Result<Scene, String> {
    let workers = usize::try_from(workers).unwrap_or(usize::MAX);
    let envoy = Envoy::start(&Start { bootstrap, workers, arguments: &["--log-level", "error"] }, layout)?;
    Ok(Scene { envoy, cloudwatch, load: None, _page: page })
}

fn now() -> Now {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let wall = Timestamp::from_millis(u64::try_from(wall.as_millis()).unwrap_or_default());
    Now { wall, steady: std::time::Duration::ZERO }
}
