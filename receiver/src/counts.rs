//! The counters of the receiver.

use crate::source::SourceCounts;

macro_rules! counts {
    ($($(#[$doc:meta])* $field:ident = $name:literal,)*) => {
        /// Counters of values and requests. A value is one measurement of one metric of one request.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[$doc])* pub $field: u64,)*
        }

        impl Counts {
            /// The names of the counters in Envoy's statistics, in the order of the fields.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];

            /// Returns the counters, in the order of [`NAMES`](Self::NAMES).
            pub fn values(&self) -> impl Iterator<Item = u64> {
                [$(self.$field,)*].into_iter()
            }

            /// Creates counters with these values, in the order of [`NAMES`](Self::NAMES). Missing values are zero.
            pub fn from_values(values: impl IntoIterator<Item = u64>) -> Self {
                let mut values = values.into_iter();
                Self { $($field: values.next().unwrap_or(0),)* }
            }

            /// Returns the increases since `earlier`.
            pub fn since(&self, earlier: &Self) -> Self {
                Self { $($field: self.$field.saturating_sub(earlier.$field),)* }
            }
        }
    };
}

counts! {
    /// Values taken from the queue, samples of gauges, zeros of quiet series, and the receiver's own.
    received = "received",
    /// Values that CloudWatch has stored.
    published = "published",
    /// Data that CloudWatch has stored.
    published_data = "published_data",
    /// Requests that CloudWatch has accepted.
    requests = "requests",
    /// Bytes of the bodies of accepted requests.
    request_bytes = "request_bytes",
    /// Requests that were sent again, or are waiting for that.
    retried = "retried",
    /// Requests that CloudWatch throttled.
    throttled = "throttled",
    /// Requests without an answer, whose data may be stored.
    unknown_outcome = "unknown_outcome",
    /// Requests that CloudWatch refused because of the credentials or permissions.
    denied = "denied",
    /// Requests that another server than CloudWatch answered.
    foreign = "foreign",
    /// Sets of credentials that were fetched.
    credentials_refreshed = "credentials.refreshed",
    /// Attempts to fetch credentials that failed.
    credentials_failed = "credentials.failed",
    /// Records that could not be read.
    bad_records = "bad_records",
    /// Answers of sources that were read.
    source_answers = "sources.answers",
    /// Requests to sources that failed.
    source_failed = "sources.failed",
    /// Values of sources that are missing.
    source_gaps = "sources.gaps",
    /// Series of sources that were left out.
    source_over_limit = "sources.over_limit",
    /// Lines of Prometheus endpoints that could not be read.
    source_skipped_lines = "sources.skipped_lines",
    /// Values of senders that were counted under `__other__` because `max_series` was reached.
    overflowed = "overflowed",
    /// Values dropped because the bound on memory was reached, the oldest first.
    dropped_buffer_full = "dropped.buffer_full",
    /// Values dropped because CloudWatch refused exactly their data.
    dropped_invalid = "dropped.invalid",
    /// Values dropped because CloudWatch did not understand the request.
    dropped_rejected = "dropped.rejected",
    /// Values dropped because they became older than CloudWatch accepts.
    dropped_too_old = "dropped.too_old",
    /// Values dropped because their request got no answer and `on_unknown_outcome` is `drop`.
    dropped_unknown_outcome = "dropped.unknown_outcome",
    /// Values that an earlier receiver of the process held when it failed.
    dropped_restart = "dropped.restart",
    /// Values that are to be published to the OTLP endpoint.
    otlp_received = "otlp.received",
    /// Values that the endpoint has accepted.
    otlp_published = "otlp.published",
    /// Requests that the endpoint has accepted.
    otlp_requests = "otlp.requests",
    /// Bytes of their bodies.
    otlp_request_bytes = "otlp.request_bytes",
    /// Requests to the endpoint that are sent again, whole or in parts.
    otlp_retried = "otlp.retried",
    /// Requests that the endpoint throttled.
    otlp_throttled = "otlp.throttled",
    /// Requests without a response: the endpoint may have stored their data.
    otlp_unknown_outcome = "otlp.unknown_outcome",
    /// Requests that were refused for the credentials, the permissions or the path.
    otlp_denied = "otlp.denied",
    /// Data points that the endpoint rejected in requests that it accepted.
    otlp_rejected_data_points = "otlp.rejected_data_points",
    /// Values of senders that were counted under `__other__` because `max_series` was reached.
    otlp_overflowed = "otlp.overflowed",
    /// Values dropped because `otlp.buffer_limit_bytes` was reached, the oldest first.
    otlp_dropped_buffer_full = "otlp.dropped.buffer_full",
    /// Values dropped because the endpoint refused exactly their data points.
    otlp_dropped_rejected = "otlp.dropped.rejected",
    /// Values of requests that the endpoint accepted in part. It does not report which data points it rejected.
    otlp_dropped_partial_success = "otlp.dropped.partial_success",
    /// Values dropped because their request had no response, if the configuration says so.
    otlp_dropped_unknown_outcome = "otlp.dropped.unknown_outcome",
    /// Values dropped because `otlp.max_series` totals are kept, and their series is not one of them.
    otlp_dropped_too_many_series = "otlp.dropped.too_many_series",
    /// Values that an earlier receiver of the process held for the endpoint when it failed.
    otlp_dropped_restart = "otlp.dropped.restart",
}

impl Counts {
    /// Sets the counters of all sources since the start.
    pub fn set_sources(&mut self, counts: SourceCounts) {
        let SourceCounts { answers, failed, gaps, over_limit, skipped_lines } = counts;
        self.source_answers = answers;
        self.source_failed = failed;
        self.source_gaps = gaps;
        self.source_over_limit = over_limit;
        self.source_skipped_lines = skipped_lines;
    }

    /// Returns the number of values dropped for any reason.
    pub fn dropped(&self) -> u64 {
        self.sum_of("dropped.")
    }

    /// Returns the number of values for the OTLP endpoint that were dropped, for any reason.
    pub fn otlp_dropped(&self) -> u64 {
        self.sum_of("otlp.dropped.")
    }

    /// Returns the number of values for the OTLP endpoint that were received, and neither published nor dropped.
    pub fn otlp_unaccounted(&self) -> u64 {
        self.otlp_received.saturating_sub(self.otlp_published).saturating_sub(self.otlp_dropped())
    }

    fn sum_of(&self, prefix: &str) -> u64 {
        let named = Self::NAMES.iter().zip(self.values());
        named.filter(|(name, _)| name.starts_with(prefix)).map(|(_, count)| count).sum()
    }

    /// Returns the number of values that were received but neither published nor dropped: they are held, or were lost
    /// with the receiver that held them.
    pub fn unaccounted(&self) -> u64 {
        self.received.saturating_sub(self.published).saturating_sub(self.dropped())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dropped_value_is_accounted_for() {
        let counts = Counts { received: 10, published: 3, dropped_invalid: 2, retried: 7, ..Counts::default() };
        assert_eq!((counts.dropped(), counts.unaccounted()), (2, 5));
        assert_eq!(Counts::from_values(counts.values()), counts);
        assert_eq!(counts.since(&Counts { received: 4, ..Counts::default() }).received, 6);
        assert_eq!(counts.values().count(), Counts::NAMES.len());
        let otlp = Counts { otlp_received: 9, otlp_published: 3, otlp_dropped_rejected: 2, ..counts };
        assert_eq!((otlp.otlp_dropped(), otlp.otlp_unaccounted(), otlp.dropped(), otlp.unaccounted()), (2, 4, 2, 5));
    }
}
