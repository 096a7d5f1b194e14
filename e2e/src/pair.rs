//! An Envoy with the sender and the receiver, and the local CloudWatch that the receiver publishes to.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use local_cloudwatch::{AccessKey, LocalCloudWatch, SECRET_MARK, ServerOptions};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    Bootstrap, ClientRequest, Connection, Envoy, Listener, Plugin, ReceiverAttachment, RequestCounts, Route,
    SenderAttachment, eventually, installation, series::stored,
};

/// The namespace that the receiver publishes to.
pub const NAMESPACE: &str = "Test";

/// Timeout for requests to arrive at CloudWatch.
const LIMIT: Duration = Duration::from_secs(40);

/// The default access key of the receiver.
const ACCESS_KEY_ID: &str = "pair";

/// The flush interval of the sender, in milliseconds.
const FLUSH_INTERVAL: u64 = 200;

/// Options of a [`Pair`].
#[derive(Debug)]
pub struct Setup {
    /// The extension point of the sender.
    pub sender_attachment: SenderAttachment,
    /// Keys to set in the sender's configuration. By default, it measures every host and flushes every 200 ms.
    pub sender: Value,
    /// The extension point of the receiver.
    pub receiver_attachment: ReceiverAttachment,
    /// Keys to set in the receiver's configuration. By default, it publishes every second.
    pub receiver: Value,
    /// The listener, to which the sender is added. Its name must be `main`.
    pub listener: Listener,
    /// Environment variables of the receiver.
    pub environment: Vec<(&'static str, String)>,
    /// Additional clusters.
    pub clusters: Vec<(&'static str, SocketAddr)>,
    /// Clusters and listeners in Envoy's own format; see [`Bootstrap::resource`].
    pub resources: Vec<(&'static str, Value)>,
    /// The local CloudWatch. By default, the pair starts its own.
    pub cloudwatch: Option<LocalCloudWatch>,
    /// Number of worker threads.
    pub workers: usize,
    /// The folder of the modules.
    pub modules: PathBuf,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            sender_attachment: SenderAttachment::HttpFilter,
            sender: json!({}),
            receiver_attachment: ReceiverAttachment::StatsSink,
            receiver: json!({}),
            listener: Listener::new("main").route(Route::direct("/", 200)),
            environment: Vec::new(),
            clusters: Vec::new(),
            resources: Vec::new(),
            cloudwatch: None,
            workers: 2,
            modules: installation::modules(),
        }
    }
}

/// An Envoy with the sender and the receiver, and the local CloudWatch.
#[derive(Debug)]
pub struct Pair {
    /// The local CloudWatch.
    pub cloudwatch: LocalCloudWatch,
    /// Envoy.
    pub envoy: Envoy,
}

impl Pair {
    /// Starts both.
    ///
    /// # Panics
    /// Panics if one of them does not start.
    pub async fn start(setup: Setup) -> Self {
        // Every test searches its log for the prefix of this secret.
        let secret = secret();
        let cloudwatch = match setup.cloudwatch {
            Some(cloudwatch) => cloudwatch,
            None => {
                let mut options = ServerOptions::default();
                options.keys.push(Self::key());
                LocalCloudWatch::start(options).await.expect("a local CloudWatch")
            }
        };
        let sender =
            merge(json!({ "receiver_vm_id": "receiver", "flush_interval_millisecond": FLUSH_INTERVAL }), &setup.sender);
        let receiver = merge(
            json!({
                "cloud_watch_region": "us-east-1",
                "cloud_watch_cluster_name": "cloud_watch",
                "cloud_watch_host": cloudwatch.address().to_string(),
                "aws_access_key_id": ACCESS_KEY_ID,
                "aws_secret_access_key": secret,
                "metric_namespace": NAMESPACE,
                "publish_interval_millisecond": 1000,
            }),
            &setup.receiver,
        );
        let sender = Plugin::sender(sender).from_folder(setup.modules.clone());
        let listener = setup.listener.sender(setup.sender_attachment, sender);
        let receiver = Plugin::receiver(receiver).from_folder(setup.modules);
        let environment = setup.environment.iter();
        let receiver = environment.fold(receiver, |plugin, (name, value)| plugin.environment(name, value));
        let mut bootstrap = Bootstrap::default()
            .listener(listener)
            .receiver(setup.receiver_attachment, receiver)
            .workers(setup.workers);
        let clusters = [("cloud_watch", cloudwatch.address())].into_iter().chain(setup.clusters);
        let is_replaced = |name: &str| setup.resources.iter().any(|(_, resource)| resource["name"] == name);
        for (name, address) in clusters.filter(|(name, _)| !is_replaced(name)) {
            bootstrap = bootstrap.cluster(name, address);
        }
        for (kind, resource) in setup.resources {
            bootstrap = bootstrap.resource(kind, resource);
        }
        Self { cloudwatch, envoy: Envoy::start(&bootstrap).await }
    }

