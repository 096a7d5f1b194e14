//! HTTP answers in the format of each protocol.

use std::borrow::Cow;

use serde::Serialize;

use crate::{
    otlp::encoding::Encoding,
    protocol::{Protocol, cbor, query},
    refusal::Refusal,
};

/// An HTTP response to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status code.
    pub status: u16,
    /// The headers, except `content-length`, which Envoy adds.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Cow<'static, [u8]>,
}

/// The properties of a request that determine the format of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responder {
    /// The protocol of the request.
    pub protocol: Protocol,
    /// True if the client sent `x-amzn-query-mode`, which asks for the Query protocol's error code in a header.
    pub is_query_mode: bool,
    /// The request ID.
    pub request_id: String,
}

#[derive(Serialize)]
struct Accepted {
    accepted: usize,
}

#[derive(Serialize)]
struct PlainError<'a> {
    error: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<ErrorFault<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    more_faults: usize,
}

#[derive(Serialize)]
struct ErrorFault<'a> {
    path: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct AwsError<'a> {
    #[serde(rename = "__type")]
    shape: String,
    message: &'a str,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Answer {
    /// Creates an answer whose body is `value` as JSON, followed by a newline.
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        // Serializing these types to memory cannot fail.
        let mut body = serde_json::to_vec(value).unwrap_or_default();
        body.push(b'\n');
        Self::new(status, "application/json", body)
    }

    /// Creates an answer with this body and content type.
    pub fn new(status: u16, media_type: &str, body: impl Into<Cow<'static, [u8]>>) -> Self {
        let headers = vec![("content-type", media_type.to_owned()), ("x-content-type-options", "nosniff".to_owned())];
        Self { status, headers, body: body.into() }
    }

    /// Creates a plain text answer.
    pub fn text(status: u16, text: &'static str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text.as_bytes())
    }

    /// Creates an answer without a body.
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

impl Responder {
    /// Returns the answer to a request whose `data` metric data were all accepted.
    ///
    /// `entity_failure` says why an entity was left out, if one was.
    pub fn accepted(&self, data: usize, entity_failure: Option<&str>) -> Answer {
        let answer = match self.protocol {
            Protocol::Plain => return Answer::json(202, &Accepted { accepted: data }),
            Protocol::Json => Answer::new(200, "application/x-amz-json-1.0", b"{}".as_slice()),
            Protocol::Cbor => Answer::new(200, "application/cbor", cbor::encode(&[])),
            Protocol::Query => Answer::new(200, "text/xml", query::encode(&self.request_id).into_bytes()),
            Protocol::Otlp(encoding) => return exported(encoding, 0, ""),
        };
        let answer = self.with_protocol_headers(answer);
        match entity_failure {
            Some(message) => answer.header("x-amzn-failure-message", printable(message)),
            None => answer,
        }
    }

    /// Returns the answer to a refused request.
    pub fn refused(&self, refusal: &Refusal) -> Answer {
        let (protocol, message) = (self.protocol, refusal.message());
        let (status, code) = (refusal.status(protocol), refusal.code(protocol));
        let answer = match protocol {
            Protocol::Plain => plain_error(status, code, &message, refusal),
            Protocol::Json => {
                let body =
                    serde_json::to_vec(&AwsError { shape: shape(refusal), message: &message }).unwrap_or_default();
                self.with_protocol_headers(Answer::new(status, "application/x-amz-json-1.0", body))
            }
            Protocol::Cbor => {
                let body = cbor::encode(&[("__type", &shape(refusal)), ("message", &message)]);
                self.with_protocol_headers(Answer::new(status, "application/cbor", body))
            }
            Protocol::Otlp(encoding) => {
                Answer::new(status, encoding.media_type(), encoding.status(refusal.grpc_code(), &message))
            }
            Protocol::Query => {
                let body = query::encode_error(refusal.fault(), code, &message, &self.request_id);
                self.with_protocol_headers(Answer::new(status, "text/xml", body.into_bytes()))
            }
        };
        let answer = match refusal.retry_after() {
            Some(seconds) => answer.header("retry-after", seconds.to_string()),
            None => answer,
        };
        match (refusal, protocol) {
            (Refusal::MethodNotAllowed(allowed), _) => answer.header("allow", *allowed),
            (Refusal::FormNotPosted, _) => answer.header("allow", "POST"),
            (Refusal::Unauthorized(denial), Protocol::Plain | Protocol::Otlp(_)) => {
                answer.header("www-authenticate", denial.challenge)
            }
            (_, Protocol::Json | Protocol::Cbor) if self.is_query_mode => {
                answer.header("x-amzn-query-error", format!("{};{}", refusal.query_code(), refusal.fault()))
            }
            _ => answer,
        }
    }

