//! The publication that `acpw` reads from a configuration is the one of sender and receiver: metrics are measured,
//! merged and encoded by the modules' own code, and compared with the dashboard.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    time::Duration,
};

use acpw::{
    dashboard,
    deployment::{Deployment, read},
    environment::Environment,
    publication::{MetricNames, Publication},
};
use acpw_metric::{Now, Timestamp};
use receiver::{
    Driver, PublishAnswer,
    answer::Reply,
    call::{Call, Response},
    source::{envoy::presets::GROUPS, name_pattern::NamePattern},
};
use sender::{HeaderPhase, Sender};
use serde_json::{Value, json};

use crate::support::root;

/// The start of the test, at the start of an hour.
const START: u64 = 1_787_400_000;

/// The seconds of the test.
const SECONDS: u64 = 150;

/// A series: namespace, name, and dimensions with their values.
type Series = (String, String, BTreeMap<String, String>);

fn deployment(path: &str) -> Deployment {
    read(&[root().join(path)], &Environment::default()).unwrap()
}

/// Returns a receiver with the configuration of the deployment and credentials that need no calls.
fn driver(deployment: &Deployment) -> Driver {
    let mut document = deployment.receivers[0].document.clone();
    let keys = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];
    keys.iter().for_each(|key| _ = document.as_object_mut().unwrap().remove(*key));
    document["credentials"] = json!({ "provider": "static", "access_key_id": "AKID", "secret_access_key": "secret" });
    let environment =
        |name: &str| (name == "ECS_CONTAINER_METADATA_URI_V4").then(|| "http://169.254.170.2/v4/x".to_owned());
    Driver::new(receiver::ReceiverConfig::from_json(document.to_string().as_bytes(), environment).unwrap(), 1)
}

/// Ends requests that together have every metric.
fn send_requests(sender: &mut Sender, second: u64) {
    let wall = Timestamp::from_secs(START + second);
    let kinds: [(&str, i64, bool, i64); 7] = [
        ("/users/7", 200, true, 0),
        ("/users/7", 302, true, 0),
        ("/missing", 404, true, 0),
        ("/fails", 500, true, 0),
        ("/refused", 403, false, 0),
        ("/down", 503, false, 0x20),
        ("/left", 0, false, 0x4000),
    ];
    for (path, code, is_upstream, flags) in kinds {
        let header = |name: &str| match name {
            ":authority" => Some(b"example.com".to_vec()),
            ":path" => Some(path.as_bytes().to_vec()),
            ":method" => Some(b"POST".to_vec()),
            "content-type" => Some(b"application/grpc".to_vec()),
            _ => None,
        };
        let mut request = sender.start_request(header, HeaderPhase::Arrival).unwrap();
        sender.track_in_flight(&mut request, wall);
        sender.untrack_in_flight(&request, wall.shifted(500));
        let property = |name: &str| {
            let value = match name {
                "response\0code" => (code > 0).then_some(code)?,
                "response\0backend_latency" => is_upstream.then_some(7_000_000)?,
                "response\0flags" => flags,
                "upstream\0request_attempt_count" => 2,
                "request\0duration" => 12_000_000,
                "xds\0route_name" => return Some(b"main".to_vec()),
                _ => 40,
            };
            Some(value.to_le_bytes().to_vec())
        };
        sender.end_request(request, property);
    }
}

