//! The three protocols of CloudWatch's API: which one a request speaks, and how each reads and answers.

mod cbor;
mod json;
mod query;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::error::{ApiError, ErrorKind};
use crate::node::{Node, TimeForm};

const SERVICE: &str = "GraniteServiceVersion20100801";
const CBOR_PATH: &str = "/service/GraniteServiceVersion20100801/operation/";
const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");
const CBOR_PROTOCOL: HeaderValue = HeaderValue::from_static("rpc-v2-cbor");
const AMZ_TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const QUERY_MODE: HeaderName = HeaderName::from_static("x-amzn-query-mode");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// A protocol of CloudWatch's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// AWS JSON 1.0.
    Json,
    /// Smithy RPC v2 CBOR.
    Cbor,
    /// AWS Query: a form in, XML out.
    Query,
}

/// What a request's head says about how to read its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) protocol: Protocol,
    /// JSON names it in a header, CBOR in the path; Query in the body, so it is not known yet.
    operation: Option<String>,
    /// The client wants the older codes in `x-amzn-query-error`.
    query_mode: bool,
}

impl Envelope {
    /// Reads the head. A path, method or media type that no protocol has leaves the operation empty, to be refused later.
    pub(crate) fn of(head: &Parts) -> Self {
        let query_mode = header(&head.headers, &QUERY_MODE).is_some_and(|mode| mode.eq_ignore_ascii_case("true"));
        let (protocol, operation) = if let Some(operation) = head.uri.path().strip_prefix(CBOR_PATH) {
            let speaks_cbor = head.headers.get(SMITHY_PROTOCOL) == Some(&CBOR_PROTOCOL);
            (Protocol::Cbor, Some(if speaks_cbor { operation } else { "" }.to_owned()))
        } else if let Some(target) = header(&head.headers, &AMZ_TARGET) {
            let named =
                target.split_once('.').filter(|(service, _)| *service == SERVICE).map(|(_, operation)| operation);
            let speaks_json = media_type(&head.headers).is_some_and(|media| media == "application/x-amz-json-1.0");
            (Protocol::Json, Some(named.filter(|_| speaks_json).unwrap_or_default().to_owned()))
        } else {
            (Protocol::Query, None)
        };
        Self { protocol, operation, query_mode }
    }

    /// The operation's name and the request's fields.
    pub(crate) fn open(&self, body: &[u8]) -> Result<(String, Node), ApiError> {
        match (self.protocol, &self.operation) {
            (Protocol::Json, Some(operation)) => Ok((operation.clone(), json::decode(body)?)),
            (Protocol::Cbor, Some(operation)) => Ok((operation.clone(), cbor::decode(body)?)),
            _ => query::decode(body),
        }
    }

    /// The operation, when the head names it.
    pub(crate) fn operation(&self) -> Option<&str> {
        self.operation.as_deref()
    }

    /// A good answer; `fields` is `None` for an operation that answers nothing.
    pub(crate) fn answer(&self, operation: &str, request_id: &str, fields: Option<&Node>) -> Response<Body> {
        let (body, media) = match (self.protocol, fields) {
            (Protocol::Json, Some(fields)) => (json::encode(fields), Some("application/x-amz-json-1.0")),
            (Protocol::Json, None) => (Vec::new(), Some("application/x-amz-json-1.0")),
            (Protocol::Cbor, Some(fields)) => (cbor::encode(fields), Some("application/cbor")),
            (Protocol::Cbor, None) => (Vec::new(), None),
            (Protocol::Query, fields) => (query::encode(operation, request_id, fields), Some("text/xml")),
        };
        self.response(StatusCode::OK, media, request_id, body)
    }