    /// Returns the default access key of the receiver.
    pub fn key() -> AccessKey {
        AccessKey::new(ACCESS_KEY_ID, secret())
    }

    /// Returns the address of the listener.
    pub fn address(&self) -> SocketAddr {
        self.envoy.address("main")
    }

    /// Sends a request over a new connection and returns the status.
    ///
    /// # Panics
    /// Panics if the request gets no response.
    pub async fn send(&self, request: ClientRequest) -> u16 {
        Connection::new(self.address()).send(&request).await.expect("a response").status
    }

    /// Returns the stored request counts.
    pub fn stored(&self) -> RequestCounts {
        stored(&self.cloudwatch, NAMESPACE)
    }

    /// Waits until exactly `requests` requests are stored, and returns the stored counts.
    ///
    /// # Panics
    /// Panics if more requests follow, if the modules' stats differ, if values are held or were dropped, or if a module
    /// trapped.
    pub async fn wait_until_stored(&mut self, requests: u64) -> RequestCounts {
        let stats = self.wait_until_idle(requests).await;
        assert_nothing_lost(&stats);
        let stored = self.stored();
        assert_eq!((stored.values().sum::<u64>(), stats["receiver.published"]), (requests, requests), "{stats:#?}");
        self.envoy.assert_healthy();
        stored
    }

    /// Waits until exactly `requests` requests were observed and none of them is held, and returns the modules' stats.
    ///
    /// # Panics
    /// Panics if more requests follow, or if the stats do not account for every request.
    pub async fn wait_until_idle(&self, requests: u64) -> BTreeMap<String, u64> {
        let expected = [
            ("sender.observed", requests),
            ("sender.held", 0),
            ("receiver.received", requests),
            ("receiver.held", 0),
            ("receiver.held_bytes", 0),
            ("receiver.held_series", 0),
        ];
        eventually("every request is accounted for", LIMIT, async || {
            let stats = self.envoy.admin().module_stats().await;
            let is_idle = expected.iter().all(|(name, value)| stats.get(*name) == Some(value));
            if is_idle { Ok(()) } else { Err(format!("{requests} requests: {stats:#?}")) }
        })
        .await;
        // Give every worker time to flush, to show that nothing follows.
        sleep(3 * Duration::from_millis(FLUSH_INTERVAL)).await;
        let stats = self.envoy.admin().module_stats().await;
        for (name, value) in expected {
            assert_eq!(stats.get(name), Some(&value), "{name}: {stats:#?}");
        }
        assert_eq!(stats["sender.enqueued"] - stats["sender.taken_back"], requests, "{stats:#?}");
        let dropped: u64 =
            stats.iter().filter(|(name, _)| name.starts_with("receiver.dropped.")).map(|(_, value)| value).sum();
        assert_eq!(stats["receiver.published"] + dropped, requests, "{stats:#?}");
        stats
    }
}

/// Asserts that all counters of lost values are 0.
fn assert_nothing_lost(stats: &BTreeMap<String, u64>) {
    let mut losses = stats.iter().filter(|(name, _)| name.contains(".dropped.") || name.ends_with(".bad_records"));
    assert!(losses.clone().count() >= 5, "the counters of losses are missing: {stats:#?}");
    assert_eq!(losses.find(|(_, value)| **value != 0), None, "{stats:#?}");
}

fn merge(mut object: Value, keys: &Value) -> Value {
    let keys = keys.as_object().expect("a JSON object");
    object.as_object_mut().expect("a JSON object").extend(keys.clone());
    object
}

/// Returns a secret with the prefix that tests search for.
fn secret() -> String {
    format!("{SECRET_MARK}pair")
}
