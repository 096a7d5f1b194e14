//! The protocols of CloudWatch's API.

/// A protocol of CloudWatch's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiProtocol {
    /// AWS JSON 1.0.
    Json,
    /// Smithy RPC v2 CBOR.
    Cbor,
    /// AWS Query: a form in, XML out.
    Query,
}
