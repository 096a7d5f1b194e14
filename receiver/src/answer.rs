//! Parses the answers to PutMetricData requests.

use acpw_metric::Timestamp;

use crate::{
    error_code::AwsError,
    retry_after::{RetryAfter, http_date},
};

/// The answer to a PutMetricData request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishAnswer {
    /// A server answered.
    Complete(Reply),
    /// No server answered, for a reason that Envoy returned.
    Missing {
        /// True if the request may have reached CloudWatch, so its data may be stored.
        may_be_stored: bool,
        /// The reason in Envoy's words.
        reason: String,
    },
}

/// The answer of a server: CloudWatch, or another one in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// True if a proxy or another server answered instead of CloudWatch. Every answer of AWS has a request ID; a
    /// foreign one has no request ID.
    pub is_foreign: bool,
    /// The error code without namespace and URL, or an empty string.
    pub code: String,
    /// The error message, or an empty string.
    pub message: String,
    /// The error about the entity of data that CloudWatch has stored (`x-amzn-failure-message`).
    pub entity_error: Option<String>,
    /// The time on the server's clock, unless the answer came from a cache.
    pub date: Option<Timestamp>,
    /// The delay before the next request that the server asks for.
    pub retry_after: Option<RetryAfter>,
}

impl PublishAnswer {
    /// Parses an answer. `header` returns the value of a header, given its name in lower case; `body` is the start of
    /// the body.
    pub fn new(header: impl Fn(&str) -> Option<Vec<u8>>, body: &[u8]) -> Self {
        let text = |name: &str| header(name).and_then(|value| String::from_utf8(value).ok());
        let mut reply = Reply {
            status: text(":status").and_then(|status| status.parse().ok()).unwrap_or(0),
            is_foreign: !has_request_id(&header),
            date: text("date").and_then(|value| http_date(&value)),
            retry_after: text("retry-after").and_then(|value| RetryAfter::parse_header(&value)),
            entity_error: text("x-amzn-failure-message"),
            ..Reply::default()
        };
        // Envoy adds this header to answers of an upstream, but not to its own.
        let is_from_upstream = header("x-envoy-upstream-service-time").is_some();
        let is_cached = header("age").is_some();
        let millis = text("x-amz-retry-after").and_then(|value| RetryAfter::parse_millis(&value));
        let (query_code, error_type) = (text("x-amzn-query-error"), text("x-amzn-errortype"));
        if reply.status == 0 {
            return Self::Missing { may_be_stored: true, reason: "the answer broke off".to_owned() };
        }
        if reply.is_foreign && !is_from_upstream && matches!(reply.status, 503 | 504) {
            return missing(body);
        }
        reply.retry_after = millis.or(reply.retry_after);
        if is_cached {
            reply.date = None;
        }
        if reply.status >= 300 {
            let codes: Vec<&str> = query_code.as_deref().into_iter().chain(error_type.as_deref()).collect();
            AwsError { code: reply.code, message: reply.message } = AwsError::parse(&codes, body);
        }
        Self::Complete(reply)
    }

    /// Returns true if a server other than CloudWatch answered.
    pub fn is_foreign(&self) -> bool {
        matches!(self, Self::Complete(reply) if reply.is_foreign)
    }

    /// Returns the HTTP status, or 0 if there is no answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Complete(reply) => reply.status,
            Self::Missing { .. } => 0,
        }
    }
}

/// The headers by which AWS identifies its answers. CloudWatch sends `x-amzn-RequestId`; AWS's SDKs accept the others
/// too.
const REQUEST_ID_HEADERS: [&str; 3] = ["x-amzn-requestid", "x-amzn-request-id", "x-amz-request-id"];

/// Returns true if an answer has a request ID of AWS.
pub(crate) fn has_request_id(header: impl Fn(&str) -> Option<Vec<u8>>) -> bool {
    REQUEST_ID_HEADERS.iter().any(|name| header(name).is_some_and(|value| !value.trim_ascii().is_empty()))
}

