//! HTTP requests of the receiver, and the responses to those that are not PutMetricData.

use std::{fmt, time::Duration};

use acpw_metric::Timestamp;

use crate::{answer::has_request_id, retry_after};

/// The maximum size of a credentials response in bytes.
pub const CREDENTIALS_LIMIT: usize = 64 * 1024;

/// The timeout of requests to local services: an agent, the metadata service, or Envoy's own file server.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(2);

/// An HTTP request to send. Its `Debug` shows only the cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// The Envoy cluster to send it to.
    pub cluster: String,
    /// All headers, Envoy's pseudo-headers first.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The time within which the response must arrive.
    pub timeout: Duration,
    /// The time at which the request was signed, if it was.
    pub(crate) signed_at: Option<Timestamp>,
}

impl Call {
    /// Creates a request without a body to a local service, over plain HTTP.
    pub(crate) fn local(cluster: &str, method: &str, authority: &str, path: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            headers: vec![
                (":method", method.to_owned()),
                (":path", path.to_owned()),
                (":authority", authority.to_owned()),
                (":scheme", "http".to_owned()),
            ],
            body: Vec::new(),
            timeout: LOCAL_TIMEOUT,
            signed_at: None,
        }
    }

    /// Creates a PutMetricData request.
    pub(crate) fn put_metric_data(
        cluster: &str,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Self {
        Self { cluster: cluster.to_owned(), headers, body, timeout, signed_at: None }
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

/// The response to a request. Its `Debug` does not show the body.
#[derive(Clone, PartialEq, Eq)]
pub enum Response {
    /// A complete response.
    Complete {
        /// The HTTP status.
        status: u16,
        /// The whole body.
        body: Vec<u8>,
        /// The time on AWS's clock, if AWS responded.
        date: Option<Timestamp>,
    },
    /// No usable response, with the reason.
    Missing(String),
}

impl Response {
    /// Parses a response. `header` returns the value of a header, given its name in lower case; `body` contains the
    /// first `limit` + 1 bytes of the body. A body longer than `limit` makes the response missing.
    pub fn new(header: impl Fn(&str) -> Option<Vec<u8>>, body: Vec<u8>, limit: usize) -> Self {
        let text = |name: &str| header(name).and_then(|value| String::from_utf8(value).ok());
        let status = text(":status").and_then(|status| status.parse().ok()).unwrap_or(0);
        let date = text("date").and_then(|value| retry_after::http_date(&value));
        // Envoy adds this header to responses of an upstream, but not to its own.
        let is_from_upstream = header("x-envoy-upstream-service-time").is_some();
        let is_of_aws = has_request_id(&header);
        if status == 0 {
            return Self::Missing("the answer broke off".to_owned());
        }
        if body.len() > limit {
            return Self::Missing(format!("the answer is longer than {limit} bytes"));
        }
        if !is_from_upstream && matches!(status, 503 | 504) {
            return Self::Missing(String::from_utf8_lossy(&body).into_owned());
        }
        // A proxy's clock is independent of AWS's.
        Self::Complete { status, body, date: date.filter(|_| is_of_aws) }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete { status, body, .. } => {
                f.debug_struct("Complete").field("status", status).field("bytes", &body.len()).finish()
            }
            Self::Missing(reason) => f.debug_tuple("Missing").field(reason).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1_000;

    fn response(headers: &[(&str, &str)], body: Vec<u8>) -> Response {
        let header = |name: &str| {
            let (_, value) = headers.iter().find(|(known, _)| *known == name)?;
            Some(value.as_bytes().to_vec())
        };
        Response::new(header, body, LIMIT)
    }

    const GOOD: [(&str, &str); 2] = [(":status", "200"), ("x-envoy-upstream-service-time", "1")];

    #[test]
    fn a_response_above_the_limit_is_refused() {
        for (length, is_accepted) in [(LIMIT - 1, true), (LIMIT, true), (LIMIT + 1, false)] {
            let response = response(&GOOD, vec![b'x'; length]);
            assert_eq!(matches!(response, Response::Complete { .. }), is_accepted, "{length}");
        }
    }

    #[test]
    fn a_response_of_envoy_itself_counts_as_missing() {
        let own = response(&[(":status", "504")], b"upstream request timeout".to_vec());
        assert_eq!(own, Response::Missing("upstream request timeout".to_owned()));
        assert_eq!(response(&[], Vec::new()), Response::Missing("the answer broke off".to_owned()));
        let busy = response(&[(":status", "503"), GOOD[1]], Vec::new());
        assert!(matches!(busy, Response::Complete { status: 503, .. }));
    }

    #[test]
    fn only_responses_of_aws_have_a_date() {
        let dated = [GOOD[0], GOOD[1], ("date", "Sat, 22 Aug 2026 12:36:00 GMT")];
        let date = |headers: &[(&str, &str)]| match response(headers, Vec::new()) {
            Response::Complete { date, .. } => date,
            missing => panic!("{missing:?}"),
        };
        assert_eq!(date(&dated), None);
        let own = [dated.as_slice(), &[("x-amzn-requestid", "6d0d1b6a")]].concat();
        assert_eq!(date(&own), Some(Timestamp::from_secs(1_787_402_160)));
    }

    #[test]
    fn debug_shows_neither_headers_nor_bodies() {
        let call = Call::local("c", "GET", "h", "/secret-path").with("authorization", "secret-token");
        let response = response(&GOOD, b"secret-body".to_vec());
        assert!(!format!("{call:?} {response:?}").contains("secret"));
    }
}
