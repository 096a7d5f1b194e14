//! Runs scenarios of credentials in virtual time. Each is a folder `credentials/PROVIDER/SCENARIO/` with these files:
//!
//! - `config.json`: the key `credentials` of the configuration
//! - `environment.json`: the environment variables
//! - `files/`: the files of the file server (the cluster `files`)
//! - `traffic.json`: all other requests and responses, in order
//! - `expected.json`: the credentials that sign requests, or the configuration errors, and log lines
//!
//! Every secret in these files contains `TOPSECRET`, which no log line, error or `Debug` output may contain.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use acpw_metric::{
    Accumulator, DimensionName, DimensionValue, Dimensions, Distribution, Metric, MetricName, Now, StorageResolution,
    Timestamp, Unit,
};
use receiver::{
    Driver, ReceiverConfig, Transmit,
    credentials::{Call, Response},
};
use serde_json::Value;

/// 2026-08-22T12:36:00Z
const START: u64 = 1_787_402_160;

struct Scenario {
    folder: PathBuf,
    traffic: std::vec::IntoIter<Value>,
    expected: Value,
    /// All errors, log lines and `Debug` outputs.
    shown: String,
}

impl Scenario {
    fn read(folder: &Path) -> Self {
        let traffic = json(&folder.join("traffic.json"));
        Self {
            folder: folder.to_owned(),
            traffic: traffic.as_array().cloned().unwrap_or_default().into_iter(),
            expected: json(&folder.join("expected.json")),
            shown: String::new(),
        }
    }

    fn config(&mut self) -> Option<ReceiverConfig> {
        let environment = json(&self.folder.join("environment.json"));
        let mut document = serde_json::json!({ "cloud_watch_cluster_name": "cloud_watch" });
        document["credentials"] = json(&self.folder.join("config.json"));
        if environment.get("AWS_REGION").is_none() && self.expected.get("region").is_none() {
            document["cloud_watch_region"] = "eu-west-1".into();
        }
        let variable = |name: &str| environment.get(name).and_then(Value::as_str).map(str::to_owned);
        match ReceiverConfig::from_json(document.to_string().as_bytes(), variable) {
            Ok(config) => {
                self.shown.push_str(&format!("{config:?}\n"));
                Some(config)
            }
            Err(errors) => {
                self.shown.push_str(&errors.to_string());
                let lines: Vec<String> = errors.lines().collect();
                let expected = texts(&self.expected["errors"]);
                assert_eq!(lines.len(), expected.len(), "{lines:#?}");
                for (line, expected) in lines.iter().zip(expected) {
                    assert!(line.contains(&expected), "{line}\ndoes not contain: {expected}");
                }
                None
            }
        }
    }

    fn run(mut self) {
        let Some(config) = self.config() else { return self.scan() };
        assert!(self.expected.get("errors").is_none(), "the configuration has no errors");
        let mut driver = Driver::new(config, 7);
        driver.handle_record(&record(), now(0));
        let mut transmit = None;
        let mut ticks = 0;
        // Runs for a minute of virtual time, and longer if there is traffic left.
        while transmit.is_none() && (ticks < 300 || (self.traffic.len() > 0 && ticks < 100_000)) {
            let now = now(ticks * 200);
            while let Some(call) = driver.poll_call(now) {
                self.shown.push_str(&format!("{call:?}\n"));
                let response = self.answer(&call);
                driver.handle_call_answer(&response, now);
                self.shown.push_str(&format!("{response:?} {driver:?}\n"));
            }
            transmit = driver.poll_transmit(now);
            while let Some((level, line)) = driver.poll_log_line() {
                self.shown.push_str(&format!("{level:?} {line}\n"));
            }
            ticks += 1;
        }
        assert_eq!(self.traffic.len(), 0, "some of the traffic was not requested");
        self.check(transmit.as_ref());
        assert_eq!(driver.receiver().held(), 1);
        self.scan();
    }

