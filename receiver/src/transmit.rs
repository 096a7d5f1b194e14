//! Signs a payload as a request that is ready to be dispatched.

use std::fmt;

use acpw_metric::Timestamp;
use acpw_sigv4::{PayloadHash, SignableRequest, Signed};

use crate::{Payload, credentials::Signing};

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
const TARGET: &str = "GraniteServiceVersion20100801.PutMetricData";

/// Identifies a payload in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransmitId(pub(crate) u64);

/// A PutMetricData request, signed unless Envoy signs it. Its `Debug` shows no headers, because one of them is the
/// signature.
pub struct Transmit {
    /// The ID that identifies the answer.
    pub id: TransmitId,
    /// All headers, Envoy's pseudo-headers first.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Transmit {
    /// Signs a payload for this attempt.
    ///
    /// # Errors
    /// Returns an error if the host or time cannot be signed.
    pub(crate) fn sign(
        id: TransmitId,
        payload: &Payload,
        host: &str,
        signing: Signing<'_>,
        signed_at: Timestamp,
    ) -> Result<Self, String> {
        let mut own = vec![
            ("content-type", CONTENT_TYPE),
            ("x-amz-target", TARGET),
            // With this header, errors also have the codes of the older protocol, which AWS documents.
            ("x-amzn-query-mode", "true"),
        ];
        if payload.is_compressed() {
            own.push(("content-encoding", "gzip"));
        }
        let request = SignableRequest {
            method: "POST",
            host,
            path: "/",
            query: "",
            headers: &own,
            body: payload.body(),
            payload_hash: PayloadHash::Implied,
        };
        let seconds = i64::try_from(signed_at.as_secs()).unwrap_or(i64::MAX);
        let signed = match signing {
            Signing::Keys(signer) => Some(signer.sign(&request, seconds).map_err(|error| error.to_string())?),
            Signing::Envoy => None,
        };
        let pseudo = [(":method", "POST"), (":path", "/"), (":authority", host), (":scheme", "https")];
        let headers = pseudo.into_iter().chain(own).chain(signed.iter().flat_map(Signed::headers));
        let headers = headers.map(|(name, value)| (name, value.to_owned())).collect();
        Ok(Self { id, headers, body: payload.body().to_vec() })
    }
}

impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transmit").field("id", &self.id).field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}
