//! The two encodings of OTLP over HTTP.

use axum::http::{HeaderMap, header};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use prost::Message;
use serde_json::json;

use super::error_status::ErrorStatus;

/// An encoding of OTLP over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtlpEncoding {
    Protobuf,
    Json,
}

impl OtlpEncoding {
    /// Returns the encoding that `content-type` names.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        match value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/x-protobuf" => Some(Self::Protobuf),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    /// Returns the media type of responses.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    /// Decodes a request. The error describes the malformed part.
    pub(crate) fn decode(self, body: &[u8]) -> Result<ExportMetricsServiceRequest, String> {
        match self {
            Self::Protobuf => ExportMetricsServiceRequest::decode(body)
                .map_err(|error| format!("The request body is not a valid ExportMetricsServiceRequest: {error}.")),
            Self::Json => serde_json::from_slice(body)
                .map_err(|error| format!("The request body is not an ExportMetricsServiceRequest in JSON: {error}.")),
        }
    }

    /// Encodes a success. `partial` has the rejected data points if there are any.
    pub(crate) fn success(self, partial: Option<ExportMetricsPartialSuccess>) -> Vec<u8> {
        match (self, partial) {
            (Self::Protobuf, partial_success) => ExportMetricsServiceResponse { partial_success }.encode_to_vec(),
            (Self::Json, None) => b"{}".to_vec(),
            // Protobuf's JSON mapping writes 64-bit integers as text.
            (Self::Json, Some(partial)) => json!({ "partialSuccess": {
                "rejectedDataPoints": partial.rejected_data_points.to_string(),
                "errorMessage": partial.error_message,
            } })
            .to_string()
            .into_bytes(),
        }
    }

    /// Encodes an error.
    pub(crate) fn error(self, status: &ErrorStatus) -> Vec<u8> {
        match self {
            Self::Protobuf => status.encode_to_vec(),
            Self::Json => serde_json::to_vec(status).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_detected_from_the_content_type() {
        let of = |value: &'static str| {
            OtlpEncoding::from_headers(&HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]))
        };
        assert_eq!(of("application/x-protobuf"), Some(OtlpEncoding::Protobuf));
        assert_eq!(of("Application/JSON; charset=utf-8"), Some(OtlpEncoding::Json));
        assert_eq!((of("text/plain"), of("application/grpc")), (None, None));
        assert_eq!(OtlpEncoding::from_headers(&HeaderMap::new()), None);
    }

    #[test]
    fn a_partial_success_is_encoded_in_both() {
        let partial = ExportMetricsPartialSuccess { rejected_data_points: 2, error_message: "why".into() };
        let json = OtlpEncoding::Json.success(Some(partial.clone()));
        assert_eq!(json, br#"{"partialSuccess":{"errorMessage":"why","rejectedDataPoints":"2"}}"#);
        let protobuf = OtlpEncoding::Protobuf.success(Some(partial.clone()));
        let decoded = ExportMetricsServiceResponse::decode(protobuf.as_slice()).unwrap();
        assert_eq!(decoded.partial_success, Some(partial));
        assert_eq!((OtlpEncoding::Json.success(None), OtlpEncoding::Protobuf.success(None)), (b"{}".to_vec(), vec![]));
    }

    #[test]
    fn deep_nesting_and_truncated_bodies_are_errors() {
        // The attribute of a resource, as arrays in arrays. A byte is a tag of a field that has a message.
        let mut nested = Vec::new();
        let arrays = std::iter::repeat_n([0x0a, 0x2a], 10_000).flatten();
        for tag in arrays.chain([0x12, 0x0a, 0x0a, 0x0a]) {
            let mut outer = vec![tag];
            prost::encode_length_delimiter(nested.len(), &mut outer).unwrap();
            outer.extend(nested);
            nested = outer;
        }
        assert!(OtlpEncoding::Protobuf.decode(&nested).unwrap_err().contains("recursion"));
        let deep = format!("{{\"resourceMetrics\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(OtlpEncoding::Json.decode(deep.as_bytes()).is_err());
        // A length of 100 MB, without the bytes.
        assert!(OtlpEncoding::Protobuf.decode(&[0x0a, 0x80, 0xc2, 0xd7, 0x2f]).is_err());
        assert!(OtlpEncoding::Json.decode(b"{\"resourceMetrics\":[").is_err());
    }
}
