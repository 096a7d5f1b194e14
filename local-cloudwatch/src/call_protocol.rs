//! The protocols in which calls write and read metrics.

use serde::Serialize;

use crate::protocol::ApiProtocol;

/// The protocol of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallProtocol {
    /// AWS JSON 1.0.
    Json,
    /// Smithy RPC v2 CBOR.
    Cbor,
    /// AWS Query: a form in, XML out.
    Query,
    /// OTLP over HTTP in Protobuf.
    OtlpProtobuf,
    /// OTLP over HTTP in JSON.
    OtlpJson,
}

impl CallProtocol {
    /// Returns a short name to display.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Cbor => "cbor",
            Self::Query => "query",
            Self::OtlpProtobuf => "otlp-protobuf",
            Self::OtlpJson => "otlp-json",
        }
    }
}

impl From<ApiProtocol> for CallProtocol {
    fn from(protocol: ApiProtocol) -> Self {
        match protocol {
            ApiProtocol::Json => Self::Json,
            ApiProtocol::Cbor => Self::Cbor,
            ApiProtocol::Query => Self::Query,
        }
    }
}
