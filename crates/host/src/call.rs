//! HTTP callouts.

use std::time::Duration;

use proxy_wasm::{hostcalls, types::Status};

use crate::{HostError, abi};

/// The host's number of a callout, as `on_http_call_response` names it.
pub type Callout = u32;

/// Sends a request to a cluster. To be called from `on_tick` only: a callout dispatched from `on_done` or from the
/// response of another one crashes Envoy while it shuts down.
///
/// # Errors
/// `bad argument`: no such cluster. `internal failure`: the cluster has no endpoint, or its circuit breaker is open.
pub fn dispatch_http_call(
    cluster: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    timeout: Duration,
) -> Result<Callout, HostError> {
    // The SDK remembers which context a callout belongs to.
    hostcalls::dispatch_http_call(cluster, headers.to_vec(), Some(body), Vec::new(), timeout)
        .map_err(|status: Status| HostError(status as u32))
}

/// The headers of the answer, during `on_http_call_response`; to be read with [`pairs`](crate::pairs).
pub fn call_response_headers() -> Vec<u8> {
    const CALL_RESPONSE_HEADERS: u32 = 6;
    abi::header_map(CALL_RESPONSE_HEADERS).unwrap_or_default()
}

/// The first `most` bytes of the answer's body, during `on_http_call_response`.
pub fn call_response_body(most: usize) -> Vec<u8> {
    const CALL_RESPONSE_BODY: u32 = 4;
    abi::buffer(CALL_RESPONSE_BODY, most).unwrap_or_default()
}
