//! Injected faults: the next PutMetricData or OTLP calls fail or get no response.

use std::collections::VecDeque;

use axum::http::StatusCode;

use crate::error::{ApiError, ErrorKind};

/// An error response to inject: status, code, message and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    status: StatusCode,
    code: String,
    message: String,
    headers: Vec<(String, String)>,
    namespace: Option<String>,
    operation: Option<WriteOperation>,
    foreign_body: Option<String>,
}

impl Failure {
    /// Creates an error response with an AWS error code, such as `ThrottlingException`. An invalid status becomes 500.
    pub fn new(status: u16, code: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            status,
            code: code.into(),
            message: "A test injected this failure.".into(),
            headers: Vec::new(),
            namespace: None,
            operation: None,
            foreign_body: None,
        }
    }

    /// Creates a response from a server other than CloudWatch, such as a proxy. It has only the headers added with
    /// [`with_header`](Self::with_header), so it has no request ID. An invalid status becomes 500.
    pub fn foreign(status: u16, body: impl Into<String>) -> Self {
        Self { foreign_body: Some(body.into()), ..Self::new(status, "Foreign") }
    }

    /// Restricts the failure to calls with this namespace. Other calls neither get nor consume it.
    #[must_use]
    pub fn for_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Restricts the failure to calls of this operation. Other calls neither get nor consume it.
    #[must_use]
    pub fn for_operation(mut self, operation: WriteOperation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Sets the message.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// Adds a header, such as `retry-after`. An invalid header is not sent.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn to_error(&self) -> ApiError {
        let kind = ErrorKind::Injected {
            status: self.status,
            code: self.code.clone(),
            headers: self.headers.clone(),
            foreign_body: self.foreign_body.clone(),
        };
        ApiError::new(kind, self.message.clone())
    }
}

/// An operation that writes metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub enum WriteOperation {
    /// PutMetricData.
    PutMetricData,
    /// `POST /v1/metrics`, OTLP's export of metrics.
    ExportMetrics,
}

impl WriteOperation {
    /// Returns the name of the operation in calls.
    pub fn name(self) -> &'static str {
        match self {
            Self::PutMetricData => "PutMetricData",
            Self::ExportMetrics => "ExportMetrics",
        }
    }
}

/// The point at which a connection is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropPoint {
    /// The data is lost.
    BeforeStoring,
    /// The data is stored; only the response is lost.
    AfterStoring,
}

/// A fault that replaces the normal response to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    Fail(Failure),
    Drop {
        point: DropPoint,
        /// `None` applies to all.
        operation: Option<WriteOperation>,
    },
}

/// Pending faults, in the order in which they were injected.
#[derive(Debug, Default)]
pub(crate) struct FaultQueue {
    pending: VecDeque<(usize, Fault)>,
}

impl FaultQueue {
    /// Appends `fault` for `calls` calls.
    pub(crate) fn push(&mut self, calls: usize, fault: Fault) {
        if calls > 0 {
            self.pending.push_back((calls, fault));
        }
    }

    /// Discards all faults.
    pub(crate) fn clear(&mut self) {
        self.pending.clear();
    }

    /// Consumes and returns the first fault that applies to a call of this operation with this namespace, which is
    /// empty for OTLP.
    pub(crate) fn next(&mut self, operation: WriteOperation, namespace: &str) -> Option<Fault> {
        let index = self.pending.iter().position(|(_, fault)| fault.applies_to(operation, namespace))?;
        let (left, fault) = self.pending.get_mut(index)?;
        *left -= 1;
        if *left > 0 { Some(fault.clone()) } else { self.pending.remove(index).map(|(_, fault)| fault) }
    }
}

impl Fault {
    fn applies_to(&self, operation: WriteOperation, namespace: &str) -> bool {
        let (only_operation, only_namespace) = match self {
            Self::Fail(failure) => (failure.operation, failure.namespace.as_deref()),
            Self::Drop { operation, .. } => (*operation, None),
        };
        only_operation.is_none_or(|only| only == operation) && only_namespace.is_none_or(|only| only == namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_apply_in_the_order_they_were_injected() {
        let mut faults = FaultQueue::default();
        let drop = |point| Fault::Drop { point, operation: None };
        let (before, after) = (drop(DropPoint::BeforeStoring), drop(DropPoint::AfterStoring));
        faults.push(2, before.clone());
        faults.push(0, before.clone());
        faults.push(1, after.clone());
        let next: Vec<_> = (0..4).map(|_| faults.next(WriteOperation::PutMetricData, "N")).collect();
        assert_eq!(next, [Some(before.clone()), Some(before), Some(after), None]);
    }

    #[test]
    fn a_fault_for_a_namespace_waits_for_its_calls() {
        let mut faults = FaultQueue::default();
        faults.push(2, Fault::Fail(Failure::new(403, "AccessDenied").for_namespace("B")));
        let fails =
            ["A", "B", "A", "B", "B"].map(|namespace| faults.next(WriteOperation::PutMetricData, namespace).is_some());
        assert_eq!(fails, [false, true, false, true, false]);
    }

    #[test]
    fn a_fault_for_an_operation_waits_for_its_calls() {
        use WriteOperation::{ExportMetrics, PutMetricData};
        let mut faults = FaultQueue::default();
        faults.push(1, Fault::Fail(Failure::new(429, "Throttling").for_operation(ExportMetrics)));
        faults.push(1, Fault::Drop { point: DropPoint::BeforeStoring, operation: Some(PutMetricData) });
        faults.push(1, Fault::Fail(Failure::new(500, "InternalFailure")));
        let next = |faults: &mut FaultQueue, operation| {
            faults.next(operation, "").map(|fault| matches!(fault, Fault::Drop { .. }))
        };
        assert_eq!(next(&mut faults, PutMetricData), Some(true));
        assert_eq!(next(&mut faults, PutMetricData), Some(false));
        assert_eq!((next(&mut faults, ExportMetrics), next(&mut faults, ExportMetrics)), (Some(false), None));
        faults.push(9, Fault::Fail(Failure::new(500, "InternalFailure")));
        faults.clear();
        assert_eq!(next(&mut faults, PutMetricData), None);
    }

    #[test]
    fn a_failure_is_converted_to_its_api_error() {
        let error =
            Failure::new(503, "ServiceUnavailable").with_message("m").with_header("retry-after", "1").to_error();
        assert_eq!((error.query_code(), error.message(), error.error_type()), ("ServiceUnavailable", "m", "Receiver"));
        assert_eq!(error.headers(), [("retry-after".to_owned(), "1".to_owned())]);
    }
}
