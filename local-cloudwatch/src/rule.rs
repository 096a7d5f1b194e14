//! Faults that a test orders: the next PutMetricData calls fail or get no answer.

use std::collections::VecDeque;

use axum::http::StatusCode;

use crate::error::{ApiError, ErrorKind};

/// An error answer to order: status, code, message and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    status: StatusCode,
    code: String,
    message: String,
    headers: Vec<(String, String)>,
    namespace: Option<String>,
    foreign_body: Option<String>,
}

impl Failure {
    /// An error answer with AWS's `code`, such as `ThrottlingException`. A status that HTTP does not have becomes 500.
    pub fn new(status: u16, code: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            status,
            code: code.into(),
            message: "This failure was ordered.".into(),
            headers: Vec::new(),
            namespace: None,
            foreign_body: None,
        }
    }

    /// An answer of another server than CloudWatch, such as a proxy: this status and body, and no header but those that are
    /// ordered. So it has no request ID. A status that HTTP does not have becomes 500.
    pub fn foreign(status: u16, body: impl Into<String>) -> Self {
        Self { foreign_body: Some(body.into()), ..Self::new(status, "Foreign") }
    }

    /// The same failure for calls of this namespace only. It does not count those of others.
    #[must_use]
    pub fn of_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// The same failure with a message.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// The same failure with one more header, such as `retry-after`. A header that HTTP cannot carry is left out.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn to_error(&self) -> ApiError {
        let kind = ErrorKind::Ordered {
            status: self.status,
            code: self.code.clone(),
            headers: self.headers.clone(),
            foreign_body: self.foreign_body.clone(),
        };
        ApiError::new(kind, self.message.clone())
    }
}

/// At which moment a connection is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// The data are lost.
    BeforeStoring,
    /// The data are stored, only the answer is lost.
    AfterStoring,
}

/// What happens to a call instead of its ordinary answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Fail(Failure),
    Drop(When),
}

/// Orders not yet carried out, first come first served.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    orders: VecDeque<(usize, Action)>,
}

impl Rules {
    /// Orders `action` for `calls` calls, after those ordered before.
    pub(crate) fn push(&mut self, calls: usize, action: Action) {
        if calls > 0 {
            self.orders.push_back((calls, action));
        }
    }

    /// What happens to the call of this namespace that has just arrived: the first order that concerns it is carried out.
    pub(crate) fn next(&mut self, namespace: &str) -> Option<Action> {
        let at = self.orders.iter().position(|(_, action)| action.concerns(namespace))?;
        let (left, action) = self.orders.get_mut(at)?;
        *left -= 1;
        if *left > 0 { Some(action.clone()) } else { self.orders.remove(at).map(|(_, action)| action) }
    }
}

impl Action {
    fn concerns(&self, namespace: &str) -> bool {
        match self {
            Self::Fail(failure) => failure.namespace.as_deref().is_none_or(|of| of == namespace),
            Self::Drop(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_carried_out_one_after_another() {
        let mut rules = Rules::default();
        rules.push(2, Action::Drop(When::BeforeStoring));
        rules.push(0, Action::Drop(When::BeforeStoring));
        rules.push(1, Action::Drop(When::AfterStoring));
        let next: Vec<_> = (0..4).map(|_| rules.next("N")).collect();
        let drop = |when| Some(Action::Drop(when));
        let before = drop(When::BeforeStoring);
        assert_eq!(next, [before.clone(), before, drop(When::AfterStoring), None]);
    }

    #[test]
    fn an_order_for_a_namespace_waits_for_its_calls() {
        let mut rules = Rules::default();
        rules.push(2, Action::Fail(Failure::new(403, "AccessDenied").of_namespace("B")));
        let fails = ["A", "B", "A", "B", "B"].map(|namespace| rules.next(namespace).is_some());
        assert_eq!(fails, [false, true, false, true, false]);
    }

    #[test]
    fn a_failure_becomes_the_error_it_describes() {
        let error =
            Failure::new(503, "ServiceUnavailable").with_message("m").with_header("retry-after", "1").to_error();
        assert_eq!((error.query_code(), error.message(), error.fault()), ("ServiceUnavailable", "m", "Receiver"));
        assert_eq!(error.headers(), [("retry-after".to_owned(), "1".to_owned())]);
    }
}
