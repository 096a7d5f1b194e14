//! HTTP callouts.

use std::time::Duration;

use crate::{
    Callout, HostError, abi,
    number::{Buffer, Headers},
    pairs::to_map,
};

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
    let timeout = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    abi::http_call(cluster, &to_map(headers), body, &to_map(&[]), timeout)
}

/// The headers of the answer, during `on_http_call_response`; to be read with [`pairs`](crate::pairs).
pub fn call_response_headers() -> Vec<u8> {
    abi::header_map(Headers::CallResponse).unwrap_or_default()
}

/// The first `most` bytes of the answer's body, during `on_http_call_response`.
pub fn call_response_body(most: usize) -> Vec<u8> {
    abi::buffer(Buffer::CallResponseBody, most).unwrap_or_default()
}
