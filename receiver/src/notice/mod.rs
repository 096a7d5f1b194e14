//! The lines that the receiver writes to Envoy's log.

mod limiter;
mod text;

use std::time::Duration;

use log::Level;

pub use limiter::Limiter;

use crate::{cost::CostEstimate, disposition::RetryCause};

/// The number of kinds of lines whose frequency is limited.
const KINDS: usize = 20;

/// The greatest difference, in milliseconds, of a clock that counts as correct. The line that reports a correct clock
/// is of another kind than the line that reports a wrong one, so that both can be logged within a minute.
const CORRECT_CLOCK: u64 = 5_000;

/// An event that is worth a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// CloudWatch has stored data.
    Published {
        /// The number of data.
        data: usize,
        /// The number of values in them.
        samples: u64,
        /// The size of the request's body in bytes.
        bytes: usize,
    },
    /// A request is sent again.
    Retrying {
        /// The cause.
        cause: RetryCause,
        /// The error of CloudWatch or Envoy.
        reason: String,
        /// The time until the next attempt.
        delay: Duration,
    },
    /// CloudWatch does not accept the credentials.
    Denied {
        /// The error of CloudWatch.
        reason: String,
    },
    /// CloudWatch does not accept the data of a namespace.
    Refused {
        /// The namespace.
        namespace: String,
        /// The error of CloudWatch.
        reason: String,
        /// True if a permission is missing.
        is_permission: bool,
    },
    /// CloudWatch refuses all data of a namespace one by one, so the data are not the cause.
    AllRefused {
        /// The namespace.
        namespace: String,
        /// The error of CloudWatch.
        reason: String,
    },
    /// CloudWatch does not accept the entity of data. The data are sent without it.
    EntityRefused {
        /// The entity's key attribute `Name`.
        service: String,
        /// The entity's key attribute `Environment`.
        environment: String,
        /// The error of CloudWatch.
        reason: String,
    },
    /// A server other than CloudWatch has responded.
    Foreign {
        /// The HTTP status.
        status: u16,
        /// The namespace of the data in the request.
        namespace: String,
        /// The error of the server.
        reason: String,
    },
    /// A server has asked for a longer delay than the receiver grants.
    DelayTooLong {
        /// The delay that the server has asked for.
        asked: Duration,
    },
    /// The clock is corrected by this number of milliseconds.
    ClockCorrected(i64),
    /// Data were dropped.
    Dropped {
        /// The last part of the counter's name.
        reason: &'static str,
        /// The number of values.
        samples: u64,
        /// The error of CloudWatch, or what to do.
        detail: String,
    },
    /// An entry of the queue is not a valid record.
    BadRecord(String),
    /// A request could not be signed or dispatched.
    Undispatched(String),
    /// The predicted cost of the metrics.
    Cost(CostEstimate),
    /// A sender has reached its `max_series`.
    Overflow {
        /// The dimension with the most values.
        dimension: String,
        /// The number of its values.
        values: usize,
    },
    /// The senders have more series than the receiver admits.
    TooManySeries {
        /// The limit.
        limit: usize,
    },
    /// New credentials are used from now on.
    CredentialsLoaded {
        /// The provider's name in the configuration.
        provider: &'static str,
        /// The time until the credentials expire.
        remaining: Option<Duration>,
    },
    /// Credentials could not be fetched.
    CredentialsFailed {
        /// The error.
        reason: String,
        /// The time until the next attempt.
        delay: Duration,
        /// True if there are no other credentials, so that data are held.
        is_held: bool,
    },
    /// Credentials have an expiration that cannot be parsed.
    InvalidExpiration {
        /// The provider's name in the configuration.
        provider: &'static str,
    },
    /// A source does not respond, or its response cannot be read.
    SourceFailed {
        /// The path of the source in the configuration.
        name: String,
        /// The error.
        reason: String,
    },
    /// A source's response does not fit its configuration, or contains a number that cannot be true. A source reports
    /// each remark once.
    SourceRemark {
        /// The path of the source in the configuration.
        name: String,
        /// The fact, and what to change.
        remark: String,
    },
    /// Envoy's admin interface does not report whether Envoy is being drained.
    DrainUnknown {
        /// The cluster of the admin interface.
        cluster: String,
        /// The error.
        reason: String,
    },
    /// A source responds again.
    SourceRecovered {
        /// The path of the source in the configuration.
        name: String,
    },
}

impl Notice {
    /// Returns the level at which the line is logged: `Error` if data were dropped, or are held until an operator acts;
    /// `Warn` if the receiver tries again or corrects something; `Debug` for a publication.
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
            | Self::DelayTooLong { .. }
            | Self::DrainUnknown { .. }
            | Self::InvalidExpiration { .. }
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

    /// Returns the kind by which the frequency is limited, or `None` if the caller limits it.
    fn kind(&self) -> Option<usize> {
        Some(match self {
            Self::Published { .. } | Self::Refused { .. } | Self::AllRefused { .. } | Self::SourceRemark { .. } => {
                return None;
            }
            Self::Foreign { .. } => 0,
            Self::Retrying { .. } => 1,
            Self::Denied { .. } => 2,
            Self::ClockCorrected(millis) if millis.unsigned_abs() > CORRECT_CLOCK => 3,
            Self::ClockCorrected(_) => 14,
            Self::Dropped { .. } => 4,
            Self::BadRecord(_) => 5,
            Self::Undispatched(_) => 6,
            Self::Cost(_) => 7,
            Self::Overflow { .. } => 8,
            Self::TooManySeries { .. } => 19,
            Self::CredentialsLoaded { .. } => 9,
            Self::CredentialsFailed { is_held: false, .. } => 10,
            Self::CredentialsFailed { is_held: true, .. } => 11,
            Self::SourceFailed { .. } => 12,
            Self::SourceRecovered { .. } => 13,
            Self::EntityRefused { .. } => 15,
            Self::DelayTooLong { .. } => 16,
            Self::DrainUnknown { .. } => 17,
            Self::InvalidExpiration { .. } => 18,
        })
    }
}