/// Parses the answer that Envoy returns when no server answered. With the reasons in `UNSENT` the request was not sent.
fn missing(body: &[u8]) -> PublishAnswer {
    const UNSENT: [&str; 6] = [
        "connection failure",
        "connection timeout",
        "refused stream reset",
        "reset reason: overflow",
        "no healthy upstream",
        "overload manager",
    ];
    let reason = String::from_utf8_lossy(body.get(..body.len().min(200)).unwrap_or_default()).into_owned();
    PublishAnswer::Missing { may_be_stored: !UNSENT.iter().any(|unsent| reason.contains(unsent)), reason }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn answer(headers: &[(&str, &str)], body: &str) -> PublishAnswer {
        let header = |name: &str| {
            // Envoy looks headers up in lower case.
            let (_, value) = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
            Some(value.as_bytes().to_vec())
        };
        PublishAnswer::new(header, body.as_bytes())
    }

    /// Parses an answer of CloudWatch.
    fn reply(headers: &[(&str, &str)], body: &str) -> Reply {
        let own = [("x-envoy-upstream-service-time", "3"), ("x-amzn-requestid", "6d0d1b6a")];
        match answer(&[headers, &own].concat(), body) {
            PublishAnswer::Complete(reply) => reply,
            missing => panic!("{missing:?}"),
        }
    }

    #[test]
    fn errors_are_parsed_in_every_format_of_aws() {
        let long = r#"{"__type":"com.amazonaws.cloudwatch#Throttling:http://x/","message":"Rate exceeded"}"#;
        let expected = Reply {
            status: 400,
            code: "Throttling".to_owned(),
            message: "Rate exceeded".to_owned(),
            ..Reply::default()
        };
        assert_eq!(reply(&[(":status", "400")], long), expected);
        let other = r#"{"__type":"Throttling","Message":"Rate exceeded"}"#;
        assert_eq!(reply(&[(":status", "400")], other), expected);
        let coded = [(":status", "400"), ("x-amzn-query-error", "InvalidParameterValue;Sender")];
        assert_eq!(reply(&coded, r#"{"__type":"a#InvalidParameterValueException"}"#).code, "InvalidParameterValue");
        assert_eq!(reply(&coded, long).code, "Throttling");
        let typed = [(":status", "400"), ("X-Amzn-ErrorType", "ThrottlingException:http://x/")];
        assert_eq!(reply(&typed, "").code, "ThrottlingException");
        let html = reply(&[(":status", "502")], "<html>bad gateway</html>");
        assert_eq!((html.code.as_str(), html.message.as_str()), ("", "<html>bad gateway</html>"));
        assert_eq!(reply(&[(":status", "200")], "").code, "");
    }

    #[test]
    fn an_answer_without_a_request_id_is_foreign() {
        let with = |name: &str, value: &str| match answer(&[(":status", "200"), (name, value)], "") {
            PublishAnswer::Complete(reply) => reply.is_foreign,
            missing => panic!("{missing:?}"),
        };
        for name in ["x-amzn-requestid", "x-amzn-RequestId", "X-AMZN-REQUESTID", "x-amz-request-id"] {
            assert!(!with(name, "6d0d1b6a"), "{name}");
            assert!(with(name, " "), "{name}");
        }
        assert!(with("x-request-id", "6d0d1b6a"), "Envoy's own");
    }

    #[test]
    fn the_date_and_the_requested_delay_are_parsed() {
        let headers = [
            (":status", "503"),
            ("date", "Sat, 22 Aug 2026 12:36:00 GMT"),
            ("retry-after", "7"),
            ("x-amz-retry-after", "250"),
        ];
        let read = reply(&headers, "");
        assert_eq!(read.date, Some(Timestamp::from_secs(1_787_402_160)));
        assert_eq!(read.retry_after, Some(RetryAfter::For(Duration::from_millis(250))));
        assert_eq!(reply(&headers[..3], "").retry_after, Some(RetryAfter::For(Duration::from_secs(7))));
        let date = [(":status", "503"), ("retry-after", "Sat, 22 Aug 2026 12:36:30 GMT")];
        assert_eq!(reply(&date, "").retry_after, Some(RetryAfter::Until(Timestamp::from_secs(1_787_402_190))));
        let unreadable = [&headers[..3], &[("x-amz-retry-after", "soon")]].concat();
        assert_eq!(reply(&unreadable, "").retry_after, Some(RetryAfter::For(Duration::from_secs(7))));
        assert_eq!(reply(&[headers.as_slice(), &[("age", "1")]].concat(), "").date, None);
        assert_eq!(reply(&[(":status", "200"), ("date", "yesterday")], "").date, None);
    }

    #[test]
    fn an_answer_of_envoy_itself_counts_as_missing() {
        let connect = "upstream connect error or disconnect/reset before headers. reset reason: ";
        let cases = [
            ("503", format!("{connect}remote connection failure, transport failure reason: …"), false),
            ("503", format!("{connect}connection timeout"), false),
            ("503", format!("{connect}connection termination"), true),
            ("503", "no healthy upstream".to_owned(), false),
            ("504", "upstream request timeout".to_owned(), true),
            ("503", String::new(), true),
        ];
        for (status, body, expected) in cases {
            let PublishAnswer::Missing { may_be_stored, reason } = answer(&[(":status", status)], &body) else {
                panic!()
            };
            assert_eq!((may_be_stored, reason), (expected, body));
        }
        assert!(matches!(answer(&[], ""), PublishAnswer::Missing { may_be_stored: true, .. }));
        assert!(matches!(answer(&[(":status", "400")], ""), PublishAnswer::Complete(_)));
        let own = [(":status", "503"), ("x-amzn-requestid", "6d0d1b6a")];
        assert!(matches!(answer(&own, ""), PublishAnswer::Complete(_)));
    }

    #[test]
    fn headers_that_are_not_text_count_as_absent() {
        let header = |name: &str| match name {
            ":status" => Some(b"500".to_vec()),
            "date" | "retry-after" | "x-amzn-query-error" => Some(b"\xff".to_vec()),
            _ => None,
        };
        let PublishAnswer::Complete(reply) = PublishAnswer::new(header, b"\xff\xfe") else { panic!() };
        assert_eq!((reply.status, reply.date, reply.retry_after), (500, None, None));
        assert!(matches!(PublishAnswer::new(|_| Some(b"\xff".to_vec()), b""), PublishAnswer::Missing { .. }));
    }

    proptest! {
        /// A mutation of one header changes only the field that is parsed from it.
        #[test]
        fn a_changed_header_changes_only_its_own_field(field in 0usize..7, value in "[ -~]{0,40}") {
            let mut headers = [
                (":status", "400".to_owned()),
                ("x-amzn-requestid", "6d0d1b6a".to_owned()),
                ("date", "Sat, 22 Aug 2026 12:36:00 GMT".to_owned()),
                ("retry-after", "7".to_owned()),
                ("x-amzn-query-error", "AccessDenied;Sender".to_owned()),
                ("x-amzn-failure-message", "no".to_owned()),
                ("server", "x".to_owned()),
            ];
            let read = |headers: &[(&str, String)]| {
                let pairs: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                answer(&[pairs.as_slice(), &[("x-envoy-upstream-service-time", "3")]].concat(), "{}")
            };
            let PublishAnswer::Complete(before) = read(&headers) else { panic!() };
            headers[field].1 = value;
            let PublishAnswer::Complete(after) = read(&headers) else {
                prop_assert_eq!(field, 0, "only a mutated status may make the answer missing");
                return Ok(());
            };
            let (mut expected, same) = (before.clone(), &after);
            match field {
                0 => {
                    expected.status = same.status;
                    // Only errors have codes.
                    (expected.code, expected.message) = (same.code.clone(), same.message.clone());
                }
                1 => expected.is_foreign = same.is_foreign,
                2 => expected.date = same.date,
                3 => expected.retry_after = same.retry_after,
                4 => expected.code = same.code.clone(),
                5 => expected.entity_error = same.entity_error.clone(),
                _ => {}
            }
            prop_assert_eq!(after, expected);
        }
    }
}
