//! The body of an OTLP error response.

use axum::http::StatusCode;
use serde::Serialize;

/// A `google.rpc.Status` without details.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub(crate) struct ErrorStatus {
    /// A `google.rpc.Code`.
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
}

impl ErrorStatus {
    /// Creates the body of a response with this HTTP status.
    pub(crate) fn new(status: StatusCode, message: &str) -> Self {
        let code = match status {
            StatusCode::UNAUTHORIZED => 16,
            StatusCode::FORBIDDEN => 7,
            StatusCode::NOT_FOUND => 5,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => 8,
            StatusCode::GATEWAY_TIMEOUT => 4,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => 14,
            status if status.is_server_error() => 13,
            _ => 3,
        };
        Self { code, message: message.to_owned() }
    }
}
