//! Errors of queries, in Prometheus' terms.

use axum::http::StatusCode;

/// The kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueryErrorKind {
    /// A parameter is missing or invalid, or the query cannot be parsed.
    BadData,
    /// The query cannot be executed, for example because it uses something that is not supported.
    Execution,
    /// The signature of the request is wrong.
    Unauthorized,
}

/// An error of a query: its kind and a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct QueryError {
    pub(super) kind: QueryErrorKind,
    pub(super) message: String,
}

impl QueryError {
    pub(super) fn bad_data(message: impl Into<String>) -> Self {
        Self { kind: QueryErrorKind::BadData, message: message.into() }
    }

    pub(super) fn execution(message: impl Into<String>) -> Self {
        Self { kind: QueryErrorKind::Execution, message: message.into() }
    }

    /// Creates the error for a part of PromQL that the server does not have.
    pub(super) fn unsupported(construct: &str) -> Self {
        Self::execution(format!("local-cloudwatch does not support {construct}; its README lists what it supports"))
    }

    /// Returns Prometheus' `errorType`.
    pub(super) fn error_type(&self) -> &'static str {
        match self.kind {
            QueryErrorKind::BadData => "bad_data",
            QueryErrorKind::Execution => "execution",
            QueryErrorKind::Unauthorized => "unauthorized",
        }
    }

    /// Returns the HTTP status that Prometheus uses for the kind.
    pub(super) fn status(&self) -> StatusCode {
        match self.kind {
            QueryErrorKind::BadData => StatusCode::BAD_REQUEST,
            QueryErrorKind::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            QueryErrorKind::Unauthorized => StatusCode::FORBIDDEN,
        }
    }
}
