//! The usual scene: an Envoy with the pair of modules, and the CloudWatch that they publish to.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use local_cloudwatch::{AccessKey, LocalCloudWatch, SECRET_MARK, ServerOptions};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    Bootstrap, Connection, Counts, Envoy, Listener, Plugin, ReceiverAttachment, Request, Route, SenderAttachment,
    eventually, installation, series::stored,
};

/// The namespace that the receiver publishes to.
pub const NAMESPACE: &str = "Test";

/// How long requests may take to arrive at CloudWatch.
const LIMIT: Duration = Duration::from_secs(40);

/// Who signs, unless a test says otherwise.
const ACCESS_KEY_ID: &str = "pair";

/// The sender's time between flushes, in milliseconds.
const FLUSH_INTERVAL: u64 = 200;

/// What differs from the usual.
#[derive(Debug)]
pub struct Setup {
    /// How the sender is attached.
    pub sender_attachment: SenderAttachment,
    /// Keys to set in its configuration; otherwise it counts every host, and flushes every 200 ms.
    pub sender: Value,
    /// How the receiver is attached.
    pub receiver_attachment: ReceiverAttachment,
    /// Keys to set in its configuration; otherwise it publishes to the local CloudWatch every second.
    pub receiver: Value,
    /// The listener, before the sender is added. Its name must be `main`.
    pub listener: Listener,
    /// Variables that the receiver sees.
    pub environment: Vec<(&'static str, String)>,
    /// Further clusters.
    pub clusters: Vec<(&'static str, SocketAddr)>,
    /// Clusters and listeners as Envoy has them; see [`Bootstrap::resource`].
    pub resources: Vec<(&'static str, Value)>,
    /// The far end; one of its own otherwise.
    pub cloudwatch: Option<LocalCloudWatch>,
    /// Worker threads.
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

/// An Envoy whose requests the sender counts, and the CloudWatch that its receiver publishes to.
#[derive(Debug)]
pub struct Pair {
    /// The far end.
    pub cloudwatch: LocalCloudWatch,
    /// Envoy.
    pub envoy: Envoy,
}

impl Pair {
    /// Starts both.
    ///
    /// # Panics
    /// When one does not start.
    pub async fn start(setup: Setup) -> Self {
        // By its beginning it is found in a log, and every log of every test is searched.
        let secret = secret();
        let cloudwatch = match setup.cloudwatch {
            Some(cloudwatch) => cloudwatch,
            None => {
                let mut options = ServerOptions::default();
                options.keys.push(Self::key());
                LocalCloudWatch::start(options).await.expect("a local CloudWatch")
            }
        };
        let sender = merged(
            json!({ "receiver_vm_id": "receiver", "flush_interval_millisecond": FLUSH_INTERVAL }),
            &setup.sender,
        );
        let receiver = merged(
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

    /// The key that the receiver signs with, unless its configuration says otherwise.
    pub fn key() -> AccessKey {
        AccessKey::new(ACCESS_KEY_ID, secret())
    }

    /// Where requests go.
    pub fn address(&self) -> SocketAddr {
        self.envoy.address("main")
    }

    /// Sends a request over a connection of its own; gives the status.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn send(&self, request: Request) -> u16 {
        Connection::new(self.address()).send(&request).await.expect("an answer").status
    }

    /// What is stored.
    pub fn stored(&self) -> Counts {
        stored(&self.cloudwatch, NAMESPACE)
    }

    /// Waits until so many requests are stored, and checks that nothing more follows, that the modules' own statistics
    /// say the same, that nothing is held or was dropped, and that nothing trapped. Gives what is stored.
    ///
    /// # Panics
    /// When one of these is not so.
    pub async fn settled(&mut self, requests: u64) -> Counts {
        let stats = self.at_rest(requests).await;
        assert_nothing_lost(&stats);
        let stored = self.stored();
        assert_eq!((stored.values().sum::<u64>(), stats["receiver.published"]), (requests, requests), "{stats:#?}");
        self.envoy.assert_sound();
        stored
    }

    /// Waits until so many requests were observed and nothing is held of them, and checks that the modules' statistics
    /// account for every one of them and that nothing more follows. Gives the statistics.
    ///
    /// # Panics
    /// When one of these is not so.
    pub async fn at_rest(&self, requests: u64) -> BTreeMap<String, u64> {
        let expected = [
            ("sender.observed", requests),
            ("sender.held", 0),
            ("receiver.received", requests),
            ("receiver.held", 0),
            ("receiver.held_bytes", 0),
            ("receiver.held_series", 0),
        ];
        eventually("every request is accounted for", LIMIT, async || {
            let stats = self.envoy.admin().acpw().await;
            let is_so = expected.iter().all(|(name, value)| stats.get(*name) == Some(value));
            if is_so { Ok(()) } else { Err(format!("of {requests} requests: {stats:#?}")) }
        })
        .await;
        // Only time shows that nothing follows: every worker flushes, and whatever that brings is received.
        sleep(3 * Duration::from_millis(FLUSH_INTERVAL)).await;
        let stats = self.envoy.admin().acpw().await;
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

/// No counter of lost values has counted.
fn assert_nothing_lost(stats: &BTreeMap<String, u64>) {
    let mut losses = stats.iter().filter(|(name, _)| name.contains(".dropped.") || name.ends_with(".bad_records"));
    assert!(losses.clone().count() >= 5, "the counters of losses are missing: {stats:#?}");
    assert_eq!(losses.find(|(_, value)| **value != 0), None, "{stats:#?}");
}

fn merged(mut object: Value, keys: &Value) -> Value {
    let keys = keys.as_object().expect("a JSON object");
    object.as_object_mut().expect("a JSON object").extend(keys.clone());
    object
}

/// A secret that a look through the log would find.
fn secret() -> String {
    format!("{SECRET_MARK}pair")
}
