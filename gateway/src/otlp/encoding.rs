//! The two encodings of OTLP over HTTP: protobuf and JSON.

use acpw_otlp::{ExportMetricsPartialSuccess, ExportMetricsServiceResponse, RpcStatus};
use prost::Message as _;
use serde::Serialize;

/// The encoding of an export and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Protobuf.
    Protobuf,
    /// Protobuf's mapping to JSON, with OTLP's deviations.
    Json,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonResponse<'a> {
    partial_success: JsonPartialSuccess<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonPartialSuccess<'a> {
    /// Protobuf's JSON mapping writes 64-bit integers as texts.
    rejected_data_points: String,
    error_message: &'a str,
}

#[derive(Serialize)]
struct JsonStatus<'a> {
    code: i32,
    message: &'a str,
}

impl Encoding {
    /// Returns the encoding with this media type.
    pub fn from_media_type(media: &str) -> Option<Self> {
        [Self::Protobuf, Self::Json].into_iter().find(|encoding| encoding.media_type() == media)
    }

    /// Returns the media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    /// Encodes the response to an accepted export. `message` explains the rejected data points, or is a warning if
    /// all were accepted.
    pub fn response(self, rejected: u64, message: &str) -> Vec<u8> {
        let is_partial = rejected > 0 || !message.is_empty();
        match self {
            Self::Protobuf => {
                let partial_success = is_partial.then(|| ExportMetricsPartialSuccess {
                    rejected_data_points: i64::try_from(rejected).unwrap_or(i64::MAX),
                    error_message: message.to_owned(),
                });
                ExportMetricsServiceResponse { partial_success }.encode_to_vec()
            }
            Self::Json if !is_partial => b"{}".to_vec(),
            Self::Json => {
                let partial_success =
                    JsonPartialSuccess { rejected_data_points: rejected.to_string(), error_message: message };
                // Serializing this type to memory cannot fail.
                serde_json::to_vec(&JsonResponse { partial_success }).unwrap_or_default()
            }
        }
    }

    /// Encodes the response to a refused export: a `google.rpc.Status` with a gRPC code.
    pub fn status(self, code: i32, message: &str) -> Vec<u8> {
        match self {
            Self::Protobuf => RpcStatus { code, message: message.to_owned() }.encode_to_vec(),
            // Serializing this type to memory cannot fail.
            Self::Json => serde_json::to_vec(&JsonStatus { code, message }).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_has_a_partial_success_only_if_it_says_something() {
        assert_eq!(Encoding::Protobuf.response(0, ""), b"");
        assert_eq!(Encoding::Json.response(0, ""), b"{}");
        let expected = br#"{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"m"}}"#;
        assert_eq!(Encoding::Json.response(3, "m"), expected);
        let response = ExportMetricsServiceResponse::decode(Encoding::Protobuf.response(3, "m").as_slice()).unwrap();
        let partial = response.partial_success.unwrap();
        assert_eq!((partial.rejected_data_points, partial.error_message.as_str()), (3, "m"));
        assert_eq!(Encoding::Json.status(3, "m"), br#"{"code":3,"message":"m"}"#);
    }

    #[test]
    fn a_media_type_names_an_encoding() {
        assert_eq!(Encoding::from_media_type("application/x-protobuf"), Some(Encoding::Protobuf));
        assert_eq!(Encoding::from_media_type("application/json"), Some(Encoding::Json));
        assert_eq!(Encoding::from_media_type("text/plain"), None);
    }
}
