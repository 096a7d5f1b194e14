//! An Envoy with the gateway and the receiver, and the local CloudWatch that the receiver publishes to.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use hyper::Method;
use local_cloudwatch::{LocalCloudWatch, SeriesTotal, ServerOptions};
use serde_json::{Value, json};

use crate::{
    Bootstrap, ClientRequest, ClientResponse, Connection, Envoy, Listener, Plugin, ReceiverAttachment, eventually,
};

/// Timeout for posts to arrive at CloudWatch.
const LIMIT: Duration = Duration::from_secs(40);

/// Options of a [`GatewayStack`].
#[derive(Debug)]
pub struct GatewaySetup {
    /// Keys to set in the gateway's configuration.
    pub gateway: Value,
    /// Keys to set in the receiver's configuration. By default, it publishes every second.
    pub receiver: Value,
    /// Fields to set in the `HttpConnectionManager`.
    pub fields: Vec<(&'static str, Value)>,
    /// False to run the gateway without a receiver.
    pub has_receiver: bool,
    /// Number of worker threads.
    pub workers: usize,
}

impl Default for GatewaySetup {
    fn default() -> Self {
        Self { gateway: json!({}), receiver: json!({}), fields: Vec::new(), has_receiver: true, workers: 2 }
    }
}

/// An Envoy with the gateway, and the local CloudWatch that its receiver publishes to.
#[derive(Debug)]
pub struct GatewayStack {
    /// The local CloudWatch.
    pub cloudwatch: LocalCloudWatch,
    /// Envoy.
    pub envoy: Envoy,
}

impl GatewayStack {
    /// Starts both and waits until the gateway accepts posts.
    ///
    /// # Panics
    /// Panics if one of them does not start.
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
        let stack = Self { cloudwatch, envoy: Envoy::start(&bootstrap).await };
        if setup.has_receiver {
            eventually("the gateway is ready", LIMIT, async || {
                // Wait until every worker has found the receiver.
                for _ in 0..2 * setup.workers {
                    let response = stack.send(&ClientRequest::get("localhost", "/healthcheck")).await;
                    if response.status != 200 {
                        return Err(response.status);
                    }
                }
                Ok(())
            })
            .await;
        }
        stack
    }

    /// Returns the address of the gateway.
    pub fn address(&self) -> SocketAddr {
        self.envoy.address("gateway")
    }

    /// Returns the gateway's URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Sends a request over a new connection.
    ///
    /// # Panics
    /// Panics if the request gets no response.
    pub async fn send(&self, request: &ClientRequest) -> ClientResponse {
        Connection::new(self.address()).send(request).await.expect("a response")
    }

    /// Posts JSON. Returns the status and the body of the response.
    ///
    /// # Panics
    /// Panics if there is no response, or its body is not JSON.
    pub async fn post(&self, path: &str, body: impl ToString) -> (u16, Value) {
        let response = self.send(&json_post(path, body)).await;
        (response.status, serde_json::from_slice(&response.body).expect("JSON"))
    }

    /// Returns the response of `/status`.
    ///
    /// # Panics
    /// Panics if there is no response, or its body is not JSON.
    pub async fn status(&self) -> Value {
        let response = self.send(&ClientRequest::get("localhost", "/status")).await;
        serde_json::from_slice(&response.body).expect("JSON")
    }

    /// Flushes the receiver and returns the stored series of a namespace; see [`by_series`].
    ///
    /// # Panics
    /// Panics if the flush is not complete in time.
    pub async fn flush(&self, namespace: &str) -> BTreeMap<String, SeriesTotal> {
        let (status, body) = self.post("/flush?timeout_millisecond=30000", "").await;
        assert_eq!((status, &body["is_flushed"]), (200, &json!(true)), "{body}");
        by_series(self.cloudwatch.totals(namespace))
    }
}

/// Creates a POST request with a JSON body.
pub fn json_post(path: &str, body: impl ToString) -> ClientRequest {
    let request = ClientRequest::new(Method::POST, "localhost", path).header("content-type", "application/json");
    request.body(body.to_string())
}

/// Returns totals by the name, unit and dimensions of their series.
pub fn by_series(totals: Vec<SeriesTotal>) -> BTreeMap<String, SeriesTotal> {
    let key = |total: &SeriesTotal| format!("{} {} {:?}", total.metric_name, total.unit, total.dimensions);
    totals.into_iter().map(|total| (key(&total), total)).collect()
}