    /// Returns the response to a call: a file, or otherwise the next response in `traffic.json`.
    fn answer(&mut self, call: &Call) -> Response {
        let header =
            |name: &str| call.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        let path = header(":path").unwrap();
        if call.cluster == "files" {
            assert_eq!((header(":method"), call.body.is_empty()), (Some("GET"), true));
            let file = self.folder.join("files").join(path.trim_start_matches('/'));
            let (status, body) = fs::read(file).map_or((404, Vec::new()), |body| (200, body));
            return Response::Complete { status, body, date: None };
        }
        let Some(exchange) = self.traffic.next() else {
            // A retry of a failure at the end of the scenario.
            return Response::Missing("no more traffic".to_owned());
        };
        let expected = &exchange["request"];
        let pseudo = |name: &str| header(&format!(":{name}")).unwrap().to_owned();
        let line = format!("{} {}://{}{}", pseudo("method"), pseudo("scheme"), pseudo("authority"), path);
        assert_eq!((call.cluster.as_str(), line.as_str()), (text(&expected["cluster"]), text(&expected["line"])));
        let own = call.headers.iter().filter(|(name, _)| !name.starts_with(':'));
        let own: BTreeMap<&str, &str> = own.map(|(name, value)| (*name, value.as_str())).collect();
        let expected_headers = expected["headers"].as_object().cloned().unwrap_or_default();
        assert_eq!(own.keys().copied().collect::<Vec<_>>(), expected_headers.keys().collect::<Vec<_>>(), "{line}");
        for (name, value) in &expected_headers {
            // A signature depends on the time, so only the text before it is compared.
            assert!(own[name.as_str()].starts_with(text(value)), "{name}: {}", own[name.as_str()]);
        }
        assert_eq!(String::from_utf8_lossy(&call.body), expected["body"].as_str().unwrap_or_default());
        let response = &exchange["response"];
        match response["missing"].as_str() {
            Some(reason) => Response::Missing(reason.to_owned()),
            None => Response::Complete {
                status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
                body: match &response["body"] {
                    Value::String(text) => text.clone().into_bytes(),
                    Value::Null => Vec::new(),
                    document => document.to_string().into_bytes(),
                },
                date: None,
            },
        }
    }

    fn check(&self, transmit: Option<&Transmit>) {
        for line in texts(&self.expected["log"]) {
            assert!(self.shown.contains(&line), "{}\ndoes not contain: {line}", self.shown);
        }
        let header = |name: &str| {
            let headers = transmit.into_iter().flat_map(|transmit| &transmit.headers);
            headers.clone().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
        };
        let signed_by = header("authorization").and_then(|value| value.split(['=', '/']).nth(1));
        assert_eq!(signed_by, self.expected["signed_by"].as_str(), "{}", self.shown);
        assert_eq!(header("x-amz-security-token"), self.expected["session_token"].as_str());
        assert_eq!(transmit.is_some(), self.expected["is_sent"].as_bool().unwrap_or(signed_by.is_some()));
        if let Some(region) = self.expected["region"].as_str() {
            assert_eq!(header(":authority"), Some(format!("monitoring.{region}.amazonaws.com").as_str()));
        }
    }

    fn scan(&self) {
        assert!(!self.shown.contains("TOPSECRET"), "a secret is shown:\n{}", self.shown);
    }
}

fn json(path: &Path) -> Value {
    let Ok(text) = fs::read_to_string(path) else { return Value::Null };
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string"))
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|value| text(value).to_owned()).collect()
}

fn now(millis: u64) -> Now {
    Now { wall: Timestamp::from_millis(START * 1_000 + millis), steady: Duration::from_millis(millis) }
}

/// Returns a record with one observation.
fn record() -> Vec<u8> {
    let mut held = Accumulator::default();
    let mut one = Distribution::new();
    one.record(1.0);
    let name = MetricName::new("RequestCount").unwrap();
    let metric = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::Standard };
    let value = DimensionValue::new("/").unwrap();
    let dimensions = Dimensions::new(vec![(DimensionName::new("path").unwrap(), value)]).unwrap();
    held.add(now(0).wall, None, &dimensions, &metric, &one);
    held.into_records(1 << 16).pop().unwrap()
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn run_all(provider: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/credentials").join(provider);
    let folders = folders(&root);
    assert!(folders.len() >= 2, "each provider has a success and a failure");
    for folder in folders {
        println!("{}", folder.display());
        Scenario::read(&folder).run();
    }
}

#[test]
fn static_scenarios() {
    run_all("static");
}

#[test]
fn environment_scenarios() {
    run_all("environment");
}

#[test]
fn container_scenarios() {
    run_all("container");
}

#[test]
fn imds_scenarios() {
    run_all("imds");
}

#[test]
fn web_identity_scenarios() {
    run_all("web_identity");
}

#[test]
fn shared_file_scenarios() {
    run_all("shared_file");
}

#[test]
fn assume_role_scenarios() {
    run_all("assume_role");
}

#[test]
fn envoy_scenarios() {
    run_all("envoy");
}

#[test]
fn chain_scenarios() {
    run_all("chain");
}
