//! What came back for a request.

use std::time::Duration;

use acpw_metric::{Timestamp, datetime::parse_http_date};
use serde_json::Value;

/// What came back, as far as the outcome depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// CloudWatch answered.
    Complete(Reply),
    /// It did not; Envoy says why.
    Missing {
        /// Whether the request may have reached CloudWatch, so that its data may be stored.
        may_be_stored: bool,
        /// Envoy's words.
        reason: String,
    },
}

/// CloudWatch's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The error's code, without namespace and URL; empty when there is none.
    pub code: String,
    /// The error's message; empty when there is none.
    pub message: String,
    /// The time on CloudWatch's clock, when it says it itself and not a cache.
    pub date: Option<Timestamp>,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl Answer {
    /// Reads an answer: `header` returns the value of a lower-case name, `body` is the beginning of the body.
    pub fn new(header: impl Fn(&str) -> Option<Vec<u8>>, body: &[u8]) -> Self {
        let text = |name: &str| header(name).and_then(|value| String::from_utf8(value).ok());
        let number = |name: &str| text(name).and_then(|value| value.parse::<u64>().ok());
        let mut reply = Reply {
            status: text(":status").and_then(|status| status.parse().ok()).unwrap_or(0),
            date: text("date").and_then(|value| date(&value)),
            retry_after: number("x-amz-retry-after")
                .map(Duration::from_millis)
                .or_else(|| number("retry-after").map(Duration::from_secs)),
            ..Reply::default()
        };
        // Envoy adds it to what an upstream answered, and not to what it answers itself.
        let is_from_upstream = header("x-envoy-upstream-service-time").is_some();
        let is_cached = header("age").is_some();
        let query_code = text("x-amzn-query-error").and_then(|value| value.split(';').next().map(str::to_owned));
        if reply.status == 0 {
            return Self::Missing { may_be_stored: true, reason: "the answer broke off".to_owned() };
        }
        if !is_from_upstream && matches!(reply.status, 503 | 504) {
            return missing(body);
        }
        if is_cached {
            reply.date = None;
        }
        if reply.status >= 300 {
            let (code, message) = error(body);
            reply.code = query_code.unwrap_or(code);
            reply.message = message;
        }
        Self::Complete(reply)
    }
}

/// What Envoy says in CloudWatch's place. With these reasons the request never left.
fn missing(body: &[u8]) -> Answer {
    const UNSENT: [&str; 6] = [
        "connection failure",
        "connection timeout",
        "refused stream reset",
        "reset reason: overflow",
        "no healthy upstream",
        "overload manager",
    ];
    let reason = String::from_utf8_lossy(body.get(..body.len().min(200)).unwrap_or_default()).into_owned();
    Answer::Missing { may_be_stored: !UNSENT.iter().any(|unsent| reason.contains(unsent)), reason }
}

/// Code and message of an error in AWS's JSON 1.0, or the text as the message when it is something else.
fn error(body: &[u8]) -> (String, String) {
    let Ok(Value::Object(error)) = serde_json::from_slice(body) else {
        return (String::new(), String::from_utf8_lossy(body).into_owned());
    };
    let text = |name: &str| error.get(name).and_then(Value::as_str);
    let code = text("__type").unwrap_or_default().rsplit('#').next().unwrap_or_default();
    let code = code.split(':').next().unwrap_or_default();
    (code.to_owned(), text("message").or_else(|| text("Message")).unwrap_or_default().to_owned())
}

/// The time in an HTTP `Date`.
pub(crate) fn date(value: &str) -> Option<Timestamp> {
    u64::try_from(parse_http_date(value)?).ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&str, &str)], body: &str) -> Answer {
        let header = |name: &str| {
            let (_, value) = headers.iter().find(|(known, _)| *known == name)?;
            Some(value.as_bytes().to_vec())
        };
        Answer::new(header, body.as_bytes())
    }

    fn reply(headers: &[(&str, &str)], body: &str) -> Reply {
        let from_upstream = [headers, &[("x-envoy-upstream-service-time", "3")]].concat();
        match answer(&from_upstream, body) {
            Answer::Complete(reply) => reply,
            missing => panic!("{missing:?}"),
        }
    }

    #[test]
    fn an_error_is_read_in_every_shape_that_aws_gives_it() {
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
        assert_eq!(reply(&coded, long).code, "InvalidParameterValue");
        let html = reply(&[(":status", "502")], "<html>bad gateway</html>");
        assert_eq!((html.code.as_str(), html.message.as_str()), ("", "<html>bad gateway</html>"));
        assert_eq!(reply(&[(":status", "200")], "").code, "");
    }

    #[test]
    fn the_clock_and_the_patience_of_cloudwatch_are_read() {
        let headers = [
            (":status", "503"),
            ("date", "Sat, 22 Aug 2026 12:36:00 GMT"),
            ("retry-after", "7"),
            ("x-amz-retry-after", "250"),
        ];
        let read = reply(&headers, "");
        assert_eq!(read.date, Some(Timestamp::from_secs(1_787_402_160)));
        assert_eq!(read.retry_after, Some(Duration::from_millis(250)));
        assert_eq!(reply(&headers[..3], "").retry_after, Some(Duration::from_secs(7)));
        assert_eq!(reply(&[headers.as_slice(), &[("age", "1")]].concat(), "").date, None);
        assert_eq!(reply(&[(":status", "200"), ("date", "yesterday")], "").date, None);
    }

    #[test]
    fn what_envoy_answers_itself_is_no_answer() {
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
            let Answer::Missing { may_be_stored, reason } = answer(&[(":status", status)], &body) else { panic!() };
            assert_eq!((may_be_stored, reason), (expected, body));
        }
        assert!(matches!(answer(&[], ""), Answer::Missing { may_be_stored: true, .. }));
        assert!(matches!(answer(&[(":status", "400")], ""), Answer::Complete(_)));
    }

    #[test]
    fn headers_that_are_not_text_count_as_absent() {
        let header = |name: &str| match name {
            ":status" => Some(b"500".to_vec()),
            "date" | "retry-after" | "x-amzn-query-error" => Some(b"\xff".to_vec()),
            _ => None,
        };
        let Answer::Complete(reply) = Answer::new(header, b"\xff\xfe") else { panic!() };
        assert_eq!((reply.status, reply.date, reply.retry_after), (500, None, None));
        assert!(matches!(Answer::new(|_| Some(b"\xff".to_vec()), b""), Answer::Missing { .. }));
    }
}
