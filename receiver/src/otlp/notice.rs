//! The log lines about the OTLP endpoint.

use std::{fmt, time::Duration};

use log::Level;

use crate::{disposition::RetryCause, quote::Quote};

/// An event of the OTLP endpoint that is worth a line.
#[derive(Clone, Debug, PartialEq)]
pub enum ExportNotice {
    /// The endpoint has accepted a request.
    Published {
        /// The number of data points.
        points: usize,
        /// The number of values in them.
        samples: u64,
        /// The size of the request's body in bytes.
        bytes: usize,
    },
    /// A request is sent again.
    Retrying {
        /// The cause.
        cause: RetryCause,
        /// The error of the endpoint or of Envoy.
        reason: String,
        /// The time until the next attempt.
        delay: Duration,
    },
    /// The endpoint does not accept the credentials.
    Denied {
        /// The error of the endpoint.
        reason: String,
    },
    /// The response cannot be that of the endpoint, or a permission is missing.
    Held {
        /// The HTTP status.
        status: u16,
        /// The error of the server.
        reason: String,
    },
    /// The endpoint refuses all data points one by one, so the data are not the cause.
    AllRefused {
        /// The error of the endpoint.
        reason: String,
    },
    /// The endpoint has rejected data points of a request that it accepted, or warns.
    PartialSuccess {
        /// The number of rejected data points.
        rejected: u64,
        /// The number of data points in the request.
        points: usize,
        /// The message of the endpoint.
        message: String,
    },
    /// Data were dropped.
    Dropped {
        /// The last part of the counter's name.
        reason: &'static str,
        /// The number of values.
        samples: u64,
        /// The error of the endpoint, or what to do.
        detail: String,
    },
    /// A request could not be signed or dispatched.
    Undispatched(String),
    /// A sender's or source's `publish_to` names a service that is not configured.
    NotConfigured {
        /// The name of the service that is used in its place.
        used: &'static str,
    },
}

impl ExportNotice {
    /// The number of kinds of lines whose frequency is limited.
    pub(crate) const KINDS: usize = 8;

    /// Returns the level at which the line is logged.
    pub(crate) fn level(&self) -> Level {
        match self {
            Self::Published { .. } => Level::Debug,
            Self::Retrying { .. }
            | Self::Undispatched(_)
            | Self::NotConfigured { .. }
            | Self::PartialSuccess { rejected: 0, .. } => Level::Warn,
            Self::Denied { .. }
            | Self::Held { .. }
            | Self::AllRefused { .. }
            | Self::PartialSuccess { .. }
            | Self::Dropped { .. } => Level::Error,
        }
    }

    /// Returns the kind by which the frequency is limited, or `None` if it is not.
    pub(crate) fn kind(&self) -> Option<usize> {
        Some(match self {
            Self::Published { .. } => return None,
            Self::Retrying { .. } => 0,
            Self::Denied { .. } => 1,
            Self::Held { .. } => 2,
            Self::AllRefused { .. } => 3,
            Self::PartialSuccess { .. } => 4,
            Self::Dropped { .. } => 5,
            Self::Undispatched(_) => 6,
            Self::NotConfigured { .. } => 7,
        })
    }
}

impl fmt::Display for ExportNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published { points, samples, bytes } => {
                write!(f, "otlp: published {points} data points with {samples} values in {bytes} bytes")
            }
            Self::Retrying { cause, reason, delay } => {
                let cause = match cause {
                    RetryCause::ServiceFault | RetryCause::Foreign => "the endpoint returned an error",
                    RetryCause::Throttled => "the endpoint throttled the request",
                    RetryCause::Unsent => "the endpoint could not be reached",
                    RetryCause::UnknownOutcome => "the endpoint did not respond, and may have stored the data",
                };
                write!(f, "otlp: {cause}; retrying in {} ms: {}", delay.as_millis(), Quote(reason))
            }
            Self::Denied { reason } => write!(
                f,
                "otlp: the endpoint rejected the credentials; data are held until it accepts them. Check otlp.signing and \
                 the credentials: {}",
                Quote(reason)
            ),
            Self::Held { status, reason } => write!(
                f,
                "otlp: a server responded with status {status} and did not accept the data, which are held. Check \
                 otlp.cluster_name, otlp.host, otlp.path, and the permission cloudwatch:PutMetricData: {}",
                Quote(reason)
            ),
            Self::AllRefused { reason } => write!(
                f,
                "otlp: the endpoint refused one data point after the other and accepted none, so the data are held. Check \
                 otlp.host, otlp.path and otlp.headers: {}",
                Quote(reason)
            ),
            Self::PartialSuccess { rejected: 0, message, .. } => {
                write!(f, "otlp: the endpoint accepted a request with a warning: {}", Quote(message))
            }
            Self::PartialSuccess { rejected, points, message } => write!(
                f,
                "otlp: the endpoint rejected {rejected} of {points} data points of a request: {}",
                Quote(message)
            ),
            Self::Dropped { reason, samples, detail } => {
                write!(f, "otlp: dropped {samples} values ({reason}): {}", Quote(detail))
            }
            Self::Undispatched(error) => write!(f, "otlp: could not send a request: {}", Quote(error)),
            Self::NotConfigured { used } => write!(
                f,
                "publish_to of a sender or source names a service that the receiver is not configured for; its data are \
                 published to {used}. Add the service to the receiver's configuration, or change publish_to"
            ),
        }
    }
}
