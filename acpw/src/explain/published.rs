//! The requests in which a receiver publishes a record: PutMetricData, and exports to an OTLP endpoint.

use std::io::Read;

use acpw_metric::Timestamp;
use acpw_sigv4::Credentials;
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;
use receiver::{
    Driver, PublishAnswer, ReceiverConfig, Transmit,
    call::Call,
    credentials::{CredentialSet, Provider, RegionSource},
    endpoint::Region,
    otlp::{Authentication, ExportAnswer, OtlpConfig},
};
use serde_json::Value;

use super::measured::{END, now};

/// The longest body that is shown, in bytes. CloudWatch accepts 1 MB.
const MAX_BODY: u64 = 1 << 20;

/// A request of the receiver.
#[derive(Debug)]
pub(super) struct Published {
    /// The host of the service.
    pub(super) host: String,
    /// The service.
    pub(super) service: Service,
    /// The seconds from the end of the request to the publication.
    pub(super) seconds: u64,
    /// The body. That of an OTLP endpoint is shown in OTLP's JSON encoding.
    pub(super) body: Value,
    /// The length of the body in bytes, before it is compressed.
    pub(super) bytes: usize,
}

/// The service that a request goes to.
#[derive(Debug)]
pub(super) enum Service {
    /// CloudWatch's PutMetricData.
    PutMetricData,
    /// An OTLP endpoint with this path.
    Otlp(String),
}

/// Hands records to a new receiver and returns the requests that it sends, each of which is accepted.
///
/// # Errors
/// Returns a message if the receiver sends nothing, which is a fault of this program.
pub(super) fn publish(config: &ReceiverConfig, records: &[Vec<u8>]) -> Result<Vec<Published>, String> {
    let fault = |reason: &str| format!("the example request cannot be published: {reason}");
    let config = offline(config).ok_or_else(|| fault("the example keys are invalid"))?;
    let host = config.host().unwrap_or_default();
    let interval = config.publish_interval.as_secs();
    let mut driver = Driver::new(config, 1);
    let mut published = Vec::new();
    // A receiver waits for its interval at most. Shares of gauges wait for those of other workers before.
    for second in 1..interval.saturating_add(180) {
        let now = now(Timestamp::from_millis(END.saturating_add(second.saturating_mul(1_000))));
        if second == 1 {
            records.iter().for_each(|record| driver.handle_record(record, now));
        }
        while let Some(transmit) = driver.poll_transmit(now) {
            let (body, bytes) = body(&transmit).ok_or_else(|| fault("its body is not JSON"))?;
            let service = Service::PutMetricData;
            published.push(Published { host: host.clone(), service, seconds: second, body, bytes });
            driver.handle_answer(transmit.id, &accepted(), now);
        }
        while let Some((id, call)) = driver.take_export() {
            let (body, bytes) = export_body(&call).ok_or_else(|| fault("its body is not OTLP"))?;
            let header = |name: &str| call.headers.iter().find(|(known, _)| *known == name).map(|(_, text)| text);
            let service = Service::Otlp(header(":path").cloned().unwrap_or_default());
            let host = header(":authority").cloned().unwrap_or_default();
            published.push(Published { host, service, seconds: second, body, bytes });
            driver.handle_export_answer(id, &ExportAnswer::new(accepted_header, b""), now);
        }
    }
    if published.is_empty() { Err(fault("the receiver did not send it")) } else { Ok(published) }
}

/// Returns the answer to a request that is accepted.
fn accepted() -> PublishAnswer {
    PublishAnswer::new(accepted_header, b"")
}

fn accepted_header(name: &str) -> Option<Vec<u8>> {
    match name {
        ":status" => Some(b"200".to_vec()),
        "x-amzn-requestid" => Some(b"00000000-0000-0000-0000-000000000000".to_vec()),
        _ => None,
    }
}

/// Returns a configuration that needs nobody else: with example keys and without sources.
fn offline(config: &ReceiverConfig) -> Option<ReceiverConfig> {
    let credentials = Credentials::new("AKIDEXAMPLE", "example", None).ok()?;
    let set = CredentialSet { credentials, expires: None, outlives_expiry: false, has_invalid_expiry: false };
    let region = match &config.region {
        RegionSource::Imds(_) => RegionSource::Known(Region::new("us-east-1").ok()?),
        known => known.clone(),
    };
    // Neither tokens nor headers are shown.
    let otlp = |otlp: &OtlpConfig| {
        let authentication = match &otlp.authentication {
            Authentication::SigV4 => Authentication::SigV4,
            Authentication::Bearer(_) | Authentication::None => Authentication::None,
        };
        OtlpConfig { authentication, headers: Vec::new(), ..otlp.clone() }
    };
    Some(ReceiverConfig {
        region,
        credentials: vec![Provider::Static(set)],
        cluster: config.cluster.clone(),
        host: config.host.clone(),
        timeout: config.timeout,
        namespace: config.namespace.clone(),
        request_count_name: config.request_count_name.clone(),
        publish_interval: config.publish_interval,
        buffer_limit: config.buffer_limit,
        max_series: config.max_series,
        on_unknown_outcome: config.on_unknown_outcome,
        admin_cluster: None,
        self_metrics: false,
        sources: Vec::new(),
        publish_to: config.publish_to,
        otlp: config.otlp.as_ref().map(otlp),
    })
}

/// Returns the body as JSON, and its length.
fn body(transmit: &Transmit) -> Option<(Value, usize)> {
    let mut body = transmit.body.clone();
    if transmit.headers.iter().any(|(name, value)| *name == "content-encoding" && value == "gzip") {
        body = decompressed(&transmit.body)?;
    }
    Some((serde_json::from_slice(&body).ok()?, body.len()))
}

/// Returns the body of a request to an OTLP endpoint in OTLP's JSON encoding, and its length in protobuf.
fn export_body(call: &Call) -> Option<(Value, usize)> {
    let body = decompressed(&call.body)?;
    let request = ExportMetricsServiceRequest::decode(body.as_slice()).ok()?;
    let mut document = serde_json::to_value(request).ok()?;
    remove_empty(&mut document);
    Some((document, body.len()))
}

fn decompressed(body: &[u8]) -> Option<Vec<u8>> {
    let mut decompressed = Vec::new();
    GzDecoder::new(body).take(MAX_BODY).read_to_end(&mut decompressed).ok()?;
    Some(decompressed)
}

/// Removes members without content, which protobuf does not encode.
fn remove_empty(value: &mut Value) {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(remove_empty);
            members.retain(|_, member| !is_empty(member));
        }
        Value::Array(list) => list.iter_mut().for_each(remove_empty),
        _ => {}
    }
}
