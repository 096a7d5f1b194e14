//! The container entry point publishes all data before Envoy exits.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test runs in real time, and fails by panicking"
)]

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::Duration,
};

use e2e::{ClientRequest, Connection, eventually, installation, json_post};
use local_cloudwatch::{LocalCloudWatch, ServerOptions};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);

/// A child process that is terminated when a test fails.
struct ChildGuard(Child);

impl Drop for ChildGuard {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            signal(&self.0, Signal::TERM);
            let _ = self.0.wait();
        }
    }
}

fn signal(child: &Child, signal: Signal) {
    let _ = kill_process(Pid::from_raw(child.id() as i32).unwrap(), signal);
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn held_data_is_published_before_envoy_exits() {
    let cloudwatch = LocalCloudWatch::start(ServerOptions::default()).await.unwrap();
    let (gateway, main, admin) = (free_port(), free_port(), free_port());
    let root = installation::root();
    // The demo's configuration with free ports and a publish interval of one hour.
    let demo = fs::read_to_string(root.join("envoy/demo.yaml")).unwrap();
    let demo = [
        ("port_value: 3000", format!("port_value: {gateway}")),
        ("port_value: 18000", format!("port_value: {main}")),
        ("port_value: 8001", format!("port_value: {admin}")),
        ("port_value: 4582", format!("port_value: {}", cloudwatch.address().port())),
        ("127.0.0.1:4582", cloudwatch.address().to_string()),
        ("\"publish_interval_millisecond\": 1000", "\"publish_interval_millisecond\": 3600000".to_owned()),
    ]
    .iter()
    .fold(demo, |demo, (from, to)| {
        assert!(demo.contains(from), "the demo's configuration does not contain {from}");
        demo.replace(from, to)
    });
    let folder = TempDir::new().unwrap();
    let configuration = folder.path().join("envoy.yaml");
    fs::write(&configuration, demo).unwrap();
    let log = fs::File::create(folder.path().join("log")).unwrap();
    let child = Command::new(root.join("envoy/entrypoint.sh"))
        .args(["--config-path".as_ref(), configuration.as_os_str()])
        .args(["--use-dynamic-base-id", "--concurrency", "1"])
        .env("ENVOY", installation::envoy())
        .env("ACPW_GATEWAY", format!("127.0.0.1:{gateway}"))
        .current_dir(&root)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut running = ChildGuard(child);
    let address = SocketAddr::from(([127, 0, 0, 1], gateway));
    eventually("the gateway is ready", LIMIT, async || {
        match Connection::new(address).send(&ClientRequest::get("localhost", "/healthcheck")).await {
            Ok(response) if response.status == 200 => Ok(()),
            Ok(response) => Err(response.status.to_string()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
    let mut connection = Connection::new(address);
    let post = |value: u32| {
        let datum = json!({ "MetricName": "Rows", "Value": value, "Unit": "Count" });
        json_post("/metrics", json!({ "Namespace": "Job", "MetricData": [datum] }))
    };
    // The first data is published immediately; later data would wait for an hour.
    assert_eq!(connection.send(&post(1)).await.unwrap().status, 202);
    eventually("the first data is published", LIMIT, async || {
        if cloudwatch.totals("Job").is_empty() { Err("nothing is stored") } else { Ok(()) }
    })
    .await;
    for value in 2..=100 {
        assert_eq!(connection.send(&post(value)).await.unwrap().status, 202);
    }
    signal(&running.0, Signal::TERM);
    let status = eventually("Envoy exits", LIMIT, async || running.0.try_wait().unwrap().ok_or("it is running")).await;
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(status.success(), "{status}\n{log}");
    assert!(!log.contains("not everything is published"), "{log}");
    let totals = cloudwatch.totals("Job");
    assert_eq!((totals[0].count, totals[0].sum), (100.0, 5_050.0));
}