/// Returns the answer of the endpoint of a source.
fn answer(call: &Call, second: u64) -> Response {
    let path = call.headers.iter().find(|(name, _)| *name == ":path").map(|(_, value)| value.as_str()).unwrap();
    let body = match (call.cluster.as_str(), path) {
        ("ecs_agent", path) if path.ends_with("/stats") => ecs_stats(second).to_string(),
        ("ecs_agent", _) => json!({
            "Cluster": "arn:aws:ecs:eu-central-1:1:cluster/main", "TaskARN": "arn", "Family": "shop", "Revision": "1",
            "ServiceName": "shop", "Limits": { "CPU": 0.5, "Memory": 512 },
            "Containers": [{
                "DockerId": "c1", "Name": "envoy", "Type": "NORMAL", "KnownStatus": "RUNNING",
                "Limits": { "CPU": 128, "Memory": 256 },
            }],
        })
        .to_string(),
        ("shop", _) => format!(
            "# TYPE orders_total counter\norders_total{{pod=\"a\"}} {second}\n# TYPE queue_size gauge\nqueue_size{{pod=\"a\"}} 4\n\
             # TYPE checkout_seconds histogram\ncheckout_seconds_bucket{{pod=\"a\",le=\"1\"}} {second}\n\
             checkout_seconds_bucket{{pod=\"a\",le=\"+Inf\"}} {second}\ncheckout_seconds_sum{{pod=\"a\"}} {sum}\n\
             checkout_seconds_count{{pod=\"a\"}} {second}\n# TYPE process_start_time_seconds gauge\n\
             process_start_time_seconds 1000\n",
            sum = second / 2,
        ),
        ("admin", path) => envoy_stats(path, second),
        other => panic!("{other:?}"),
    };
    Response::Complete { status: 200, body: body.into_bytes(), date: None }
}

fn ecs_stats(second: u64) -> Value {
    let read = |second: u64| format!("2026-08-22T12:{:02}:{:02}.000000000Z", second / 60, second % 60);
    json!({ "c1": {
        "read": read(second), "preread": read(second.saturating_sub(1)),
        "cpu_stats": {
            "cpu_usage": { "total_usage": second * 100_000_000 }, "system_cpu_usage": second * 2_000_000_000,
            "online_cpus": 2,
        },
        "memory_stats": { "usage": 50_000_000, "limit": 268_435_456u64, "stats": { "inactive_file": 1_000_000 } },
        "networks": { "eth0": { "rx_bytes": second * 10, "tx_bytes": second * 20 } },
        "blkio_stats": { "io_service_bytes_recursive": [
            { "op": "Read", "value": second * 4_096 }, { "op": "Write", "value": second * 8_192 },
        ] },
    } })
}

