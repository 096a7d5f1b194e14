//! The protocols in which a request can come: this gateway's own, and the three of CloudWatch's API.

pub mod cbor;
pub mod json;
pub mod query;

use crate::fault::PathStyle;

/// How a request is written, and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// JSON in and out, with paths of faults as JSON has them: `/metrics` and `/batch`.
    Plain,
    /// AWS JSON 1.0.
    Json,
    /// Smithy RPC v2 CBOR.
    Cbor,
    /// AWS Query.
    Query,
}

impl Protocol {
    /// How paths are written in its answers.
    pub fn path_style(self) -> PathStyle {
        match self {
            Self::Plain => PathStyle::Plain,
            Self::Json | Self::Cbor | Self::Query => PathStyle::Aws,
        }
    }
}
