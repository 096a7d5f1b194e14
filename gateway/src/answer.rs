//! Answers, each in its protocol's own shape.

use std::borrow::Cow;

use serde::Serialize;

use crate::{
    protocol::{Protocol, cbor, query},
    refusal::Refusal,
};

/// What is sent back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP's status.
    pub status: u16,
    /// Headers, `content-length` aside.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Cow<'static, [u8]>,
}

/// What an answer has to know of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// How to write it.
    pub protocol: Protocol,
    /// Whether the client wants the older code of an error in a header.
    pub is_query_mode: bool,
    /// Names the request.
    pub request_id: String,
}

#[derive(Serialize)]
struct Accepted {
    accepted: usize,
}

#[derive(Serialize)]
struct Refused<'a> {
    error: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<RefusedFault<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    more_faults: usize,
}

#[derive(Serialize)]
struct RefusedFault<'a> {
    path: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Typed<'a> {
    #[serde(rename = "__type")]
    shape: String,
    message: &'a str,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Answer {
    /// JSON.
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        // Writing our own types to memory does not fail.
        let mut body = serde_json::to_vec(value).unwrap_or_default();
        body.push(b'\n');
        Self::new(status, "application/json", body)
    }

    /// A body of this kind.
    pub fn new(status: u16, media_type: &str, body: impl Into<Cow<'static, [u8]>>) -> Self {
        let headers = vec![("content-type", media_type.to_owned()), ("x-content-type-options", "nosniff".to_owned())];
        Self { status, headers, body: body.into() }
    }

    /// Text.
    pub fn text(status: u16, text: &'static str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text.as_bytes())
    }

    /// No body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Cow::Borrowed(b"") }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Reply {
    /// All of so many data were taken.
    pub fn accepted(&self, data: usize, entity_failure: Option<&str>) -> Answer {
        let answer = match self.protocol {
            Protocol::Plain => return Answer::json(202, &Accepted { accepted: data }),
            Protocol::Json => Answer::new(200, "application/x-amz-json-1.0", b"{}".as_slice()),
            Protocol::Cbor => Answer::new(200, "application/cbor", cbor::encode(&[])),
            Protocol::Query => Answer::new(200, "text/xml", query::encode(&self.request_id).into_bytes()),
        };
        let answer = self.named(answer);
        match entity_failure {
            Some(message) => answer.header("x-amzn-failure-message", printable(message)),
            None => answer,
        }
    }

    /// Nothing was taken.
    pub fn refused(&self, refusal: &Refusal) -> Answer {
        let (protocol, message) = (self.protocol, refusal.message());
        let (status, code) = (refusal.status(protocol), refusal.code(protocol));
        let answer = match protocol {
            Protocol::Plain => plain(status, code, &message, refusal),
            Protocol::Json => {
                let body = serde_json::to_vec(&Typed { shape: shape(refusal), message: &message }).unwrap_or_default();
                self.named(Answer::new(status, "application/x-amz-json-1.0", body))
            }
            Protocol::Cbor => {
                let body = cbor::encode(&[("__type", &shape(refusal)), ("message", &message)]);
                self.named(Answer::new(status, "application/cbor", body))
            }
            Protocol::Query => {
                let body = query::encode_error(refusal.fault(), code, &message, &self.request_id);
                self.named(Answer::new(status, "text/xml", body.into_bytes()))
            }
        };
        let answer = match refusal.retry_after() {
            Some(seconds) => answer.header("retry-after", seconds.to_string()),
            None => answer,
        };
        match (refusal, protocol) {
            (Refusal::Method(allowed), _) => answer.header("allow", *allowed),
            (Refusal::NotPosted, _) => answer.header("allow", "POST"),
            (Refusal::Unauthorized(denial), Protocol::Plain) => answer.header("www-authenticate", denial.challenge),
            (_, Protocol::Json | Protocol::Cbor) if self.is_query_mode => {
                answer.header("x-amzn-query-error", format!("{};{}", refusal.query_code(), refusal.fault()))
            }
            _ => answer,
        }
    }

    fn named(&self, answer: Answer) -> Answer {
        let answer = answer.header("x-amzn-requestid", self.request_id.clone());
        if self.protocol == Protocol::Cbor { answer.header("smithy-protocol", "rpc-v2-cbor") } else { answer }
    }
}

