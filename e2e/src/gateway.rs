//! The gateway's scene: an Envoy whose listener takes posts, and the CloudWatch that they are published to.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use hyper::Method;
use local_cloudwatch::{LocalCloudWatch, SeriesTotal, ServerOptions};
use serde_json::{Value, json};

use crate::{Answer, Bootstrap, Connection, Envoy, Listener, Plugin, ReceiverAttachment, Request, eventually};

/// How long posts may take to arrive at CloudWatch.
const LIMIT: Duration = Duration::from_secs(40);

/// What differs from the usual.
#[derive(Debug)]
pub struct GatewaySetup {
    /// Keys to set in the gateway's configuration.
    pub gateway: Value,
    /// Keys to set in the receiver's; otherwise it publishes to the local CloudWatch every second.
    pub receiver: Value,
    /// Fields of the `HttpConnectionManager`.
    pub fields: Vec<(&'static str, Value)>,
    /// Whether there is a receiver.
    pub has_receiver: bool,
    /// Worker threads.
    pub workers: usize,
}

impl Default for GatewaySetup {
    fn default() -> Self {
        Self { gateway: json!({}), receiver: json!({}), fields: Vec::new(), has_receiver: true, workers: 2 }
    }
}

/// A gateway and the CloudWatch that its receiver publishes to.
#[derive(Debug)]
pub struct Gateway {
    /// The far end.
    pub cloudwatch: LocalCloudWatch,
    /// Envoy.
    pub envoy: Envoy,
}

impl Gateway {
    /// Starts both, and waits until posts are taken.
    ///
    /// # Panics
    /// When one does not start.
    pub async fn start(setup: GatewaySetup) -> Self {
        let cloudwatch = LocalCloudWatch::start(ServerOptions::default()).await.expect("a local CloudWatch");
        let mut receiver = json!({
            "cloud_watch_region": "us-east-1",
            "cloud_watch_cluster_name": "cloud_watch",
            "cloud_watch_host": cloudwatch.address().to_string(),
            "aws_access_key_id": "local",
            "aws_secret_access_key": "local",
            "publish_interval_millisecond": 1000,
        });
        let mut gateway = json!({ "receiver_vm_id": "receiver" });
        for (object, keys) in [(&mut receiver, &setup.receiver), (&mut gateway, &setup.gateway)] {
            object.as_object_mut().expect("an object").extend(keys.as_object().expect("an object").clone());
        }
        let mut listener = Listener::new("gateway").gateway(&Plugin::gateway(gateway));
        for (field, value) in setup.fields {
            listener = listener.with(field, value);
        }
        let mut bootstrap =
            Bootstrap::default().listener(listener).cluster("cloud_watch", cloudwatch.address()).workers(setup.workers);
        if setup.has_receiver {
            bootstrap = bootstrap.receiver(ReceiverAttachment::StatsSink, Plugin::receiver(receiver));
        }
        let this = Self { cloudwatch, envoy: Envoy::start(&bootstrap).await };
        if setup.has_receiver {
            eventually("the gateway is ready", LIMIT, async || {
                // Every worker has to have seen the receiver.
                for _ in 0..2 * setup.workers {
                    let answer = this.send(&Request::get("localhost", "/healthcheck")).await;
                    if answer.status != 200 {
                        return Err(answer.status);
                    }
                }
                Ok(())
            })
            .await;
        }
        this
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.envoy.address("gateway")
    }

    /// Its address for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Sends a request over a connection of its own.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn send(&self, request: &Request) -> Answer {
        Connection::new(self.address()).send(request).await.expect("an answer")
    }

    /// Posts JSON; gives the status and the answer.
    ///
    /// # Panics
    /// When there is no answer, or it is no JSON.
    pub async fn post(&self, path: &str, body: impl ToString) -> (u16, Value) {
        let answer = self.send(&json_post(path, body)).await;
        (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
    }

    /// What `/status` says.
    ///
    /// # Panics
    /// When there is no answer, or it is no JSON.
    pub async fn status(&self) -> Value {
        let answer = self.send(&Request::get("localhost", "/status")).await;
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    /// Flushes, and gives what CloudWatch has stored of a namespace, by name and dimensions.
    ///
    /// # Panics
    /// When the flush does not come to its end.
    pub async fn flushed(&self, namespace: &str) -> BTreeMap<String, SeriesTotal> {
        let (status, answer) = self.post("/flush?timeout_millisecond=30000", "").await;
        assert_eq!((status, &answer["is_flushed"]), (200, &json!(true)), "{answer}");
        by_series(self.cloudwatch.totals(namespace))
    }
}

/// A post of JSON.
pub fn json_post(path: &str, body: impl ToString) -> Request {
    let request = Request::new(Method::POST, "localhost", path).header("content-type", "application/json");
    request.body(body.to_string())
}

/// Totals by name, unit and dimensions.
pub fn by_series(totals: Vec<SeriesTotal>) -> BTreeMap<String, SeriesTotal> {
    let key = |total: &SeriesTotal| format!("{} {} {:?}", total.metric_name, total.unit, total.dimensions);
    totals.into_iter().map(|total| (key(&total), total)).collect()
}
