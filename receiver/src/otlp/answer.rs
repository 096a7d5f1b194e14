//! Responses of the endpoint, and their meaning for the request.

use acpw_otlp::{ExportMetricsServiceResponse, RpcStatus};
use prost::Message;
use serde_json::Value;

use crate::{PublishAnswer, answer::Reply, disposition::RetryCause, error_code::ErrorClass, retry_after::RetryAfter};

/// A difference between the clocks of more than this number of milliseconds explains a refused signature.
const SKEW_THRESHOLD: u64 = 4 * 60 * 1_000;

/// A response to a request, as far as the outcome depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportAnswer {
    /// The status and the error.
    pub answer: PublishAnswer,
    /// The data points that a successful response reports as rejected, or `None` if it is not a response of OTLP.
    pub partial: Option<PartialSuccess>,
}

/// The data points of a successful request that the endpoint did not accept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartialSuccess {
    /// The number of rejected data points.
    pub rejected: u64,
    /// The reason, or a warning if no data point was rejected.
    pub message: String,
}

/// The meaning of a response for the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ExportOutcome {
    /// The endpoint has accepted the request, except for some data points.
    Delivered(PartialSuccess),
    /// Send the request again.
    Retry {
        /// The reason.
        cause: RetryCause,
        /// The delay that the endpoint has asked for.
        retry_after: Option<RetryAfter>,
    },
    /// Fetch the credentials again, and then send the request again.
    RefreshCredentials,
    /// Correct the clock, and then send the request again.
    CorrectClock,
    /// Hold the data until an operator has changed permissions or the configuration.
    Hold,
    /// The endpoint refuses the request because of its size or its data. Send it in parts.
    Split,
}

impl ExportAnswer {
    /// Reads a response. `header` returns a header by its lower-case name, and `body` is the start of the body.
    pub fn new(header: impl Fn(&str) -> Option<Vec<u8>>, body: &[u8]) -> Self {
        let mut answer = PublishAnswer::new(&header, body);
        let is_success = (200..300).contains(&answer.status());
        let is_protobuf = header("content-type").is_some_and(|value| value.starts_with(b"application/x-protobuf"));
        if let PublishAnswer::Complete(reply) = &mut answer
            && !is_success
            && is_protobuf
        {
            // The body is a `google.rpc.Status`, which has no code of AWS.
            reply.code = String::new();
            reply.message = RpcStatus::decode(body).map(|status| status.message).unwrap_or_default();
        }
        let partial = if is_success { PartialSuccess::read(body) } else { None };
        Self { answer, partial }
    }

    /// Creates the answer for a request that was not sent.
    pub(super) fn unsent(reason: String) -> Self {
        Self { answer: PublishAnswer::Missing { may_be_stored: false, reason }, partial: None }
    }

    /// Returns the meaning of the response. `skew` is the number of milliseconds by which the endpoint's clock is
    /// ahead, if the response is AWS's.
    pub(super) fn outcome(&self, skew: Option<i64>) -> ExportOutcome {
        let reply = match &self.answer {
            PublishAnswer::Missing { may_be_stored, .. } => {
                let cause = if *may_be_stored { RetryCause::UnknownOutcome } else { RetryCause::Unsent };
                return ExportOutcome::Retry { cause, retry_after: None };
            }
            PublishAnswer::Complete(reply) => reply,
        };
        let retry = |cause| ExportOutcome::Retry { cause, retry_after: reply.retry_after };
        match reply.status {
            200..300 => return self.partial.clone().map_or(ExportOutcome::Hold, ExportOutcome::Delivered),
            413 => return ExportOutcome::Split,
            429 => return retry(RetryCause::Throttled),
            _ => {}
        }
        let is_skewed = skew.is_some_and(|skew| skew.unsigned_abs() > SKEW_THRESHOLD);
        match ErrorClass::of_code(&reply.code) {
            Some(ErrorClass::Throttled) => retry(RetryCause::Throttled),
            Some(ErrorClass::ServiceFault) => retry(RetryCause::ServiceFault),
            Some(ErrorClass::Signature | ErrorClass::Denied) if is_skewed => ExportOutcome::CorrectClock,
            Some(ErrorClass::Signature | ErrorClass::Credentials) => ExportOutcome::RefreshCredentials,
            Some(ErrorClass::Denied | ErrorClass::NotCloudWatch) => ExportOutcome::Hold,
            Some(ErrorClass::InvalidData | ErrorClass::TooLarge) => ExportOutcome::Split,
            None => Self::outcome_of_status(reply),
        }
    }

    fn outcome_of_status(reply: &Reply) -> ExportOutcome {
        match reply.status {
            408 | 500.. => ExportOutcome::Retry { cause: RetryCause::ServiceFault, retry_after: reply.retry_after },
            401 | 403 => ExportOutcome::RefreshCredentials,
            400 | 422 => ExportOutcome::Split,
            _ => ExportOutcome::Hold,
        }
    }
}

