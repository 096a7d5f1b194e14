//! HTTP callouts: requests that Envoy sends for a module.

use std::{fmt, time::Duration};

use proxy_wasm::{hostcalls, types::Status};

/// The reason why Envoy did not send a callout.
#[derive(Clone, Copy, Debug)]
pub struct CalloutError(Status);

/// Sends a request to a cluster and returns the callout's token, which `on_http_call_response` receives.
///
/// Call this from `on_tick` only: a callout that is dispatched from `on_done`, or from the response of another callout,
/// crashes Envoy while it shuts down.
///
/// # Errors
/// Envoy has no cluster of this name, or the cluster cannot take a request now.
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
            _ => "Envoy did not take the request",
        })
    }
}
