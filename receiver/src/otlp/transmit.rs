//! A request as it is sent.

use std::time::Duration;

use acpw_config::Secret;
use acpw_metric::Timestamp;
use acpw_sigv4::{PayloadHash, SignableRequest, Signed};

use super::config::Authentication;
use crate::{call::Call, credentials::Signing};

/// Identifies a request without a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExportId(pub(crate) u64);

/// The destination of requests.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) cluster: String,
    pub(super) host: Option<String>,
    pub(super) path: String,
    pub(super) authentication: Authentication,
    pub(super) headers: Vec<(String, Secret)>,
    pub(super) timeout: Duration,
}

impl Endpoint {
    /// Creates the callout of a compressed body. `signing` is the way to sign it if the authentication is SigV4.
    ///
    /// # Errors
    /// Returns an error if the host or the time cannot be signed.
    pub(super) fn call(
        &self,
        host: &str,
        body: &[u8],
        signing: Option<Signing<'_>>,
        signed_at: Timestamp,
    ) -> Result<Call, String> {
        let own = [("content-type", "application/x-protobuf"), ("content-encoding", "gzip")];
        let request = SignableRequest {
            method: "POST",
            host,
            path: &self.path,
            query: "",
            headers: &own,
            body,
            payload_hash: PayloadHash::Implied,
        };
        let seconds = i64::try_from(signed_at.as_secs()).unwrap_or(i64::MAX);
        let signed = match signing {
            Some(Signing::Keys(signer)) => Some(signer.sign(&request, seconds).map_err(|error| error.to_string())?),
            Some(Signing::Envoy) | None => None,
        };
        let pseudo = [(":method", "POST"), (":path", &self.path), (":authority", host), (":scheme", "https")];
        let headers = pseudo.into_iter().chain(own).chain(signed.iter().flat_map(Signed::headers));
        let mut headers: Vec<_> = headers.map(|(name, value)| (name, value.to_owned())).collect();
        if let Authentication::Bearer(token) = &self.authentication {
            headers.push(("authorization", format!("Bearer {}", token.expose())));
        }
        let custom = self.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
        let call = Call::put_metric_data(&self.cluster, headers, body.to_vec(), self.timeout);
        Ok(Call { custom_headers: custom.collect(), ..call })
    }
}