/// Returns all stats of a type that the groups and the rule of the example name.
fn envoy_stats(path: &str, second: u64) -> String {
    let names = |kind: &str| {
        let of_groups = GROUPS.iter().flat_map(|group| group.metrics.iter().map(move |metric| (group, metric)));
        let names =
            of_groups.filter(|(_, metric)| metric.0.name() == kind).map(|(group, metric)| group.names(metric).0);
        let values = [
            ("{Cluster}", "shop"),
            ("{StatPrefix}", "main"),
            ("{VirtualHost*}", "all"),
            ("{VirtualCluster*}", "other"),
        ];
        let names = names.map(|name| values.iter().fold(name, |name, (from, to)| name.replace(from, to)));
        names.collect::<Vec<String>>()
    };
    let stats: Vec<Value> = match path {
        path if path.contains("type=Histograms") => {
            let details: Vec<_> = names("Histograms")
                .into_iter()
                .map(|name| {
                    let totals = json!([{ "lower_bound": 5, "width": 1, "count": second }]);
                    format!(r#"{{"name":"{name}","totals":{totals},"intervals":[],"percentiles":[]}}"#)
                })
                .collect();
            return format!(
                r#"{{"stats":[{{"histograms":{{"supported_percentiles":[50],"details":[{}]}}}}]}}"#,
                details.join(",")
            );
        }
        path if path.contains("type=Counters") => {
            let mut names = names("Counters");
            names.push("cluster.shop.upstream_cx_total".to_owned());
            names.iter().map(|name| json!({ "name": name, "value": second })).collect()
        }
        _ => names("Gauges").iter().map(|name| json!({ "name": name, "value": 3 })).collect(),
    };
    json!({ "stats": stats }).to_string()
}

/// Publishes for some minutes. Returns the series that CloudWatch was sent, with their units.
fn publish(deployment: &Deployment) -> BTreeMap<Series, String> {
    let mut driver = driver(deployment);
    let now = |second: u64| Now { wall: Timestamp::from_secs(START + second), steady: Duration::from_secs(second) };
    let mut senders: Vec<_> = deployment.senders.iter().map(|one| Sender::new(one.config.clone(), now(0))).collect();
    let mut series = BTreeMap::new();
    for second in 1..SECONDS {
        for sender in &mut senders {
            send_requests(sender, second - 1);
            sender.flush(now(second));
            for record in sender.take_records() {
                driver.handle_record(&record, now(second));
            }
        }
        for _ in 0..5 {
            driver.tick(now(second));
            while let Some((id, call)) = driver.poll_source_call() {
                driver.handle_source_answer(id, answer(&call, second), now(second));
            }
        }
        while let Some(transmit) = driver.take_transmit() {
            add_series(&transmit.body, &transmit.headers, &mut series);
            let reply = Reply { status: 200, ..Reply::default() };
            driver.handle_answer(transmit.id, &PublishAnswer::Complete(reply), now(second));
        }
    }
    while let Some((level, line)) = driver.poll_log_line() {
        assert!(!line.contains("implausible"), "{level:?} {line}");
    }
    series
}

fn add_series(body: &[u8], headers: &[(&str, String)], series: &mut BTreeMap<Series, String>) {
    let mut text = Vec::new();
    match headers.iter().any(|(name, value)| *name == "content-encoding" && value == "gzip") {
        true => _ = flate2::read::GzDecoder::new(body).read_to_end(&mut text).unwrap(),
        false => text = body.to_vec(),
    }
    let document: Value = serde_json::from_slice(&text).unwrap();
    // Data of an entity are in an object of their own.
    let of_entities = document["EntityMetricData"].as_array().into_iter().flatten().map(|one| &one["MetricData"]);
    let data = of_entities.chain([&document["MetricData"]]).filter_map(Value::as_array).flatten();
    for datum in data {
        let dimensions = datum["Dimensions"].as_array().into_iter().flatten();
        let dimensions =
            dimensions.map(|one| (one["Name"].as_str().unwrap().to_owned(), one["Value"].as_str().unwrap().to_owned()));
        let name = datum["MetricName"].as_str().unwrap().to_owned();
        let key = (document["Namespace"].as_str().unwrap().to_owned(), name, dimensions.collect());
        series.insert(key, datum["Unit"].as_str().unwrap_or("None").to_owned());
    }
}

#[test]
fn the_publication_has_the_metrics_dimensions_and_units_that_are_sent() {
    for path in ["acpw/tests/data/everything.yaml", "envoy/metrics.yaml", "envoy/demo.yaml", "envoy/ecs.yaml"] {
        let deployment = deployment(path);
        let published = publish(&deployment);
        let publication = Publication::new(&deployment, &Environment::default()).unwrap();
        for ((namespace, name, dimensions), unit) in &published {
            let is_same = |set: &&acpw::publication::PublishedSet| {
                let is_name = match &set.name {
                    MetricNames::Exact(exact) => exact == name,
                    MetricNames::Matching(pattern) => NamePattern::new(pattern).matches(name),
                };
                is_name
                    && set.namespace == *namespace
                    && set.dimensions.iter().map(|one| &one.name).eq(dimensions.keys())
                    && set.unit.is_none_or(|known| known.as_str() == unit)
            };
            let found: Vec<_> = publication.metrics.iter().filter(is_same).collect();
            assert_eq!(found.len(), 1, "{path}: {namespace} {name} {dimensions:?} {unit}");
            for dimension in found[0].dimensions.iter().filter(|dimension| !dimension.values.is_empty()) {
                assert!(dimension.values.contains(&dimensions[&dimension.name]), "{path}: {name} {dimension:?}");
            }
        }
        for set in &publication.metrics {
            let is_published = published.keys().any(|(namespace, name, dimensions)| {
                let is_name = match &set.name {
                    MetricNames::Exact(exact) => exact == name,
                    MetricNames::Matching(pattern) => NamePattern::new(pattern).matches(name),
                };
                is_name
                    && set.namespace == *namespace
                    && set.dimensions.iter().map(|one| &one.name).eq(dimensions.keys())
            });
            assert!(is_published, "{path}: {set:?} was not published, but {:#?}", published.keys());
        }
    }
}

#[test]
fn a_dashboard_shows_all_published_metrics_and_no_others() {
    for path in ["acpw/tests/data/everything.yaml", "envoy/metrics.yaml", "envoy/demo.yaml", "envoy/ecs.yaml"] {
        let deployment = deployment(path);
        let published = publish(&deployment);
        let publication = Publication::new(&deployment, &Environment::default()).unwrap();
        let body = dashboard::body(&publication, "eu-central-1");
        let mut shown: BTreeSet<(String, String)> = BTreeSet::new();
        for (namespace, name, names, values) in lines(&body) {
            let found: Vec<_> = published
                .keys()
                .filter(|(of, metric, dimensions)| {
                    let is_name = name.as_ref().is_none_or(|name| name == metric);
                    let has_values = values.iter().all(|(name, value)| dimensions.get(name) == Some(value));
                    *of == namespace && is_name && dimensions.keys().cloned().eq(names.iter().cloned()) && has_values
                })
                .collect();
            assert!(!found.is_empty(), "{path}: {namespace} {name:?} {names:?} {values:?}");
            shown.extend(found.into_iter().map(|(namespace, name, _)| (namespace.clone(), name.clone())));
        }
        let all: BTreeSet<_> = published.keys().map(|(namespace, name, _)| (namespace.clone(), name.clone())).collect();
        assert_eq!(all.difference(&shown).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "{path}");
    }
}

/// A line of a graph: namespace, name, names of dimensions, and the values that are given.
type Line = (String, Option<String>, Vec<String>, Vec<(String, String)>);

/// Returns what the lines of all graphs refer to.
fn lines(body: &Value) -> Vec<Line> {
    let mut lines = Vec::new();
    for widget in body["widgets"].as_array().unwrap() {
        for line in widget["properties"]["metrics"].as_array().into_iter().flatten() {
            match line[0]["expression"].as_str() {
                Some(expression) => lines.extend(searches(expression)),
                None => {
                    let texts: Vec<&str> = line.as_array().unwrap().iter().map_while(Value::as_str).collect();
                    let pairs: Vec<_> =
                        texts[2..].chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect();
                    let names = pairs.iter().map(|(name, _)| name.clone()).collect();
                    lines.push((texts[0].to_owned(), Some(texts[1].to_owned()), names, pairs));
                }
            }
        }
    }
    lines
}

/// Returns the search terms of an expression.
fn searches(expression: &str) -> Vec<Line> {
    let unquoted = |text: &str| text.trim_matches('"').to_owned();
    let mut searches = Vec::new();
    for search in expression.split("SEARCH('{").skip(1) {
        let (schema, rest) = search.split_once('}').unwrap();
        let (terms, _) = rest.split_once("', '").unwrap();
        let mut names = schema.split(',').map(unquoted);
        let namespace = names.next().unwrap();
        let terms: Vec<_> = terms.split_whitespace().filter_map(|term| term.split_once('=')).collect();
        let exact = terms.iter().find(|(name, value)| *name == "MetricName" && value.starts_with('"'));
        let values = terms.iter().filter(|(name, _)| *name != "MetricName");
        let values = values.map(|(name, value)| (unquoted(name), unquoted(value))).collect();
        searches.push((namespace, exact.map(|(_, value)| unquoted(value)), names.collect(), values));
    }
    searches
}
