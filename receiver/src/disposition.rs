//! Decides how to continue with a payload after an answer.

use crate::{PublishAnswer, answer::Reply, error_code::ErrorClass, named_parts::NamedParts, retry_after::RetryAfter};

/// The next step for a payload after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// CloudWatch has stored the payload.
    Delivered,
    /// Send the payload again, unchanged.
    Retry {
        /// The cause.
        cause: RetryCause,
        /// The delay that the server asks for.
        retry_after: Option<RetryAfter>,
    },
    /// Fetch new credentials, then send the payload again.
    RefreshCredentials,
    /// Correct the clock by the answer's date, then send the payload again.
    CorrectClock,
    /// CloudWatch refused the whole payload because of some data. Remove them, and send the rest.
    Isolate {
        /// The indices of the invalid data, from 0. If the list is empty, find them by splitting the payload.
        data: Vec<usize>,
    },
    /// CloudWatch refused the whole payload because of the entity of its data. Send the data without an entity.
    RemoveEntity,
    /// The payload is too large. Send it in halves.
    Split,
    /// The account, its permissions or the configuration do not allow the request. Hold the data until an operator
    /// changes that.
    Denied,
}

/// The reason why a payload is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryCause {
    /// The service failed.
    ServiceFault,
    /// CloudWatch throttled the request.
    Throttled,
    /// The request did not reach CloudWatch.
    Unsent,
    /// There was no answer, so the data may be stored.
    UnknownOutcome,
    /// A server other than CloudWatch answered.
    Foreign,
}

impl RetryCause {
    /// Returns true if the cause is the account or the network, so all lanes back off. Otherwise only the payload's
    /// lane does.
    pub fn affects_all_lanes(self) -> bool {
        match self {
            Self::Throttled | Self::Unsent => true,
            Self::ServiceFault | Self::UnknownOutcome | Self::Foreign => false,
        }
    }
}

/// The difference between the clocks, in milliseconds, above which it is taken as the cause of a refused signature.
const SKEW_THRESHOLD: u64 = 4 * 60 * 1_000;

impl Disposition {
    /// Returns the disposition for an answer. `skew` is the number of milliseconds by which CloudWatch's clock is ahead
    /// of the clock that signed the request, if the answer shows it.
    ///
    /// Only an answer of CloudWatch itself may deliver or drop data.
    pub fn from_answer(answer: &PublishAnswer, skew: Option<i64>) -> Self {
        let reply = match answer {
            PublishAnswer::Missing { may_be_stored: true, .. } => return Self::retry(RetryCause::UnknownOutcome, None),
            PublishAnswer::Missing { may_be_stored: false, .. } => return Self::retry(RetryCause::Unsent, None),
            PublishAnswer::Complete(reply) => reply,
        };
        let is_success = (200..300).contains(&reply.status);
        let class = ErrorClass::of_code(&reply.code).filter(|_| !is_success);
        if reply.status == 429 || class == Some(ErrorClass::Throttled) {
            return Self::retry(RetryCause::Throttled, reply.retry_after);
        }
        if reply.status == 413 {
            return Self::Split;
        }
        if reply.is_foreign {
            return Self::retry(RetryCause::Foreign, reply.retry_after);
        }
        match class {
            _ if is_success => Self::Delivered,
            Some(class) => Self::from_class(class, reply, skew),
            None => Self::from_status(reply),
        }
    }

    fn from_class(class: ErrorClass, reply: &Reply, skew: Option<i64>) -> Self {
        let is_skewed = skew.is_some_and(|skew| skew.unsigned_abs() > SKEW_THRESHOLD);
        match class {
            ErrorClass::Throttled => Self::retry(RetryCause::Throttled, reply.retry_after),
            ErrorClass::ServiceFault => Self::retry(RetryCause::ServiceFault, reply.retry_after),
            ErrorClass::Signature if is_skewed => Self::CorrectClock,
            // Some of AWS's front ends return this error for a signature that is too old.
            ErrorClass::Denied if is_skewed => Self::CorrectClock,
            ErrorClass::Signature | ErrorClass::Credentials => Self::RefreshCredentials,
            ErrorClass::Denied | ErrorClass::NotCloudWatch => Self::Denied,
            ErrorClass::InvalidData => Self::from_data(NamedParts::parse(&reply.message)),
            ErrorClass::TooLarge => Self::Split,
        }
    }

    /// Returns the disposition for an error with an unknown code.
    fn from_status(reply: &Reply) -> Self {
        match reply.status {
            408 | 500.. => Self::retry(RetryCause::ServiceFault, reply.retry_after),
            400..500 => {
                let named = NamedParts::parse(&reply.message);
                let is_about_data = matches!(reply.status, 400 | 422) || named != NamedParts::default();
                if is_about_data { Self::from_data(named) } else { Self::Denied }
            }
            _ => Self::Denied,
        }
    }

    fn from_data(NamedParts { data, has_entity }: NamedParts) -> Self {
        if has_entity && data.is_empty() { Self::RemoveEntity } else { Self::Isolate { data } }
    }

