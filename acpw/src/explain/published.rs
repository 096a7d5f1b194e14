//! The PutMetricData request in which a receiver publishes a record.

use std::io::Read;

use acpw_metric::{PublishTo, Timestamp};
use acpw_sigv4::Credentials;
use flate2::read::GzDecoder;
use receiver::{
    Driver, PublishAnswer, ReceiverConfig, Transmit,
    credentials::{CredentialSet, Provider, RegionSource},
    endpoint::Region,
};
use serde_json::Value;

use super::measured::{END, now};

/// The longest body that is shown, in bytes. CloudWatch accepts 1 MB.
const MAX_BODY: u64 = 1 << 20;

/// A PutMetricData request.
#[derive(Debug)]
pub(super) struct Published {
    /// The host of CloudWatch.
    pub(super) host: String,
    /// The seconds from the end of the request to the publication.
    pub(super) seconds: u64,
    /// The body.
    pub(super) body: Value,
    /// The length of the body in bytes, before it is compressed.
    pub(super) bytes: usize,
}

/// Hands records to a new receiver and returns the requests that it sends, of which CloudWatch accepts each.
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
            published.push(Published { host: host.clone(), seconds: second, body, bytes });
            driver.handle_answer(transmit.id, &accepted(), now);
        }
    }
    if published.is_empty() { Err(fault("the receiver did not send it")) } else { Ok(published) }
}

/// Returns CloudWatch's answer to a request that it accepts.
fn accepted() -> PublishAnswer {
    let header = |name: &str| match name {
        ":status" => Some(b"200".to_vec()),
        "x-amzn-requestid" => Some(b"00000000-0000-0000-0000-000000000000".to_vec()),
        _ => None,
    };
    PublishAnswer::new(header, b"")
}

/// Returns a configuration that needs nobody else: with example keys and without sources.
fn offline(config: &ReceiverConfig) -> Option<ReceiverConfig> {
    let credentials = Credentials::new("AKIDEXAMPLE", "example", None).ok()?;
    let set = CredentialSet { credentials, expires: None, outlives_expiry: false, has_invalid_expiry: false };
    let region = match config.region.region() {
        Some(region) => region.clone(),
        None => Region::new("us-east-1").ok()?,
    };
    Some(ReceiverConfig {
        region: RegionSource::Known(region),
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
        // This shows the request to CloudWatch.
        publish_to: PublishTo::CLOUDWATCH,
        otlp: None,
    })
}

/// Returns the body as JSON, and its length.
fn body(transmit: &Transmit) -> Option<(Value, usize)> {
    let mut body = transmit.body.clone();
    if transmit.headers.iter().any(|(name, value)| *name == "content-encoding" && value == "gzip") {
        body.clear();
        GzDecoder::new(transmit.body.as_slice()).take(MAX_BODY).read_to_end(&mut body).ok()?;
    }
    Some((serde_json::from_slice(&body).ok()?, body.len()))
}
