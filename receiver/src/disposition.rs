//! What an answer means for the payload that was sent.

use crate::{Answer, answer::Reply, error_code::Meaning, fault_path::Named, patience::Patience};

/// What is to be done with a payload after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// CloudWatch has stored it.
    Delivered,
    /// It is to be sent again, as it is.
    Retry {
        /// Why.
        cause: RetryCause,
        /// How long the server asks to be left alone.
        patience: Option<Patience>,
    },
    /// The credentials are to be fetched again before it is sent again.
    RefreshCredentials,
    /// The clock is to be set by the answer's date before it is sent again.
    CorrectClock,
    /// CloudWatch refused all of it because of some data, and stored none. These are their indices, from 0; when it names
    /// none, they are to be found by halving.
    Isolate {
        /// Indices of the bad data.
        data: Vec<usize>,
    },
    /// CloudWatch refused all of it because of the entity that its data belong to, and stored none.
    WithoutEntity,
    /// It is too large and is to be sent in halves.
    Split,
    /// The account, its permissions or the configuration do not allow it; an operator can change that.
    Denied,
}

/// Why a payload is to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryCause {
    /// The service failed.
    ServiceFault,
    /// There were too many requests.
    Throttled,
    /// The request did not reach CloudWatch.
    Unsent,
    /// No answer came; whether the data are stored is not known.
    UnknownOutcome,
    /// Another server than CloudWatch answered.
    Foreign,
}

impl RetryCause {
    /// Returns whether the trouble is that of the account or of the way to CloudWatch, so that everything has to wait; else
    /// only data of the same namespace and entity do.
    pub fn is_of_all(self) -> bool {
        match self {
            Self::Throttled | Self::Unsent => true,
            Self::ServiceFault | Self::UnknownOutcome | Self::Foreign => false,
        }
    }
}

/// A difference between the clocks above this many milliseconds is why a signature was refused.
const SKEW_THRESHOLD: u64 = 4 * 60 * 1_000;

impl Disposition {
    /// Returns what an answer means; `skew` is by how many milliseconds CloudWatch's clock is ahead of the one that signed,
    /// if the answer shows it.
    ///
    /// Only an answer of CloudWatch's own delivers data, or costs any.
    pub fn of(answer: &Answer, skew: Option<i64>) -> Self {
        let reply = match answer {
            Answer::Missing { may_be_stored: true, .. } => return Self::retry(RetryCause::UnknownOutcome, None),
            Answer::Missing { may_be_stored: false, .. } => return Self::retry(RetryCause::Unsent, None),
            Answer::Complete(reply) => reply,
        };
        let is_success = (200..300).contains(&reply.status);
        let meaning = Meaning::of(&reply.code).filter(|_| !is_success);
        if reply.status == 429 || meaning == Some(Meaning::Throttled) {
            return Self::retry(RetryCause::Throttled, reply.patience);
        }
        if reply.status == 413 {
            return Self::Split;
        }
        if reply.is_foreign {
            return Self::retry(RetryCause::Foreign, reply.patience);
        }
        match meaning {
            _ if is_success => Self::Delivered,
            Some(meaning) => Self::of_meaning(meaning, reply, skew),
            None => Self::of_status(reply),
        }
    }

    fn of_meaning(meaning: Meaning, reply: &Reply, skew: Option<i64>) -> Self {
        let is_skewed = skew.is_some_and(|skew| skew.unsigned_abs() > SKEW_THRESHOLD);
        match meaning {
            Meaning::Throttled => Self::retry(RetryCause::Throttled, reply.patience),
            Meaning::Fault => Self::retry(RetryCause::ServiceFault, reply.patience),
            Meaning::Signature if is_skewed => Self::CorrectClock,
            // Some of AWS's front ends say so of a signature that is too old.
            Meaning::Denied if is_skewed => Self::CorrectClock,
            Meaning::Signature | Meaning::Credentials => Self::RefreshCredentials,
            Meaning::Denied | Meaning::NotCloudWatch => Self::Denied,
            Meaning::Data => Self::of_data(Named::of(&reply.message)),
            Meaning::TooLarge => Self::Split,
        }
    }

    /// Returns what an error with a code that is not known means.
    fn of_status(reply: &Reply) -> Self {
        match reply.status {
            408 | 500.. => Self::retry(RetryCause::ServiceFault, reply.patience),
            400..500 => {
                let named = Named::of(&reply.message);
                let is_about_data = matches!(reply.status, 400 | 422) || named != Named::default();
                if is_about_data { Self::of_data(named) } else { Self::Denied }
            }
            _ => Self::Denied,
        }
    }

    fn of_data(Named { data, is_entity }: Named) -> Self {
        if is_entity && data.is_empty() { Self::WithoutEntity } else { Self::Isolate { data } }
    }

    fn retry(cause: RetryCause, patience: Option<Patience>) -> Self {
        Self::Retry { cause, patience }
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
        Disposition::of(&Answer::Complete(reply), skew)
    }

    fn retry(cause: RetryCause) -> Disposition {
        Disposition::Retry { cause, patience: None }
    }

    #[test]
    fn every_code_of_cloudwatch_has_its_disposition() {
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
    fn a_foreign_answer_neither_delivers_nor_costs_data() {
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
            assert_eq!(Disposition::of(&Answer::Complete(reply), Some(0)), expected, "{status} {code}");
        }
    }

    #[test]
    fn what_a_message_names_is_isolated_whatever_the_code() {
        let with_message = |status, code: &str, message: &str| {
            let (code, message) = (code.to_owned(), message.to_owned());
            Disposition::of(&Answer::Complete(Reply { status, code, message, ..Reply::default() }), None)
        };
        let third = Disposition::Isolate { data: vec![2] };
        assert_eq!(with_message(400, "ValidationError", "Value null at 'metricData.3.member.metricName' …"), third);
        assert_eq!(with_message(409, "New", "MetricData.member.3.Value is odd"), third);
        let prefixed = "EntityMetricData.member.1.MetricData.member.3.Timestamp must be so";
        assert_eq!(with_message(400, "InvalidParameterValue", prefixed), third);
        let entity = "EntityMetricData.member.1.Entity.KeyAttributes must have Type";
        assert_eq!(with_message(400, "InvalidParameterValue", entity), Disposition::WithoutEntity);
    }

    #[test]
    fn a_refused_signature_is_the_clocks_fault_when_the_clock_is_off() {
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
    fn an_answer_that_did_not_come_is_retried() {
        for (may_be_stored, cause) in [(true, RetryCause::UnknownOutcome), (false, RetryCause::Unsent)] {
            let answer = Answer::Missing { may_be_stored, reason: String::new() };
            assert_eq!(Disposition::of(&answer, None), retry(cause));
        }
    }
}
