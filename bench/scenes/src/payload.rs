//! Payloads and their signatures.

use acpw_metric::{Accumulator, Namespace, PeriodKey, Record};
use acpw_sigv4::{Credentials, PayloadHash, SignableRequest, Signed, Signer, SigningScope};
use receiver::{Batch, Payload, datum::MetricDatum, lane_key::LaneKey};

use crate::{START, Shape, at, records};

/// Data that are to be encoded into one payload.
#[derive(Debug)]
pub struct Encoding {
    data: Accumulator,
}

impl Encoding {
    /// As many data as these senders' records have, at most the thousand that CloudWatch takes.
    pub fn new(shape: Shape) -> Self {
        let mut data = Accumulator::default();
        for record in records(shape, at(0)) {
            data.merge_record(&Record::decode(&record).expect("a record"), 0);
        }
        Self { data }
    }

    /// Encodes them, and compresses what is large.
    pub fn encode(&self) -> Payload {
        let mut batch =
            Batch::new(LaneKey { namespace: Namespace::new("AWSCloudWatchProxyWasm").expect("a name"), entity: None });
        for (PeriodKey { start, kind, .. }, dimensions, distributions) in self.data.iter() {
            for (metric, distribution) in distributions {
                let name = metric.name.as_str();
                batch.push(&MetricDatum { name, metric, dimensions, timestamp: *start, kind: *kind, distribution });
            }
        }
        let draft = batch.into_draft().expect("data");
        draft.seal(&mut usize::MAX.clone()).expect("a budget that suffices")
    }
}

/// A payload that is to be signed.
#[derive(Debug)]
pub struct Signing {
    signer: Signer,
    body: Vec<u8>,
}

impl Signing {
    /// A body of so many bytes.
    pub fn new(bytes: usize) -> Self {
        let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", None);
        let scope = SigningScope::new("us-east-1", "monitoring");
        Self { signer: Signer::new(credentials.expect("a key"), scope.expect("a scope")), body: vec![b'x'; bytes] }
    }

    /// Signs it, with the day's key once that is known.
    pub fn sign(&mut self) -> Signed {
        let headers = [
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-target", "GraniteServiceVersion20100801.PutMetricData"),
            ("x-amzn-query-mode", "true"),
            ("content-encoding", "gzip"),
        ];
        let request = SignableRequest {
            method: "POST",
            host: "monitoring.us-east-1.amazonaws.com",
            path: "/",
            query: "",
            headers: &headers,
            body: &self.body,
            payload_hash: PayloadHash::Implied,
        };
        self.signer.sign(&request, i64::try_from(START).unwrap_or_default()).expect("a signature")
    }
}
