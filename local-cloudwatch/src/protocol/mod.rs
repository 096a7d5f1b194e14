//! The three protocols of CloudWatch's API: detects the protocol of a request and encodes responses in it.

pub(crate) mod api_protocol;
mod cbor;
mod json;
mod query;

pub(crate) use api_protocol::ApiProtocol;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::error::{ApiError, ErrorKind};
use crate::request_fields::TimeForm;
use crate::wire_value::WireValue;

const SERVICE: &str = "GraniteServiceVersion20100801";
const CBOR_PATH: &str = "/service/GraniteServiceVersion20100801/operation/";
const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");
const CBOR_PROTOCOL: HeaderValue = HeaderValue::from_static("rpc-v2-cbor");
const AMZ_TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const QUERY_MODE: HeaderName = HeaderName::from_static("x-amzn-query-mode");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// The protocol and the operation of a request, read from its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) protocol: ApiProtocol,
    /// JSON has it in a header and CBOR in the path. `None` for Query, which has it in the body.
    operation: Option<String>,
    /// The client requested the Query code in `x-amzn-query-error`.
    query_mode: bool,
}

impl Envelope {
    /// Reads the head of a request. If its service or media type is wrong, the operation is empty and is rejected
    /// later.
    pub(crate) fn from_head(head: &Parts) -> Self {
        let query_mode = header(&head.headers, &QUERY_MODE).is_some_and(|mode| mode.eq_ignore_ascii_case("true"));
        let (protocol, operation) = if let Some(operation) = head.uri.path().strip_prefix(CBOR_PATH) {
            let speaks_cbor = head.headers.get(SMITHY_PROTOCOL) == Some(&CBOR_PROTOCOL);
            (ApiProtocol::Cbor, Some(if speaks_cbor { operation } else { "" }.to_owned()))
        } else if let Some(target) = header(&head.headers, &AMZ_TARGET) {
            let named =
                target.split_once('.').filter(|(service, _)| *service == SERVICE).map(|(_, operation)| operation);
            let speaks_json = media_type(&head.headers).is_some_and(|media| media == "application/x-amz-json-1.0");
            (ApiProtocol::Json, Some(named.filter(|_| speaks_json).unwrap_or_default().to_owned()))
        } else {
            (ApiProtocol::Query, None)
        };
        Self { protocol, operation, query_mode }
    }

    /// Decodes a body into the name of the operation and the fields of the request.
    pub(crate) fn decode(&self, body: &[u8]) -> Result<(String, WireValue), ApiError> {
        match (self.protocol, &self.operation) {
            (ApiProtocol::Json, Some(operation)) => Ok((operation.clone(), json::decode(body)?)),
            (ApiProtocol::Cbor, Some(operation)) => Ok((operation.clone(), cbor::decode(body)?)),
            _ => query::decode(body),
        }
    }

    /// Returns the operation if the head contains it.
    pub(crate) fn operation(&self) -> Option<&str> {
        self.operation.as_deref()
    }

    /// Builds a success response. `fields` is `None` for an operation that returns nothing.
    pub(crate) fn success(&self, operation: &str, request_id: &str, fields: Option<&WireValue>) -> Response<Body> {
        let (body, media) = match (self.protocol, fields) {
            (ApiProtocol::Json, Some(fields)) => (json::encode(fields), Some("application/x-amz-json-1.0")),
            (ApiProtocol::Json, None) => (Vec::new(), Some("application/x-amz-json-1.0")),
            (ApiProtocol::Cbor, Some(fields)) => (cbor::encode(fields), Some("application/cbor")),
            (ApiProtocol::Cbor, None) => (Vec::new(), None),
            (ApiProtocol::Query, fields) => (query::encode(operation, request_id, fields), Some("text/xml")),
        };
        self.response(StatusCode::OK, media, request_id, body)
    }

