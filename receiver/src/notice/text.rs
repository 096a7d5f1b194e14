//! The texts of the lines.

use std::fmt;

use super::{CORRECT_CLOCK, Notice};
use crate::{cost::CostEstimate, disposition::RetryCause, retry_after};

/// The longest text that is quoted from a response, in characters.
const LONGEST_QUOTE: usize = 1_000;

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published { data, samples, bytes } => {
                write!(f, "published {data} data with {samples} values in {bytes} bytes")
            }
            Self::Retrying { cause, reason, delay } => {
                let cause = match cause {
                    RetryCause::ServiceFault => "CloudWatch returned an error",
                    RetryCause::Throttled => "CloudWatch throttled the request",
                    RetryCause::Unsent => "CloudWatch could not be reached",
                    RetryCause::UnknownOutcome => "CloudWatch did not respond, so the data may be stored twice",
                    RetryCause::Foreign => "a server other than CloudWatch responded",
                };
                write!(f, "{cause}; retrying in {} ms: {}", delay.as_millis(), Quote(reason))
            }
            Self::Denied { reason } => write!(
                f,
                "CloudWatch rejected the credentials; data are held until it accepts them. Check the access key ID and \
                 the secret access key: {}",
                Quote(reason)
            ),
            Self::Refused { namespace, reason, is_permission: true } => write!(
                f,
                "CloudWatch denied access to the namespace {}; its data are held. Allow cloudwatch:PutMetricData for \
                 this namespace (condition key cloudwatch:namespace): {}",
                Quote(namespace),
                Quote(reason)
            ),
            Self::Refused { namespace, reason, is_permission: false } => write!(
                f,
                "the request with data of the namespace {} was refused; its data are held. Check that \
                 cloud_watch_cluster_name and cloud_watch_host point to CloudWatch: {}",
                Quote(namespace),
                Quote(reason)
            ),
            Self::AllRefused { namespace, reason } => write!(
                f,
                "CloudWatch refused all data of the namespace {} without naming a faulty one, so the data are held. \
                 Check the account and its quotas: {}",
                Quote(namespace),
                Quote(reason)
            ),
            Self::EntityRefused { service, environment, reason } => write!(
                f,
                "CloudWatch refused the entity {} in {}; its data are published without an entity. Check entity in the \
                 sender's configuration: {}",
                Quote(service),
                Quote(environment),
                Quote(reason)
            ),
            Self::Foreign { status, namespace, reason } => write!(
                f,
                "a server other than CloudWatch responded with status {status} (no x-amzn-requestid); data of the \
                 namespace {} are held. Check that cloud_watch_cluster_name points to CloudWatch, and which proxy \
                 responds: {}",
                Quote(namespace),
                Quote(reason)
            ),
            Self::DelayTooLong { asked } => write!(
                f,
                "CloudWatch asked for a delay of {} s; retrying after {} s",
                asked.as_secs(),
                retry_after::MAX_RETRY_AFTER.as_secs()
            ),
            Self::ClockCorrected(millis) if millis.unsigned_abs() > CORRECT_CLOCK => write!(
                f,
                "this host's clock is off by {} ms according to CloudWatch; signatures and timestamps are corrected. \
                 Synchronize the clock by NTP",
                millis.saturating_neg()
            ),
            Self::ClockCorrected(_) => f.write_str("this host's clock is correct again according to CloudWatch"),
            Self::Dropped { reason, samples, detail } => {
                write!(f, "dropped {samples} values ({reason}): {}", Quote(detail))
            }
            Self::BadRecord(error) => write!(f, "skipped an invalid record in the queue: {error}"),
            Self::Undispatched(error) => write!(f, "could not send a request: {}", Quote(error)),
            Self::Cost(CostEstimate { series, calls, cents }) => write!(
                f,
                "{series} series and {calls} requests a month would cost {}.{:02} US dollars a month at list prices",
                cents / 100,
                cents % 100
            ),
            Self::Overflow { dimension, values } => write!(
                f,
                "a sender has reached its max_series: values of new series are counted under __other__. The dimension with \
                 the most values is {}, with {values}",
                Quote(dimension)
            ),
            Self::TooManySeries { limit } => write!(
                f,
                "the receiver's max_series ({limit}) is reached: values of new series are counted under __other__, and totals stay \
                 exact. Raise max_series, or give the senders fewer dimensions"
            ),
            Self::CredentialsLoaded { provider, remaining: None } => write!(f, "loaded credentials from {provider}"),
            Self::CredentialsLoaded { provider, remaining: Some(remaining) } => {
                write!(f, "loaded credentials from {provider}; they expire in {} s", remaining.as_secs())
            }
            Self::CredentialsFailed { reason, delay, is_held } => {
                let meanwhile = if *is_held { "data are held" } else { "the previous ones are used" };
                let seconds = delay.as_secs().max(1);
                write!(f, "could not load credentials; {meanwhile}, retrying in {seconds} s: {}", Quote(reason))
            }
            Self::InvalidExpiration { provider } => write!(
                f,
                "the Expiration of the credentials from {provider} is not a valid time; the credentials are used, and \
                 loaded again every five minutes"
            ),
            Self::SourceFailed { name, reason } => {
                write!(f, "source {name} failed, which leaves a gap in its metrics: {}", Quote(reason))
            }
            Self::SourceRemark { name, remark } => write!(f, "{name}: {}", Quote(remark)),
            Self::DrainUnknown { cluster, reason } => write!(
                f,
                "admin_cluster_name \"{}\" does not point to Envoy's admin interface, so data are not published early \
                 when Envoy is drained: {}",
                Quote(cluster),
                Quote(reason)
            ),
            Self::SourceRecovered { name } => write!(f, "source {name} responds again"),
        }
    }
}

/// Text from a response or a configuration, cut and without control characters, so that it stays on one line.
struct Quote<'a>(&'a str);

impl fmt::Display for Quote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        self.0.chars().take(LONGEST_QUOTE).map(clean).try_for_each(|c| fmt::Write::write_char(f, c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_is_cut_and_stays_on_one_line() {
        let notice = Notice::Undispatched(format!("a\nb{}", "x".repeat(10_000)));
        assert!(notice.to_string().len() < 1_100 && notice.to_string().contains("a bx"));
    }
}
