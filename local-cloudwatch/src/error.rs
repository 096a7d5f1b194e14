//! Errors as the API tells them: each has AWS's two names and a status per protocol.

use axum::http::StatusCode;

use crate::protocol::Protocol;

/// What is wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    InvalidParameterValue,
    InvalidParameterCombination,
    MissingParameter,
    InvalidNextToken,
    ValidationError,
    /// The body is not of its protocol's form, or a field is not of its type.
    Serialization,
    UnknownOperation,
    RequestEntityTooLarge,
    MissingAuthenticationToken,
    UnrecognizedClient,
    SignatureMismatch,
    IncompleteSignature,
    ExpiredToken,
    /// A failure that a test ordered.
    Ordered {
        status: StatusCode,
        code: String,
        headers: Vec<(String, String)>,
        /// The whole body, where another server than CloudWatch is to answer.
        foreign_body: Option<String>,
    },
}

/// An error answer: what AWS calls it, and a message for people.
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

    /// Headers beside those every error has.
    pub(crate) fn headers(&self) -> &[(String, String)] {
        match &self.kind {
            ErrorKind::Ordered { headers, .. } => headers,
            _ => &[],
        }
    }

    /// The body of another server's answer, where one was ordered.
    pub(crate) fn foreign_body(&self) -> Option<&str> {
        match &self.kind {
            ErrorKind::Ordered { foreign_body, .. } => foreign_body.as_deref(),
            _ => None,
        }
    }

    /// The code as the protocol names it: JSON and CBOR by the shape's name, Query by the older code.
    pub(crate) fn code(&self, protocol: Protocol) -> &str {
        match protocol {
            Protocol::Json | Protocol::Cbor => self.shape(),
            Protocol::Query => self.query_code(),
        }
    }

    /// The name of the error's shape, without its namespace.
    pub(crate) fn shape(&self) -> &str {
        match &self.kind {
            ErrorKind::InvalidParameterValue => "InvalidParameterValueException",
            ErrorKind::InvalidParameterCombination => "InvalidParameterCombinationException",
            ErrorKind::MissingParameter => "MissingRequiredParameterException",
            ErrorKind::InvalidNextToken => "InvalidNextToken",
            ErrorKind::ValidationError => "ValidationError",
            ErrorKind::Serialization => "SerializationException",
            ErrorKind::UnknownOperation => "UnknownOperationException",
            ErrorKind::RequestEntityTooLarge => "RequestEntityTooLarge",
            ErrorKind::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            ErrorKind::UnrecognizedClient => "UnrecognizedClientException",
            ErrorKind::SignatureMismatch => "InvalidSignatureException",
            ErrorKind::IncompleteSignature => "IncompleteSignatureException",
            ErrorKind::ExpiredToken => "ExpiredTokenException",
            ErrorKind::Ordered { code, .. } => code,
        }
    }

    /// The code of the Query protocol, which JSON's `x-amzn-query-error` carries too.
    pub(crate) fn query_code(&self) -> &str {
        match &self.kind {
            ErrorKind::InvalidParameterValue => "InvalidParameterValue",
            ErrorKind::InvalidParameterCombination => "InvalidParameterCombination",
            ErrorKind::MissingParameter => "MissingParameter",
            ErrorKind::InvalidNextToken => "InvalidNextToken",
            ErrorKind::ValidationError => "ValidationError",
            ErrorKind::Serialization => "MalformedInput",
            ErrorKind::UnknownOperation => "InvalidAction",
            ErrorKind::RequestEntityTooLarge => "RequestEntityTooLarge",
            ErrorKind::MissingAuthenticationToken => "MissingAuthenticationToken",
            ErrorKind::UnrecognizedClient => "InvalidClientTokenId",
            ErrorKind::SignatureMismatch => "SignatureDoesNotMatch",
            ErrorKind::IncompleteSignature => "IncompleteSignature",
            ErrorKind::ExpiredToken => "ExpiredToken",
            ErrorKind::Ordered { code, .. } => code,
        }
    }

    /// Faults of authentication are 403 in Query and 400 in the newer protocols, as AWS answers them.
    pub(crate) fn status(&self, protocol: Protocol) -> StatusCode {
        match (&self.kind, protocol) {
            (ErrorKind::Ordered { status, .. }, _) => *status,
            (ErrorKind::RequestEntityTooLarge, _) => StatusCode::PAYLOAD_TOO_LARGE,
            (ErrorKind::UnknownOperation, Protocol::Json | Protocol::Cbor) => StatusCode::NOT_FOUND,
            (
                ErrorKind::MissingAuthenticationToken
                | ErrorKind::UnrecognizedClient
                | ErrorKind::SignatureMismatch
                | ErrorKind::IncompleteSignature
                | ErrorKind::ExpiredToken,
                Protocol::Query,
            ) => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Whose fault it is, in Query's words.
    pub(crate) fn fault(&self) -> &'static str {
        if self.status(Protocol::Query).is_server_error() { "Receiver" } else { "Sender" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_query_have_their_own_names_and_statuses() {
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
            assert_eq!((error.code(Protocol::Json), error.status(Protocol::Json).as_u16()), (shape, json_status));
            assert_eq!((error.code(Protocol::Query), error.status(Protocol::Query).as_u16()), (query, query_status));
        }
    }

    #[test]
    fn a_server_error_is_the_receivers_fault() {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let kind =
            ErrorKind::Ordered { status, code: "ServiceUnavailable".into(), headers: Vec::new(), foreign_body: None };
        assert_eq!(ApiError::new(kind, "").fault(), "Receiver");
        assert_eq!(ApiError::new(ErrorKind::InvalidParameterValue, "").fault(), "Sender");
    }
}
