//! A real Envoy scrapes Prometheus' node exporter.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::Duration,
};

use e2e::{ClientRequest, Connection, Pair, Setup, eventually, installation};
use local_cloudwatch::SeriesTotal;
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(40);

/// A running exporter. Dropping it stops it.
struct Exporter {
    process: Child,
    address: SocketAddr,
}

impl Exporter {
    async fn start() -> Self {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let process = Command::new(installation::node_exporter())
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let exporter = Self { process, address };
        eventually("the exporter responds", LIMIT, async || {
            Connection::new(exporter.address)
                .send(&ClientRequest::get("exporter", "/"))
                .await
                .map_err(|error| error.to_string())
        })
        .await;
        exporter
    }

    async fn page(&self) -> String {
        let response = Connection::new(self.address).send(&ClientRequest::get("exporter", "/metrics")).await.unwrap();
        String::from_utf8(response.body.to_vec()).unwrap()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the number in the line that starts with `line`.
fn number(page: &str, line: &str) -> f64 {
    let found = page.lines().find_map(|candidate| candidate.strip_prefix(line));
    found.unwrap_or_else(|| panic!("no {line} in {page}")).trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn published_metrics_match_the_exporter() {
    let exporter = Exporter::start().await;
    let before = exporter.page().await;
    let rule = |metric: &str, dimension: &str, label: &str| json!({ "metric": metric, "dimensions": { dimension: { "label": label } } });
    let mut pair = Pair::start(Setup {
        receiver: json!({ "scrape": [{
            "cluster_name": "machine", "interval_millisecond": 1_000, "metric_namespace": "Machine", "max_series": 2_000,
            "rules": [
                rule("node_cpu_seconds_total", "Mode", "mode"),
                { "metric": "go_memstats_alloc_bytes_total" },
                { "metric": "node_memory_MemTotal_bytes", "name": "MemTotal" },
                { "metric": "node_boot_time_seconds" },
                { "metric": "go_gc_duration_seconds", "name": "GarbageCollection" },
                rule("promhttp_metric_handler_requests_total", "Code", "code"),
                // Many further metrics, of which CloudWatch must not reject any.
                { "metric": "node_n*", "unit": "None", "combine": "samples" },
            ],
        }] }),
        clusters: vec![("machine", exporter.address)],
        ..Setup::default()
    })
    .await;
    let find = |name: &str, value: Option<&str>| {
        let mut totals = pair.cloudwatch.totals("Machine").into_iter();
        let matches = |total: &SeriesTotal| {
            total.metric_name == name && total.dimensions.values().next().map(String::as_str) == value
        };
        totals.find(matches)
    };
    let allocated = eventually("five increases of allocated memory are published", LIMIT, async || {
        let stats = pair.envoy.admin().module_stats().await;
        let allocated = find("go_memstats_alloc_bytes_total", None).filter(|allocated| allocated.count >= 5.0);
        allocated.ok_or_else(|| format!("{stats:#?}"))
    })
    .await;
    let after = exporter.page().await;
    let line = "go_memstats_alloc_bytes_total ";
    assert!(allocated.sum > 0.0 && allocated.sum <= number(&after, line) - number(&before, line), "{allocated:?}");
    assert_eq!(allocated.unit, "Bytes");
    let modes = ["user", "system", "idle"].map(|mode| find("node_cpu_seconds_total", Some(mode)).unwrap());
    assert!(modes.iter().all(|mode| mode.unit == "Seconds" && mode.min >= 0.0), "{modes:#?}");
    for (name, line, unit) in [
        ("MemTotal", "node_memory_MemTotal_bytes ", "Bytes"),
        ("node_boot_time_seconds", "node_boot_time_seconds ", "Seconds"),
    ] {
        let total = find(name, None).unwrap();
        assert_eq!((total.min, total.max, total.unit.as_str()), (number(&before, line), number(&after, line), unit));
    }
    // Each scrape is counted in the next one.
    let scrapes = find("promhttp_metric_handler_requests_total", Some("200")).unwrap();
    assert_eq!((scrapes.min, scrapes.unit.as_str()), (1.0, "Count"));
    // This test requested the page once in between.
    assert!(scrapes.sum <= scrapes.count + 1.0, "{scrapes:?}");
    let names: std::collections::BTreeSet<_> =
        pair.cloudwatch.totals("Machine").into_iter().map(|total| total.metric_name).collect();
    assert!(names.len() > 30, "{names:?}");
    let stats = pair.envoy.admin().module_stats().await;
    assert_eq!((stats["receiver.sources.failed"], stats["receiver.dropped.invalid"]), (0, 0), "{stats:#?}");
    pair.envoy.assert_healthy();
}
