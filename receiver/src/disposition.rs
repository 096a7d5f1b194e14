//! What an answer means for the payload that was sent.

use std::time::Duration;

use crate::{Answer, answer::Reply};

/// What is to be done with a payload after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// CloudWatch has stored it.
    Delivered,
    /// It is to be sent again, as it is.
    Retry {
        /// Why.
        cause: RetryCause,
        /// How long CloudWatch asks to be left alone.
        after: Option<Duration>,
    },
    /// The credentials are to be fetched anew before it is sent again.
    RefreshCredentials,
    /// The clock is to be set by the answer's date before it is sent again.
    CorrectClock,
    /// CloudWatch refused all of it because of some data, and stored none. These are their places (0-based); when it names
    /// none, they are to be found by halving.
    Isolate {
        /// The places of the bad data.
        places: Vec<usize>,
    },
    /// It is too large and is to be sent in halves.
    Split,
    /// The account, its permissions or the configuration do not allow it; an operator can change that.
    Denied,
    /// CloudWatch does not understand it, and would not the next time.
    Rejected,
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
}

/// A difference between the clocks above this many milliseconds is why a signature was refused.
const SKEW_THRESHOLD: u64 = 4 * 60 * 1_000;

impl Disposition {
    /// What the answer means; `skew` is by how many milliseconds CloudWatch's clock is ahead of the one that signed, if
    /// the answer tells.
    pub fn of(answer: &Answer, skew: Option<i64>) -> Self {
        match answer {
            Answer::Missing { may_be_stored: true, .. } => Self::retry(RetryCause::UnknownOutcome, None),
            Answer::Missing { may_be_stored: false, .. } => Self::retry(RetryCause::Unsent, None),
            Answer::Complete(reply) => match reply.status {
                200..=299 => Self::Delivered,
                413 => Self::Split,
                429 => Self::retry(RetryCause::Throttled, reply.retry_after),
                _ => Self::of_error(reply, skew),
            },
        }
    }

    fn of_error(reply: &Reply, skew: Option<i64>) -> Self {
        let is_skewed = skew.is_some_and(|skew| skew.unsigned_abs() > SKEW_THRESHOLD);
        // The codes of both protocols: JSON's own ones end in "Exception".
        match reply.code.strip_suffix("Exception").unwrap_or(&reply.code) {
            "Throttling"
            | "Throttled"
            | "RequestThrottled"
            | "TooManyRequests"
            | "RequestLimitExceeded"
            | "BandwidthLimitExceeded"
            | "LimitExceeded"
            | "ProvisionedThroughputExceeded"
            | "SlowDown"
            | "PriorRequestNotComplete" => Self::retry(RetryCause::Throttled, reply.retry_after),
            "InvalidSignature"
            | "SignatureDoesNotMatch"
            | "AuthFailure"
            | "RequestTimeTooSkewed"
            | "RequestExpired"
            | "AccessDenied"
                if is_skewed =>
            {
                Self::CorrectClock
            }
            "ExpiredToken"
            | "UnrecognizedClient"
            | "InvalidClientTokenId"
            | "MissingAuthenticationToken"
            | "IncompleteSignature"
            | "InvalidSignature"
            | "SignatureDoesNotMatch"
            | "AuthFailure" => Self::RefreshCredentials,
            "AccessDenied" | "NotAuthorized" | "OptInRequired" | "RequestTimeTooSkewed" | "RequestExpired" => {
                Self::Denied
            }
            "InvalidParameterValue"
            | "InvalidParameterCombination"
            | "MissingParameter"
            | "MissingRequiredParameter" => Self::Isolate { places: named_places(&reply.message) },
            "RequestEntityTooLarge" => Self::Split,
            "RequestTimeout" => Self::retry(RetryCause::ServiceFault, reply.retry_after),
            "ValidationError" | "Serialization" | "MalformedQueryString" | "InvalidAction" | "UnknownOperation" => {
                Self::Rejected
            }
            _ => Self::of_status(reply),
        }
    }

