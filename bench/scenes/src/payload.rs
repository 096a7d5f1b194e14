//! Scenes that encode and sign payloads.

use acpw_metric::{Accumulator, Namespace, PeriodKey, Record};
use acpw_sigv4::{Credentials, PayloadHash, SignableRequest, Signed, Signer, SigningScope};
use receiver::{Batch, Payload, datum::MetricDatum, lane_key::LaneKey};

use crate::{LoadShape, START, at, records};

/// Encodes data into one payload.
#[derive(Debug)]
pub struct PayloadEncoding {
    data: Accumulator,
}

impl PayloadEncoding {
    /// Creates a scene with the data of these senders. There must be at most 1,000 data, CloudWatch's quota per
    /// request.
    pub fn new(shape: LoadShape) -> Self {
        let mut data = Accumulator::default();
        for record in records(shape, at(0)) {
            data.merge_record(&Record::decode(&record).expect("a record"), 0);
        }
        Self { data }
    }

    /// Encodes the data. A large payload is compressed.
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

/// Signs a payload.
#[derive(Debug)]
pub struct PayloadSigning {
    signer: Signer,
    body: Vec<u8>,
}

impl PayloadSigning {
    /// Creates a scene with a body of `bytes` bytes.
    pub fn new(bytes: usize) -> Self {
        let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", None);
        let scope = SigningScope::new("us-east-1", "monitoring");
        Self { signer: Signer::new(credentials.expect("a key"), scope.expect("a scope")), body: vec![b'x'; bytes] }
    }

    /// Signs the body. The signer reuses its signing key.
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
