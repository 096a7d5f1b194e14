//! The protocols of requests: the gateway's own, the three of CloudWatch's API, and OTLP.

pub mod cbor;
pub mod json;
pub mod query;

use crate::{fault::PathStyle, otlp::encoding::Encoding};

/// The protocol of a request and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Plain JSON, as `/metrics` and `/batch` accept it. Paths of faults look like JSON paths.
    Plain,
    /// AWS JSON 1.0.
    Json,
    /// Smithy RPC v2 CBOR.
    Cbor,
    /// AWS Query.
    Query,
    /// OTLP metrics over HTTP.
    Otlp(Encoding),
}

impl Protocol {
    /// Returns the style of paths in answers.
    pub fn path_style(self) -> PathStyle {
        match self {
            Self::Plain | Self::Otlp(_) => PathStyle::Plain,
            Self::Json | Self::Cbor | Self::Query => PathStyle::Aws,
        }
    }
}
