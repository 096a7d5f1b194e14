//! API errors. AWS names each error twice, by shape and by Query code, and its status depends on the protocol.

use axum::http::StatusCode;

use crate::protocol::api_protocol::ApiProtocol;

/// The kind of an API error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    InvalidParameterValue,
    InvalidParameterCombination,
    MissingParameter,
    InvalidNextToken,
    ValidationError,
    /// The body cannot be decoded, or a field has the wrong type.
    Serialization,
    /// The `content-encoding` or, in OTLP, the `content-type` is not supported.
    UnsupportedEncoding,
    UnknownOperation,
    RequestEntityTooLarge,
    MissingAuthenticationToken,
    UnrecognizedClient,
    SignatureMismatch,
    IncompleteSignature,
    ExpiredToken,
    /// A failure that a test injected.
    Injected {
        status: StatusCode,
        code: String,
        headers: Vec<(String, String)>,
        /// The body of a response from a server other than CloudWatch.
        foreign_body: Option<String>,
    },
}

/// An error response: its kind and a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ApiError {
    kind: ErrorKind,
    message: String,
}

impl ApiError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Returns the additional headers of an injected failure.
    pub(crate) fn headers(&self) -> &[(String, String)] {
        match &self.kind {
            ErrorKind::Injected { headers, .. } => headers,
            _ => &[],
        }
    }

    /// Returns the body of a response from a server other than CloudWatch, if a test injected one.
    pub(crate) fn foreign_body(&self) -> Option<&str> {
        match &self.kind {
            ErrorKind::Injected { foreign_body, .. } => foreign_body.as_deref(),
            _ => None,
        }
    }

    /// Returns the error code in `protocol`: the shape's name in JSON and CBOR, the older code in Query.
    pub(crate) fn code(&self, protocol: ApiProtocol) -> &str {
        match protocol {
            ApiProtocol::Json | ApiProtocol::Cbor => self.shape(),
            ApiProtocol::Query => self.query_code(),
        }
    }

    /// Returns the name of the error's shape, without its namespace.
    pub(crate) fn shape(&self) -> &str {
        match &self.kind {
            ErrorKind::InvalidParameterValue => "InvalidParameterValueException",
            ErrorKind::InvalidParameterCombination => "InvalidParameterCombinationException",
            ErrorKind::MissingParameter => "MissingRequiredParameterException",
            ErrorKind::InvalidNextToken => "InvalidNextToken",
            ErrorKind::ValidationError => "ValidationError",
            ErrorKind::Serialization | ErrorKind::UnsupportedEncoding => "SerializationException",
            ErrorKind::UnknownOperation => "UnknownOperationException",
            ErrorKind::RequestEntityTooLarge => "RequestEntityTooLarge",
            ErrorKind::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            ErrorKind::UnrecognizedClient => "UnrecognizedClientException",
            ErrorKind::SignatureMismatch => "InvalidSignatureException",
            ErrorKind::IncompleteSignature => "IncompleteSignatureException",
            ErrorKind::ExpiredToken => "ExpiredTokenException",
            ErrorKind::Injected { code, .. } => code,
        }
    }

    /// Returns the Query code, which JSON and CBOR send in `x-amzn-query-error`.
    pub(crate) fn query_code(&self) -> &str {
        match &self.kind {
            ErrorKind::InvalidParameterValue => "InvalidParameterValue",
            ErrorKind::InvalidParameterCombination => "InvalidParameterCombination",
            ErrorKind::MissingParameter => "MissingParameter",
            ErrorKind::InvalidNextToken => "InvalidNextToken",
            ErrorKind::ValidationError => "ValidationError",
            ErrorKind::Serialization | ErrorKind::UnsupportedEncoding => "MalformedInput",
            ErrorKind::UnknownOperation => "InvalidAction",
            ErrorKind::RequestEntityTooLarge => "RequestEntityTooLarge",
            ErrorKind::MissingAuthenticationToken => "MissingAuthenticationToken",
            ErrorKind::UnrecognizedClient => "InvalidClientTokenId",
            ErrorKind::SignatureMismatch => "SignatureDoesNotMatch",
            ErrorKind::IncompleteSignature => "IncompleteSignature",
            ErrorKind::ExpiredToken => "ExpiredToken",
            ErrorKind::Injected { code, .. } => code,
        }
    }

    /// Returns the HTTP status. As in AWS, authentication errors are 403 in Query and 400 in JSON and CBOR.
    pub(crate) fn status(&self, protocol: ApiProtocol) -> StatusCode {
        match (&self.kind, protocol) {
            (ErrorKind::Injected { status, .. }, _) => *status,
            (ErrorKind::RequestEntityTooLarge, _) => StatusCode::PAYLOAD_TOO_LARGE,
            (ErrorKind::UnknownOperation, ApiProtocol::Json | ApiProtocol::Cbor) => StatusCode::NOT_FOUND,
            (
                ErrorKind::MissingAuthenticationToken
                | ErrorKind::UnrecognizedClient
                | ErrorKind::SignatureMismatch
                | ErrorKind::IncompleteSignature
                | ErrorKind::ExpiredToken,
                ApiProtocol::Query,
            ) => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Returns Query's `Type`: `Sender` for a client error, `Receiver` for a server error.
    pub(crate) fn error_type(&self) -> &'static str {
        if self.status(ApiProtocol::Query).is_server_error() { "Receiver" } else { "Sender" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_query_have_different_codes_and_statuses() {
        let cases = [
            (ErrorKind::InvalidParameterValue, "InvalidParameterValueException", 400, "InvalidParameterValue", 400),
            (ErrorKind::MissingParameter, "MissingRequiredParameterException", 400, "MissingParameter", 400),
            (ErrorKind::SignatureMismatch, "InvalidSignatureException", 400, "SignatureDoesNotMatch", 403),
            (ErrorKind::UnrecognizedClient, "UnrecognizedClientException", 400, "InvalidClientTokenId", 403),
            (ErrorKind::ExpiredToken, "ExpiredTokenException", 400, "ExpiredToken", 403),
            (ErrorKind::UnknownOperation, "UnknownOperationException", 404, "InvalidAction", 400),
            (ErrorKind::RequestEntityTooLarge, "RequestEntityTooLarge", 413, "RequestEntityTooLarge", 413),
        ];
        for (kind, shape, json_status, query, query_status) in cases {
            let error = ApiError::new(kind, "");
            assert_eq!((error.code(ApiProtocol::Json), error.status(ApiProtocol::Json).as_u16()), (shape, json_status));
            assert_eq!(
                (error.code(ApiProtocol::Query), error.status(ApiProtocol::Query).as_u16()),
                (query, query_status)
            );
        }
    }

    #[test]
    fn a_server_error_has_the_type_receiver() {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let kind =
            ErrorKind::Injected { status, code: "ServiceUnavailable".into(), headers: Vec::new(), foreign_body: None };
        assert_eq!(ApiError::new(kind, "").error_type(), "Receiver");
        assert_eq!(ApiError::new(ErrorKind::InvalidParameterValue, "").error_type(), "Sender");
    }
}