    /// Adds the request ID and, for CBOR, the protocol's name.
    fn with_protocol_headers(&self, answer: Answer) -> Answer {
        let answer = answer.header("x-amzn-requestid", self.request_id.clone());
        if self.protocol == Protocol::Cbor { answer.header("smithy-protocol", "rpc-v2-cbor") } else { answer }
    }
}

/// Returns the answer to an OTLP export of which `rejected` data points were left out. `message` explains it to people.
pub(crate) fn exported(encoding: Encoding, rejected: u64, message: &str) -> Answer {
    Answer::new(200, encoding.media_type(), encoding.response(rejected, message))
}

fn plain_error(status: u16, code: &str, message: &str, refusal: &Refusal) -> Answer {
    let (faults, more_faults) = match refusal {
        Refusal::Invalid(faults) => (faults.listed(), faults.more()),
        _ => ([].as_slice(), 0),
    };
    let message = if faults.is_empty() { message } else { "The request is invalid; none of its data was accepted." };
    let error = code.strip_suffix("Exception").unwrap_or(code);
    let faults = faults.iter().map(|fault| ErrorFault { path: &fault.path, message: &fault.message }).collect();
    Answer::json(status, &PlainError { error, message, faults, more_faults })
}

/// Returns the absolute shape ID of the error, for `__type`.
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

/// Returns `text` as a header value: at most 1,000 characters, with a space for each one that is not printable ASCII.
fn printable(text: &str) -> String {
    text.chars().take(1_000).map(|c| if c.is_ascii_graphic() { c } else { ' ' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Path, ValidationErrorKind, ValidationErrors};

    fn responder(protocol: Protocol) -> Responder {
        Responder { protocol, is_query_mode: true, request_id: "id".to_owned() }
    }

    fn invalid(protocol: Protocol) -> Refusal {
        let mut faults = ValidationErrors::new(protocol.path_style());
        let data = Path::Field(&Path::Root, "MetricData");
        faults.add_kind(ValidationErrorKind::Missing, Path::Field(&Path::Item(&data, 3), "MetricName"), "is required");
        Refusal::Invalid(faults)
    }

    fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
        answer.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    fn body(answer: &Answer) -> String {
        String::from_utf8_lossy(&answer.body).trim_end().to_owned()
    }

    #[test]
    fn a_validation_error_has_the_format_of_each_protocol() {
        let answer = |protocol| responder(protocol).refused(&invalid(protocol));
        let expected = r#"{"error":"MissingRequiredParameter","message":"The request is invalid; none of its data was accepted.","faults":[{"path":"MetricData[3].MetricName","message":"is required"}]}"#;
        assert_eq!(body(&answer(Protocol::Plain)), expected);
        let json = answer(Protocol::Json);
        let expected = r#"{"__type":"com.amazonaws.cloudwatch#MissingRequiredParameterException","message":"The parameter MetricData.member.4.MetricName is required."}"#;
        assert_eq!(body(&json), expected);
        assert_eq!(header(&json, "x-amzn-query-error"), Some("MissingParameter;Sender"));
        let query = answer(Protocol::Query);
        assert!(body(&query).contains("<Code>MissingParameter</Code><Message>The parameter MetricData.member.4."));
        assert_eq!(header(&query, "x-amzn-query-error"), None);
        let cbor = answer(Protocol::Cbor);
        assert_eq!((cbor.status, header(&cbor, "smithy-protocol")), (400, Some("rpc-v2-cbor")));
    }

    #[test]
    fn a_success_has_the_format_of_each_protocol() {
        let answer = |protocol| responder(protocol).accepted(3, Some("no\nentity"));
        let plain = answer(Protocol::Plain);
        assert_eq!((plain.status, body(&plain)), (202, r#"{"accepted":3}"#.to_owned()));
        let json = answer(Protocol::Json);
        assert_eq!((json.status, body(&json)), (200, "{}".to_owned()));
        assert_eq!(header(&json, "x-amzn-failure-message"), Some("no entity"));
        assert!(body(&answer(Protocol::Query)).contains("<RequestId>id</RequestId>"));
        assert_eq!(answer(Protocol::Cbor).body.as_ref(), [0xa0]);
    }

    #[test]
    fn retryable_refusals_say_when_to_retry() {
        for (refusal, status) in [(Refusal::BufferFull, 429), (Refusal::NoReceiver, 503)] {
            for protocol in [Protocol::Plain, Protocol::Json, Protocol::Cbor, Protocol::Query] {
                let answer = responder(protocol).refused(&refusal);
                assert_eq!(answer.status, status);
                assert!(header(&answer, "retry-after").is_some());
            }
        }
        let answer = responder(Protocol::Plain).refused(&Refusal::MethodNotAllowed("POST"));
        assert_eq!((answer.status, header(&answer, "allow")), (405, Some("POST")));
    }
}