    fn retry(cause: RetryCause, retry_after: Option<RetryAfter>) -> Self {
        Self::Retry { cause, retry_after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, code: &str) -> Disposition {
        with_skew(status, code, Some(0))
    }

    fn with_skew(status: u16, code: &str, skew: Option<i64>) -> Disposition {
        let reply = Reply { status, code: code.to_owned(), ..Reply::default() };
        Disposition::from_answer(&PublishAnswer::Complete(reply), skew)
    }

    fn retry(cause: RetryCause) -> Disposition {
        Disposition::Retry { cause, retry_after: None }
    }

    #[test]
    fn every_error_code_has_its_disposition() {
        let isolate = Disposition::Isolate { data: Vec::new() };
        let (throttled, fault) = (retry(RetryCause::Throttled), retry(RetryCause::ServiceFault));
        let cases = [
            (200, "", Disposition::Delivered),
            (400, "Throttling", throttled.clone()),
            (400, "ThrottlingException", throttled.clone()),
            (429, "", throttled.clone()),
            (503, "SlowDown", throttled),
            (500, "InternalServiceFault", fault.clone()),
            (500, "InternalFailure", fault.clone()),
            (503, "ServiceUnavailable", fault.clone()),
            (502, "", fault.clone()),
            (400, "RequestTimeout", fault.clone()),
            (408, "", fault),
            (403, "ExpiredTokenException", Disposition::RefreshCredentials),
            (403, "InvalidClientTokenId", Disposition::RefreshCredentials),
            (400, "UnrecognizedClientException", Disposition::RefreshCredentials),
            (403, "SignatureDoesNotMatch", Disposition::RefreshCredentials),
            (403, "RequestTimeTooSkewed", Disposition::RefreshCredentials),
            (403, "AccessDenied", Disposition::Denied),
            (400, "AccessDeniedException", Disposition::Denied),
            (403, "", Disposition::Denied),
            (301, "", Disposition::Denied),
            (400, "InvalidParameterValue", isolate.clone()),
            (400, "InvalidParameterValueException", isolate.clone()),
            (400, "MissingRequiredParameterException", isolate.clone()),
            (400, "ValidationError", isolate.clone()),
            (400, "SerializationException", isolate.clone()),
            (400, "NeverHeardOf", isolate.clone()),
            (400, "", isolate),
            (413, "", Disposition::Split),
            (413, "RequestEntityTooLarge", Disposition::Split),
            (404, "UnknownOperationException", Disposition::Denied),
            (404, "", Disposition::Denied),
        ];
        for (status, code, expected) in cases {
            assert_eq!(of(status, code), expected, "{status} {code}");
        }
    }

    #[test]
    fn a_foreign_answer_neither_delivers_nor_drops_data() {
        for (status, code, expected) in [
            (200, "", retry(RetryCause::Foreign)),
            (204, "", retry(RetryCause::Foreign)),
            (302, "", retry(RetryCause::Foreign)),
            (400, "InvalidParameterValue", retry(RetryCause::Foreign)),
            (403, "AccessDenied", retry(RetryCause::Foreign)),
            (403, "ExpiredToken", retry(RetryCause::Foreign)),
            (404, "", retry(RetryCause::Foreign)),
            (502, "", retry(RetryCause::Foreign)),
            (429, "", retry(RetryCause::Throttled)),
            (503, "SlowDown", retry(RetryCause::Throttled)),
            (413, "", Disposition::Split),
        ] {
            let reply = Reply { status, code: code.to_owned(), is_foreign: true, ..Reply::default() };
            assert_eq!(Disposition::from_answer(&PublishAnswer::Complete(reply), Some(0)), expected, "{status} {code}");
        }
    }

    #[test]
    fn data_named_in_a_message_are_isolated_for_any_code() {
        let with_message = |status, code: &str, message: &str| {
            let (code, message) = (code.to_owned(), message.to_owned());
            Disposition::from_answer(
                &PublishAnswer::Complete(Reply { status, code, message, ..Reply::default() }),
                None,
            )
        };
        let third = Disposition::Isolate { data: vec![2] };
        assert_eq!(with_message(400, "ValidationError", "Value null at 'metricData.3.member.metricName' …"), third);
        assert_eq!(with_message(409, "New", "MetricData.member.3.Value is odd"), third);
        let prefixed = "EntityMetricData.member.1.MetricData.member.3.Timestamp must be so";
        assert_eq!(with_message(400, "InvalidParameterValue", prefixed), third);
        let entity = "EntityMetricData.member.1.Entity.KeyAttributes must have Type";
        assert_eq!(with_message(400, "InvalidParameterValue", entity), Disposition::RemoveEntity);
    }

    #[test]
    fn a_refused_signature_with_a_wrong_clock_corrects_the_clock() {
        let threshold = SKEW_THRESHOLD as i64;
        for code in ["SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed", "AccessDenied"] {
            assert_eq!(with_skew(403, code, Some(threshold + 1)), Disposition::CorrectClock, "{code}");
            assert_eq!(with_skew(403, code, Some(-threshold - 1)), Disposition::CorrectClock, "{code}");
            assert_ne!(with_skew(403, code, Some(threshold)), Disposition::CorrectClock, "{code}");
            assert_ne!(with_skew(403, code, None), Disposition::CorrectClock, "{code}");
        }
        assert_eq!(with_skew(400, "Throttling", Some(threshold + 1)), retry(RetryCause::Throttled));
    }

    #[test]
    fn a_missing_answer_is_retried() {
        for (may_be_stored, cause) in [(true, RetryCause::UnknownOutcome), (false, RetryCause::Unsent)] {
            let answer = PublishAnswer::Missing { may_be_stored, reason: String::new() };
            assert_eq!(Disposition::from_answer(&answer, None), retry(cause));
        }
    }
}
