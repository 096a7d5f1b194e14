//! HTTP callouts: requests that Envoy sends on behalf of a module.

use std::{fmt, time::Duration};

use proxy_wasm::{hostcalls, types::Status};

/// The reason why Envoy refused to dispatch a callout.
#[derive(Clone, Copy, Debug)]
pub struct CalloutError(Status);

/// Dispatches a request to a cluster. Returns the callout's token, which Envoy passes to `on_http_call_response`.
///
/// Call this function from `on_tick` only. During shutdown, a callout dispatched from `on_done` or from the response of
/// another callout crashes Envoy.
///
/// # Errors
/// Returns an error if the cluster does not exist, or if it cannot accept a request now.
pub fn dispatch<'a>(
    cluster: &str,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    body: &[u8],
    timeout: Duration,
) -> Result<u32, CalloutError> {
    let headers = headers.into_iter().collect();
    hostcalls::dispatch_http_call(cluster, headers, Some(body), Vec::new(), timeout).map_err(CalloutError)
}

impl fmt::Display for CalloutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Status::BadArgument => "Envoy has no cluster of that name",
            Status::InternalFailure => "the cluster has no endpoint, or its circuit breaker is open",
            _ => "Envoy refused to send the request",
        })
    }
}
