//! Lines for the operator in Envoy's log.

mod limiter;

use std::{fmt, time::Duration};

pub use limiter::Limiter;

use crate::{cost::Prediction, disposition::RetryCause, patience};

/// Number of kinds of lines that are limited.
const KINDS: usize = 20;

/// A clock that is off by at most this many milliseconds is right. That it is right again is a line of another kind than that
/// it is off, so that both are logged within a minute.
const CLOCK_IS_RIGHT: u64 = 5_000;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A publication.
    Debug,
    /// The start, and credentials that are used from now on.
    Info,
    /// Something is tried again.
    Warn,
    /// Data are dropped, or held until an operator does something.
    Error,
}

/// An event worth a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// CloudWatch has stored data.
    Published {
        /// How many data.
        data: usize,
        /// How many values they carried.
        samples: u64,
        /// Bytes of the request's body.
        bytes: usize,
    },
    /// Data are sent again.
    Retrying {
        /// Why.
        cause: RetryCause,
        /// What CloudWatch or Envoy said.
        reason: String,
        /// When, from now.
        delay: Duration,
    },
    /// CloudWatch does not accept the credentials.
    Denied {
        /// What it said.
        reason: String,
    },
    /// CloudWatch does not take data of a namespace.
    Refused {
        /// The namespace.
        namespace: String,
        /// What it said.
        reason: String,
        /// Whether a permission is missing.
        is_permission: bool,
    },
    /// CloudWatch refuses all data of a namespace, one by one, so it is not the data.
    AllRefused {
        /// The namespace.
        namespace: String,
        /// What it said.
        reason: String,
    },
    /// CloudWatch does not take the entity of data. The data are sent without it.
    EntityRefused {
        /// The entity's key attribute `Name`.
        service: String,
        /// Its key attribute `Environment`.
        environment: String,
        /// What CloudWatch said.
        reason: String,
    },
    /// Another server than CloudWatch has answered.
    Foreign {
        /// The HTTP status.
        status: u16,
        /// The namespace of the data that it was sent.
        namespace: String,
        /// What it said.
        reason: String,
    },
    /// A server asks to be left alone for longer than it is.
    AskedTooMuch {
        /// For how long.
        asked: Duration,
    },
    /// So many milliseconds are added to the host's clock from now on.
    ClockCorrected(i64),
    /// Data were dropped.
    Dropped {
        /// The counter's last part.
        reason: &'static str,
        /// How many values.
        samples: u64,
        /// What CloudWatch said, if it said something.
        detail: String,
    },
    /// Bytes in the queue are no record.
    BadRecord(String),
    /// The request cannot be signed or dispatched.
    Undispatched(String),
    /// What the metrics cost.
    Cost(Prediction),
    /// A sender has no room for more series.
    Overflow {
        /// The dimension with the most values.
        dimension: String,
        /// How many it has.
        values: usize,
    },
    /// The senders have more series than the receiver admits.
    TooManySeries {
        /// The bound.
        limit: usize,
    },
    /// Requests are signed with new credentials from now on.
    CredentialsLoaded {
        /// The provider's name in the configuration.
        provider: &'static str,
        /// Until they expire.
        remaining: Option<Duration>,
    },
    /// Credentials could not be fetched.
    CredentialsFailed {
        /// Why.
        reason: String,
        /// When they are asked for again, from now.
        delay: Duration,
        /// Whether there are no others, so that data are held.
        is_held: bool,
    },
    /// Credentials came with an expiry that cannot be read.
    ExpiryUnread {
        /// The provider's name in the configuration.
        provider: &'static str,
    },
    /// A source of data does not answer, or not as it should.
    SourceFailed {
        /// The path of its key in the configuration.
        name: String,
        /// Why.
        reason: String,
    },
    /// A source answers what its configuration does not fit, or what cannot be true. The source says each once.
    SourceRemark {
        /// The path of its key in the configuration.
        name: String,
        /// The fact, and what to change.
        remark: String,
    },
    /// Envoy's admin interface does not say whether Envoy is being drained.
    DrainUnknown {
        /// The cluster that is to lead to it.
        cluster: String,
        /// Why.
        reason: String,
    },
    /// It answers again.
    SourceRecovered {
        /// The path of its key in the configuration.
        name: String,
    },
}