fn plain(status: u16, code: &str, message: &str, refusal: &Refusal) -> Answer {
    let (faults, more_faults) = match refusal {
        Refusal::Faulty(faults) => (faults.listed(), faults.more()),
        _ => ([].as_slice(), 0),
    };
    let message = if faults.is_empty() { message } else { "The request has faults, and nothing of it was taken." };
    let error = code.strip_suffix("Exception").unwrap_or(code);
    let faults = faults.iter().map(|fault| RefusedFault { path: &fault.path, message: &fault.message }).collect();
    Answer::json(status, &Refused { error, message, faults, more_faults })
}

fn shape(refusal: &Refusal) -> String {
    let code = refusal.code(Protocol::Json);
    let namespace = match code {
        "InvalidParameterValueException"
        | "InvalidParameterCombinationException"
        | "MissingRequiredParameterException" => "com.amazonaws.cloudwatch#",
        _ => "com.amazon.coral.service#",
    };
    [namespace, code].concat()
}

/// What a header can say.
fn printable(text: &str) -> String {
    text.chars().take(1_000).map(|c| if c.is_ascii_graphic() { c } else { ' ' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Path, ValidationErrorKind, ValidationErrors};

    fn reply(protocol: Protocol) -> Reply {
        Reply { protocol, is_query_mode: true, request_id: "id".to_owned() }
    }

    fn faulty(protocol: Protocol) -> Refusal {
        let mut faults = ValidationErrors::new(protocol.path_style());
        let data = Path::Field(&Path::Root, "MetricData");
        faults.add_kind(ValidationErrorKind::Missing, Path::Field(&Path::Item(&data, 3), "MetricName"), "is required");
        Refusal::Faulty(faults)
    }

    fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
        answer.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    fn body(answer: &Answer) -> String {
        String::from_utf8_lossy(&answer.body).trim_end().to_owned()
    }

    #[test]
    fn a_fault_is_told_in_each_protocols_shape() {
        let told = |protocol| reply(protocol).refused(&faulty(protocol));
        let expected = r#"{"error":"MissingRequiredParameter","message":"The request has faults, and nothing of it was taken.","faults":[{"path":"MetricData[3].MetricName","message":"is required"}]}"#;
        assert_eq!(body(&told(Protocol::Plain)), expected);
        let json = told(Protocol::Json);
        let expected = r#"{"__type":"com.amazonaws.cloudwatch#MissingRequiredParameterException","message":"The parameter MetricData.member.4.MetricName is required."}"#;
        assert_eq!(body(&json), expected);
        assert_eq!(header(&json, "x-amzn-query-error"), Some("MissingParameter;Sender"));
        let query = told(Protocol::Query);
        assert!(body(&query).contains("<Code>MissingParameter</Code><Message>The parameter MetricData.member.4."));
        assert_eq!(header(&query, "x-amzn-query-error"), None);
        let cbor = told(Protocol::Cbor);
        assert_eq!((cbor.status, header(&cbor, "smithy-protocol")), (400, Some("rpc-v2-cbor")));
    }

    #[test]
    fn what_was_taken_is_told_in_each_protocols_shape() {
        let told = |protocol| reply(protocol).accepted(3, Some("no\nentity"));
        assert_eq!((told(Protocol::Plain).status, body(&told(Protocol::Plain))), (202, r#"{"accepted":3}"#.to_owned()));
        assert_eq!((told(Protocol::Json).status, body(&told(Protocol::Json))), (200, "{}".to_owned()));
        assert_eq!(header(&told(Protocol::Json), "x-amzn-failure-message"), Some("no entity"));
        assert!(body(&told(Protocol::Query)).contains("<RequestId>id</RequestId>"));
        assert_eq!(told(Protocol::Cbor).body.as_ref(), [0xa0]);
    }

    #[test]
    fn what_may_be_tried_again_says_when() {
        for (refusal, status) in [(Refusal::Full, 429), (Refusal::NoReceiver, 503)] {
            for protocol in [Protocol::Plain, Protocol::Json, Protocol::Cbor, Protocol::Query] {
                let answer = reply(protocol).refused(&refusal);
                assert_eq!(answer.status, status);
                assert!(header(&answer, "retry-after").is_some());
            }
        }
        let answer = reply(Protocol::Plain).refused(&Refusal::Method("POST"));
        assert_eq!((answer.status, header(&answer, "allow")), (405, Some("POST")));
    }
}