    /// An error with a code that is not known.
    fn of_status(reply: &Reply) -> Self {
        match reply.status {
            408 | 500.. => Self::retry(RetryCause::ServiceFault, reply.retry_after),
            400 => Self::Isolate { places: named_places(&reply.message) },
            404 | 405 | 415 => Self::Rejected,
            _ => Self::Denied,
        }
    }

    fn retry(cause: RetryCause, after: Option<Duration>) -> Self {
        Self::Retry { cause, after }
    }
}

/// The data that a message names, as places from 0: `The parameter MetricData.member.3.Timestamp must …` is 2.
fn named_places(message: &str) -> Vec<usize> {
    let mut places: Vec<usize> = message
        .split("MetricData.member.")
        .skip(1)
        .filter_map(|rest| {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).map_or(Some(rest), |end| rest.get(..end))?;
            digits.parse::<usize>().ok()?.checked_sub(1)
        })
        .collect();
    places.sort_unstable();
    places.dedup();
    places
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

    const THROTTLED: Disposition = Disposition::Retry { cause: RetryCause::Throttled, after: None };
    const FAULT: Disposition = Disposition::Retry { cause: RetryCause::ServiceFault, after: None };

    #[test]
    fn every_code_of_cloudwatch_has_its_disposition() {
        let isolate = Disposition::Isolate { places: Vec::new() };
        let cases = [
            (200, "", Disposition::Delivered),
            (400, "Throttling", THROTTLED),
            (400, "ThrottlingException", THROTTLED),
            (429, "", THROTTLED),
            (503, "SlowDown", THROTTLED),
            (500, "InternalServiceFault", FAULT),
            (500, "InternalFailure", FAULT),
            (503, "ServiceUnavailable", FAULT),
            (502, "", FAULT),
            (400, "RequestTimeout", FAULT),
            (408, "", FAULT),
            (403, "ExpiredTokenException", Disposition::RefreshCredentials),
            (403, "InvalidClientTokenId", Disposition::RefreshCredentials),
            (400, "UnrecognizedClientException", Disposition::RefreshCredentials),
            (403, "SignatureDoesNotMatch", Disposition::RefreshCredentials),
            (403, "AccessDenied", Disposition::Denied),
            (400, "AccessDeniedException", Disposition::Denied),
            (403, "", Disposition::Denied),
            (301, "", Disposition::Denied),
            (400, "InvalidParameterValue", isolate.clone()),
            (400, "InvalidParameterValueException", isolate.clone()),
            (400, "MissingRequiredParameterException", isolate.clone()),
            (400, "", isolate),
            (413, "", Disposition::Split),
            (413, "RequestEntityTooLarge", Disposition::Split),
            (400, "SerializationException", Disposition::Rejected),
            (404, "UnknownOperationException", Disposition::Rejected),
        ];
        for (status, code, expected) in cases {
            assert_eq!(of(status, code), expected, "{status} {code}");
        }
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
        assert_eq!(with_skew(400, "Throttling", Some(threshold + 1)), THROTTLED);
    }

    #[test]
    fn the_data_that_a_message_names_are_found() {
        let message = "The parameter MetricData.member.3.Timestamp must specify a time within the past two weeks.\n\
            The collection MetricData.member.12.Values must not have a size greater than 150.\n\
            The parameter MetricData.member.3.Value must be a number.";
        assert_eq!(named_places(message), [2, 11]);
        assert_eq!(named_places("MetricData.member.1"), [0]);
        for message in ["", "MetricData.member.", "MetricData.member.0.X", "MetricData.member.99999999999999999999"] {
            assert_eq!(named_places(message), [0usize; 0], "{message}");
        }
    }

    #[test]
    fn an_answer_that_did_not_come_is_retried() {
        for (may_be_stored, cause) in [(true, RetryCause::UnknownOutcome), (false, RetryCause::Unsent)] {
            let answer = Answer::Missing { may_be_stored, reason: String::new() };
            assert_eq!(Disposition::of(&answer, None), Disposition::Retry { cause, after: None });
        }
    }
}