impl Notice {
    /// How much it matters.
    pub fn level(&self) -> Level {
        match self {
            Self::Published { .. } => Level::Debug,
            Self::Cost(_) | Self::CredentialsLoaded { .. } | Self::SourceRecovered { .. } => Level::Info,
            Self::Retrying { .. }
            | Self::ClockCorrected(_)
            | Self::Undispatched(_)
            | Self::Overflow { .. }
            | Self::TooManySeries { .. }
            | Self::SourceFailed { .. }
            | Self::SourceRemark { .. }
            | Self::EntityRefused { .. }
            | Self::AskedTooMuch { .. }
            | Self::DrainUnknown { .. }
            | Self::ExpiryUnread { .. }
            | Self::CredentialsFailed { is_held: false, .. } => Level::Warn,
            Self::Denied { .. }
            | Self::Refused { .. }
            | Self::AllRefused { .. }
            | Self::Foreign { .. }
            | Self::Dropped { .. }
            | Self::BadRecord(_)
            | Self::CredentialsFailed { is_held: true, .. } => Level::Error,
        }
    }

    /// Returns its kind, unless whoever gives it limits how often.
    fn kind(&self) -> Option<usize> {
        Some(match self {
            Self::Published { .. } | Self::Refused { .. } | Self::AllRefused { .. } | Self::SourceRemark { .. } => {
                return None;
            }
            Self::Foreign { .. } => 0,
            Self::Retrying { .. } => 1,
            Self::Denied { .. } => 2,
            Self::ClockCorrected(millis) if millis.unsigned_abs() > CLOCK_IS_RIGHT => 3,
            Self::ClockCorrected(_) => 14,
            Self::Dropped { .. } => 4,
            Self::BadRecord(_) => 5,
            Self::Undispatched(_) => 6,
            Self::Cost(_) => 7,
            Self::Overflow { .. } => 8,
            Self::CredentialsLoaded { .. } => 9,
            Self::CredentialsFailed { is_held: false, .. } => 10,
            Self::CredentialsFailed { is_held: true, .. } => 11,
            Self::SourceFailed { .. } => 12,
            Self::SourceRecovered { .. } => 13,
            Self::EntityRefused { .. } => 15,
            Self::AskedTooMuch { .. } => 16,
            Self::DrainUnknown { .. } => 17,
            Self::ExpiryUnread { .. } => 18,
            Self::TooManySeries { .. } => 19,
        })
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published { data, samples, bytes } => {
                write!(f, "published {data} data of {samples} values in {bytes} bytes")
            }
            Self::Retrying { cause, reason, delay } => {
                let cause = match cause {
                    RetryCause::ServiceFault => "CloudWatch failed",
                    RetryCause::Throttled => "CloudWatch throttles",
                    RetryCause::Unsent => "CloudWatch cannot be reached",
                    RetryCause::UnknownOutcome => "CloudWatch did not answer, so the data may count twice",
                    RetryCause::Foreign => "another server than CloudWatch answered",
                };
                write!(f, "{cause}; sending again in {} ms: {}", delay.as_millis(), Printable(reason))
            }
            Self::Denied { reason } => write!(
                f,
                "CloudWatch refuses the credentials; data are held until it accepts them. Check the access key and its \
                 secret: {}",
                Printable(reason)
            ),
            Self::Refused { namespace, reason, is_permission: true } => write!(
                f,
                "CloudWatch refuses data of the namespace {}; they are held. Allow cloudwatch:PutMetricData for this \
                 namespace (condition key cloudwatch:namespace): {}",
                Printable(namespace),
                Printable(reason)
            ),
            Self::Refused { namespace, reason, is_permission: false } => write!(
                f,
                "PutMetricData of the namespace {} is not taken; its data are held. Check that cloud_watch_cluster_name and \
                 cloud_watch_host lead to CloudWatch: {}",
                Printable(namespace),
                Printable(reason)
            ),
            Self::AllRefused { namespace, reason } => write!(
                f,
                "CloudWatch refuses all data of the namespace {} and names none of them, so they are held and not dropped. \
                 Check the account and its limits: {}",
                Printable(namespace),
                Printable(reason)
            ),
            Self::EntityRefused { service, environment, reason } => write!(
                f,
                "CloudWatch does not take the entity {} in {}; its data are published without it. Check entity in the \
                 sender's configuration: {}",
                Printable(service),
                Printable(environment),
                Printable(reason)
            ),
            Self::Foreign { status, namespace, reason } => write!(
                f,
                "the cluster answers {status}, but not as CloudWatch does (no x-amzn-requestid); data of the namespace {} \
                 are held. Check that cloud_watch_cluster_name leads to CloudWatch and which proxy answers: {}",
                Printable(namespace),
                Printable(reason)
            ),
            Self::AskedTooMuch { asked } => write!(
                f,
                "CloudWatch asks to be left alone for {} s; asking it again after {} s",
                asked.as_secs(),
                patience::LONGEST.as_secs()
            ),
            Self::ClockCorrected(millis) if millis.unsigned_abs() > CLOCK_IS_RIGHT => write!(
                f,
                "this host's clock is off by {} ms, as CloudWatch's answers show; signatures and timestamps are \
                 corrected. Have it set by NTP",
                millis.saturating_neg()
            ),
            Self::ClockCorrected(_) => f.write_str("this host's clock is right again, as CloudWatch's answers show"),
            Self::Dropped { reason, samples, detail } => {
                write!(f, "dropped {samples} values ({reason}): {}", Printable(detail))
            }
            Self::BadRecord(error) => write!(f, "skipped a record: {error}"),
            Self::Undispatched(error) => write!(f, "a request was not sent: {}", Printable(error)),
            Self::Cost(Prediction { series, calls, cents }) => write!(
                f,
                "{series} series and {calls} requests a month would cost {}.{:02} US dollars a month at list prices",
                cents / 100,
                cents % 100
            ),
            Self::Overflow { dimension, values } => write!(
                f,
                "a sender's max_series is reached: further series are counted together under __other__. The dimension \
                 with the most values is {}, with {values}",
                Printable(dimension)
            ),
            Self::TooManySeries { limit } => write!(
                f,
                "the senders have more than max_series ({limit}) series: values of new ones are counted under __other__, and \
                 totals stay exact. Raise max_series in the receiver's configuration, or give the senders fewer dimensions"
            ),
            Self::CredentialsLoaded { provider, remaining: None } => write!(f, "new credentials from {provider}"),
            Self::CredentialsLoaded { provider, remaining: Some(remaining) } => {
                write!(f, "new credentials from {provider}, good for {} s", remaining.as_secs())
            }
            Self::CredentialsFailed { reason, delay, is_held } => {
                let meanwhile = if *is_held { "data are held" } else { "the old ones are used" };
                let seconds = delay.as_secs().max(1);
                write!(f, "no new credentials; {meanwhile}, asking again in {seconds} s: {}", Printable(reason))
            }
            Self::ExpiryUnread { provider } => write!(
                f,
                "the Expiration of the credentials from {provider} is not a time that can be read; they are used, and asked \
                 for again every five minutes"
            ),
            Self::SourceFailed { name, reason } => {
                write!(f, "source {name} failed, leaving a gap in its metrics: {}", Printable(reason))
            }
            Self::SourceRemark { name, remark } => write!(f, "{name}: {}", Printable(remark)),
            Self::DrainUnknown { cluster, reason } => write!(
                f,
                "admin_cluster_name \"{}\" does not lead to Envoy's admin interface, so nothing is published early when \
                 Envoy is drained: {}",
                Printable(cluster),
                Printable(reason)
            ),
            Self::SourceRecovered { name } => write!(f, "source {name} answers again"),
        }
    }
}

/// Text from elsewhere, cut and on one line.
struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 1_000;
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        self.0.chars().take(MOST).map(clean).try_for_each(|c| fmt::Write::write_char(f, c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_is_cut() {
        let notice = Notice::Undispatched("x".repeat(10_000));
        assert!(notice.to_string().len() < 1_100);
    }
}
