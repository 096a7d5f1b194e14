//! Explains failures of sources and how to fix them.

use std::time::Duration;

use super::SourceConfig;

/// A hint for ports that use TLS.
const TLS: &str = "; if the port uses TLS, configure a transport_socket for the cluster";

/// The tolerance when comparing with the timeout. Envoy measures it from the start of its event loop iteration, which
/// may be this much earlier than the request.
const SLACK: Duration = Duration::from_millis(50);

/// Explains why there is no response. `waited` is the time since the request.
pub(super) fn explain(reason: &str, config: &SourceConfig, waited: Duration) -> String {
    let hint = tls_hint(reason);
    match reason {
        _ if waited.saturating_add(SLACK) >= config.timeout => {
            format!("no complete response within {} ms: {reason}", config.timeout.as_millis())
        }
        "the answer broke off" => format!("the connection was closed before the response was complete{TLS}"),
        _ if reason.starts_with("the answer is longer than") => format!("{reason}; raise answer_limit_bytes"),
        _ => format!("{reason}{hint}"),
    }
}

/// Returns a hint if the text suggests a plain HTTP request to a port that uses TLS.
pub(super) fn tls_hint(text: &str) -> &'static str {
    let text = text.to_ascii_lowercase();
    let is_refused = text.contains("https") && (text.contains("http request") || text.contains("plain"));
    let is_closed = ["protocol error", "connection termination", "remote reset"].iter().any(|word| text.contains(word));
    if is_refused || is_closed { TLS } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Publish;

    #[test]
    fn failures_explain_how_to_fix_them() {
        let config = SourceConfig {
            name: "scrape[0]".to_owned(),
            cluster: "app".to_owned(),
            authority: "app".to_owned(),
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            answer_limit: 1_024,
            publish: Publish::Interval,
            publish_to: None,
        };
        let explained = |reason: &str, millis| explain(reason, &config, Duration::from_millis(millis));
        let stalled = "no complete response within 1000 ms: upstream request timeout";
        assert_eq!(explained("upstream request timeout", 950), stalled);
        assert_eq!(explained("upstream request timeout", 949), "upstream request timeout");
        assert_eq!(
            explained("the answer broke off", 1_001),
            "no complete response within 1000 ms: the answer broke off"
        );
        let tls = [
            "the answer broke off",
            "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
            "upstream connect error or disconnect/reset before headers. reset reason: protocol error",
        ];
        let closed = "the connection was closed before the response was complete";
        assert_eq!(explained("the answer broke off", 5), [closed, TLS].concat());
        for reason in tls {
            assert!(explained(reason, 5).ends_with(TLS), "{reason}");
        }
        assert_eq!(explained("no healthy upstream", 5), "no healthy upstream");
        assert!(explained("the answer is longer than 1024 bytes", 5).ends_with("; raise answer_limit_bytes"));
        for page in ["Client sent an HTTP request to an HTTPS server.", "The plain HTTP request was sent to HTTPS port"]
        {
            assert_eq!(tls_hint(page), TLS, "{page}");
        }
        assert_eq!(tls_hint("see https://example.com"), "");
    }
}