impl PartialSuccess {
    /// Reads the body of a successful response, in OTLP's protobuf or JSON encoding. Returns `None` for any other body,
    /// which a server that does not speak OTLP has sent.
    fn read(body: &[u8]) -> Option<Self> {
        if body.trim_ascii_start().first() == Some(&b'{') {
            let document: Value = serde_json::from_slice(body).ok()?;
            let partial = document.get("partialSuccess");
            let rejected = partial.and_then(|partial| partial.get("rejectedDataPoints"));
            // 64-bit integers are texts in protobuf's JSON encoding.
            let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
            let message = partial.and_then(|partial| partial.get("errorMessage")).and_then(Value::as_str);
            return Some(Self {
                rejected: rejected.and_then(number).unwrap_or(0),
                message: message.unwrap_or_default().to_owned(),
            });
        }
        let partial = ExportMetricsServiceResponse::decode(body).ok()?.partial_success.unwrap_or_default();
        Some(Self {
            rejected: u64::try_from(partial.rejected_data_points).unwrap_or(0),
            message: partial.error_message,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use acpw_otlp::ExportMetricsPartialSuccess;
    use proptest::prelude::*;

    use super::*;

    fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> ExportAnswer {
        let own = [(":status", status), ("x-envoy-upstream-service-time", "1")];
        let header = |name: &str| {
            let (_, value) = own.iter().chain(headers).find(|(known, _)| *known == name)?;
            Some(value.as_bytes().to_vec())
        };
        ExportAnswer::new(header, body)
    }

    fn outcome(status: &str, body: &[u8]) -> ExportOutcome {
        answer(status, &[], body).outcome(None)
    }

    fn retry(cause: RetryCause) -> ExportOutcome {
        ExportOutcome::Retry { cause, retry_after: None }
    }

    #[test]
    fn every_status_has_its_outcome() {
        let delivered = ExportOutcome::Delivered(PartialSuccess::default());
        for (status, expected) in [
            ("200", delivered.clone()),
            ("204", delivered),
            ("301", ExportOutcome::Hold),
            ("307", ExportOutcome::Hold),
            ("400", ExportOutcome::Split),
            ("401", ExportOutcome::RefreshCredentials),
            ("403", ExportOutcome::RefreshCredentials),
            ("404", ExportOutcome::Hold),
            ("405", ExportOutcome::Hold),
            ("408", retry(RetryCause::ServiceFault)),
            ("413", ExportOutcome::Split),
            ("415", ExportOutcome::Hold),
            ("422", ExportOutcome::Split),
            ("429", retry(RetryCause::Throttled)),
            ("500", retry(RetryCause::ServiceFault)),
            ("502", retry(RetryCause::ServiceFault)),
            ("503", retry(RetryCause::ServiceFault)),
            ("504", retry(RetryCause::ServiceFault)),
        ] {
            assert_eq!(outcome(status, b""), expected, "{status}");
        }
    }

    #[test]
    fn errors_of_aws_have_the_outcome_of_their_code() {
        let code = |code: &str| format!(r#"{{"__type":"{code}","message":"m"}}"#);
        for (status, name, skew, expected) in [
            ("400", "ThrottlingException", None, retry(RetryCause::Throttled)),
            ("400", "ExpiredTokenException", None, ExportOutcome::RefreshCredentials),
            ("403", "InvalidSignatureException", Some(600_000), ExportOutcome::CorrectClock),
            ("403", "InvalidSignatureException", Some(1_000), ExportOutcome::RefreshCredentials),
            ("403", "AccessDeniedException", None, ExportOutcome::Hold),
            ("400", "InvalidParameterValue", None, ExportOutcome::Split),
        ] {
            assert_eq!(answer(status, &[], code(name).as_bytes()).outcome(skew), expected, "{name}");
        }
    }

    #[test]
    fn retry_after_is_read() {
        let ExportOutcome::Retry { retry_after, .. } = answer("503", &[("retry-after", "7")], b"").outcome(None) else {
            panic!()
        };
        assert_eq!(retry_after, Some(RetryAfter::For(Duration::from_secs(7))));
    }

    #[test]
    fn partial_success_is_read_in_both_encodings() {
        let partial = PartialSuccess { rejected: 3, message: "too old".to_owned() };
        let response = ExportMetricsServiceResponse {
            partial_success: Some(ExportMetricsPartialSuccess {
                rejected_data_points: 3,
                error_message: "too old".to_owned(),
            }),
        };
        assert_eq!(outcome("200", &response.encode_to_vec()), ExportOutcome::Delivered(partial.clone()));
        for rejected in ["3", "\"3\""] {
            let json = format!(r#"{{"partialSuccess":{{"rejectedDataPoints":{rejected},"errorMessage":"too old"}}}}"#);
            assert_eq!(outcome("200", json.as_bytes()), ExportOutcome::Delivered(partial.clone()));
        }
        assert_eq!(outcome("200", b"{}"), ExportOutcome::Delivered(PartialSuccess::default()));
    }

    #[test]
    fn a_success_of_a_server_that_does_not_speak_otlp_delivers_nothing() {
        for body in ["<html>welcome</html>", "ok", "{\"a\":", "welcome"] {
            assert_eq!(outcome("200", body.as_bytes()), ExportOutcome::Hold, "{body}");
        }
    }

    #[test]
    fn the_error_of_a_collector_is_read() {
        let status = RpcStatus { code: 3, message: "no such tenant".to_owned() };
        let answer = answer("400", &[("content-type", "application/x-protobuf")], &status.encode_to_vec());
        let PublishAnswer::Complete(reply) = &answer.answer else { panic!("{answer:?}") };
        assert_eq!(reply.message, "no such tenant");
        assert_eq!(answer.outcome(None), ExportOutcome::Split);
    }

    proptest! {
        #[test]
        fn any_response_has_an_outcome(status in 0u16..1_000, body in prop::collection::vec(any::<u8>(), 0..200)) {
            answer(&status.to_string(), &[("content-type", "application/x-protobuf")], &body).outcome(Some(0));
        }
    }
}