    /// An error answer in the protocol's own shape, unless another server's was ordered.
    pub(crate) fn refusal(&self, error: &ApiError, request_id: &str) -> Response<Body> {
        let mut response = match error.foreign_body() {
            Some(body) => {
                let mut response = Response::new(Body::from(body.to_owned()));
                *response.status_mut() = error.status(self.protocol);
                response
            }
            None => self.own_refusal(error, request_id),
        };
        let headers = response.headers_mut();
        for (name, value) in error.headers() {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        response
    }

    fn own_refusal(&self, error: &ApiError, request_id: &str) -> Response<Body> {
        let (body, media) = match self.protocol {
            Protocol::Json => (json::encode(&typed(error)), "application/x-amz-json-1.0"),
            Protocol::Cbor => (cbor::encode(&typed(error)), "application/cbor"),
            Protocol::Query => (query::refusal(error, request_id), "text/xml"),
        };
        let mut response = self.response(error.status(self.protocol), Some(media), request_id, body);
        let headers = response.headers_mut();
        if self.query_mode && self.protocol != Protocol::Query {
            let value = format!("{};{}", error.query_code(), error.fault());
            headers.extend(HeaderValue::try_from(value).map(|value| (QUERY_ERROR, value)).ok());
        }
        response
    }

    fn response(&self, status: StatusCode, media: Option<&'static str>, id: &str, body: Vec<u8>) -> Response<Body> {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.extend(media.map(|media| (header::CONTENT_TYPE, HeaderValue::from_static(media))));
        headers.extend(HeaderValue::try_from(id).map(|id| (HeaderName::from_static("x-amzn-requestid"), id)).ok());
        if self.protocol == Protocol::Cbor {
            headers.insert(SMITHY_PROTOCOL, CBOR_PROTOCOL);
        }
        response
    }
}

impl Protocol {
    /// How requests of this protocol write a moment.
    pub(crate) fn time_form(self) -> TimeForm {
        match self {
            Self::Json => TimeForm::Number,
            Self::Cbor => TimeForm::Tagged,
            Self::Query => TimeForm::Iso8601,
        }
    }

    /// A short name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Cbor => "cbor",
            Self::Query => "query",
        }
    }
}

fn typed(error: &ApiError) -> Node {
    let namespace = match error.kind() {
        ErrorKind::InvalidParameterValue
        | ErrorKind::InvalidParameterCombination
        | ErrorKind::MissingParameter
        | ErrorKind::InvalidNextToken => "com.amazonaws.cloudwatch#",
        _ => "com.amazon.coral.service#",
    };
    let shape = format!("{namespace}{}", error.shape());
    Node::map([("__type", Node::Text(shape)), ("message", Node::text(error.message()))])
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = header(headers, &header::CONTENT_TYPE)?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn envelope(path: &str, headers: &[(&str, &str)]) -> Envelope {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Envelope::of(&request.body(()).unwrap().into_parts().0)
    }

    const JSON: [(&str, &str); 2] = [
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", "GraniteServiceVersion20100801.PutMetricData"),
    ];

    #[test]
    fn the_head_tells_the_protocol() {
        let json = envelope("/", &JSON);
        assert_eq!((json.protocol, json.operation()), (Protocol::Json, Some("PutMetricData")));
        let cbor = envelope(&format!("{CBOR_PATH}ListMetrics"), &[("smithy-protocol", "rpc-v2-cbor")]);
        assert_eq!((cbor.protocol, cbor.operation()), (Protocol::Cbor, Some("ListMetrics")));
        let query = envelope("/", &[("content-type", "application/x-www-form-urlencoded")]);
        assert_eq!((query.protocol, query.operation()), (Protocol::Query, None));
    }

    #[test]
    fn another_service_media_type_or_smithy_protocol_has_no_operation() {
        assert_eq!(envelope("/", &[JSON[0], ("x-amz-target", "Other.PutMetricData")]).operation(), Some(""));
        assert_eq!(envelope("/", &[("content-type", "text/plain"), JSON[1]]).operation(), Some(""));
        assert_eq!(envelope(&format!("{CBOR_PATH}PutMetricData"), &[]).operation(), Some(""));
    }

    #[test]
    fn the_older_code_comes_only_when_asked_for() {
        let error = ApiError::new(ErrorKind::InvalidParameterValue, "bad");
        assert!(envelope("/", &JSON).refusal(&error, "id").headers().get(QUERY_ERROR).is_none());
        let asked = envelope("/", &[JSON[0], JSON[1], ("x-amzn-query-mode", "true")]).refusal(&error, "id");
        assert_eq!(asked.headers()[QUERY_ERROR], "InvalidParameterValue;Sender");
        assert_eq!(asked.headers()["x-amzn-requestid"], "id");
    }

    #[test]
    fn every_cbor_answer_names_its_protocol() {
        let cbor = envelope(&format!("{CBOR_PATH}PutMetricData"), &[("smithy-protocol", "rpc-v2-cbor")]);
        let error = ApiError::new(ErrorKind::MissingParameter, "bad");
        for response in [cbor.answer("PutMetricData", "id", None), cbor.refusal(&error, "id")] {
            assert_eq!(response.headers()["smithy-protocol"], "rpc-v2-cbor");
        }
    }
}