    /// Builds an error response in the format of the protocol, or the injected response of another server.
    pub(crate) fn error(&self, error: &ApiError, request_id: &str) -> Response<Body> {
        let mut response = match error.foreign_body() {
            Some(body) => {
                let mut response = Response::new(Body::from(body.to_owned()));
                *response.status_mut() = error.status(self.protocol);
                response
            }
            None => self.cloudwatch_error(error, request_id),
        };
        let headers = response.headers_mut();
        for (name, value) in error.headers() {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        response
    }

    fn cloudwatch_error(&self, error: &ApiError, request_id: &str) -> Response<Body> {
        let (body, media) = match self.protocol {
            ApiProtocol::Json => (json::encode(&typed_error(error)), "application/x-amz-json-1.0"),
            ApiProtocol::Cbor => (cbor::encode(&typed_error(error)), "application/cbor"),
            ApiProtocol::Query => (query::encode_error(error, request_id), "text/xml"),
        };
        let mut response = self.response(error.status(self.protocol), Some(media), request_id, body);
        let headers = response.headers_mut();
        if self.query_mode && self.protocol != ApiProtocol::Query {
            let value = format!("{};{}", error.query_code(), error.error_type());
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
        if self.protocol == ApiProtocol::Cbor {
            headers.insert(SMITHY_PROTOCOL, CBOR_PROTOCOL);
        }
        response
    }
}

impl ApiProtocol {
    /// Returns the format of timestamps in requests.
    pub(crate) fn time_form(self) -> TimeForm {
        match self {
            Self::Json => TimeForm::Number,
            Self::Cbor => TimeForm::Tagged,
            Self::Query => TimeForm::Iso8601,
        }
    }
}

fn typed_error(error: &ApiError) -> WireValue {
    let namespace = match error.kind() {
        ErrorKind::InvalidParameterValue
        | ErrorKind::InvalidParameterCombination
        | ErrorKind::MissingParameter
        | ErrorKind::InvalidNextToken => "com.amazonaws.cloudwatch#",
        _ => "com.amazon.coral.service#",
    };
    let shape = format!("{namespace}{}", error.shape());
    WireValue::structure([("__type", WireValue::Text(shape)), ("message", WireValue::text(error.message()))])
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
        Envelope::from_head(&request.body(()).unwrap().into_parts().0)
    }

    const JSON: [(&str, &str); 2] = [
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", "GraniteServiceVersion20100801.PutMetricData"),
    ];

    #[test]
    fn the_protocol_is_detected_from_the_head() {
        let json = envelope("/", &JSON);
        assert_eq!((json.protocol, json.operation()), (ApiProtocol::Json, Some("PutMetricData")));
        let cbor = envelope(&format!("{CBOR_PATH}ListMetrics"), &[("smithy-protocol", "rpc-v2-cbor")]);
        assert_eq!((cbor.protocol, cbor.operation()), (ApiProtocol::Cbor, Some("ListMetrics")));
        let query = envelope("/", &[("content-type", "application/x-www-form-urlencoded")]);
        assert_eq!((query.protocol, query.operation()), (ApiProtocol::Query, None));
    }

    #[test]
    fn a_wrong_service_media_type_or_smithy_protocol_leaves_the_operation_empty() {
        assert_eq!(envelope("/", &[JSON[0], ("x-amz-target", "Other.PutMetricData")]).operation(), Some(""));
        assert_eq!(envelope("/", &[("content-type", "text/plain"), JSON[1]]).operation(), Some(""));
        assert_eq!(envelope(&format!("{CBOR_PATH}PutMetricData"), &[]).operation(), Some(""));
    }

    #[test]
    fn the_query_code_is_sent_only_on_request() {
        let error = ApiError::new(ErrorKind::InvalidParameterValue, "bad");
        assert!(envelope("/", &JSON).error(&error, "id").headers().get(QUERY_ERROR).is_none());
        let requested = envelope("/", &[JSON[0], JSON[1], ("x-amzn-query-mode", "true")]).error(&error, "id");
        assert_eq!(requested.headers()[QUERY_ERROR], "InvalidParameterValue;Sender");
        assert_eq!(requested.headers()["x-amzn-requestid"], "id");
    }

    #[test]
    fn every_cbor_response_has_the_smithy_protocol_header() {
        let cbor = envelope(&format!("{CBOR_PATH}PutMetricData"), &[("smithy-protocol", "rpc-v2-cbor")]);
        let error = ApiError::new(ErrorKind::MissingParameter, "bad");
        for response in [cbor.success("PutMetricData", "id", None), cbor.error(&error, "id")] {
            assert_eq!(response.headers()["smithy-protocol"], "rpc-v2-cbor");
        }
    }
}
