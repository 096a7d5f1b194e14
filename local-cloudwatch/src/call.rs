//! What the server remembers of calls and series, as tests and the page see it.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use crate::protocol::Protocol;
use crate::store::{Series, SeriesId};

/// Calls that are remembered; older ones are forgotten.
pub(crate) const MAX_CALLS: usize = 50_000;
/// Characters of a client's text, or of an error's message, that are remembered with a call.
const MAX_CHARS: usize = 4_000;

/// A call of the API as it was received and answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Call {
    /// Rises by one with each call, from 1.
    pub number: u64,
    /// Arrival by the server's clock, in milliseconds since the epoch.
    pub time_millis: i64,
    /// `PutMetricData`, `ListMetrics` … ; empty when it is not known.
    pub operation: String,
    /// The protocol the call spoke.
    pub protocol: Protocol,
    /// The access key of the `Authorization` header; empty when there is none.
    pub access_key_id: String,
    /// The `Namespace` of PutMetricData; empty when it is not known.
    pub namespace: String,
    /// Bytes of the body as sent.
    pub body_bytes: usize,
    /// Bytes of the body after decompression; 0 when it was not decompressed.
    pub raw_bytes: usize,
    /// Data of PutMetricData, those of entities included.
    pub data: usize,
    /// Whether the data were stored.
    pub is_stored: bool,
    /// The HTTP status; `None` when the connection was dropped without an answer.
    pub status: Option<u16>,
    /// The error's code, as this protocol names it.
    pub code: Option<String>,
    /// The error's message, at most 4,000 characters of it.
    pub message: Option<String>,
    /// The `User-Agent` header; empty when there is none.
    pub user_agent: String,
}

/// Everything stored of one series since start or reset: exact sums, whatever buckets were discarded since.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SeriesTotal {
    /// `Namespace`.
    pub namespace: String,
    /// `MetricName`.
    pub metric_name: String,
    /// Dimensions by name.
    pub dimensions: BTreeMap<String, String>,
    /// `Unit`; `None` when data named none.
    pub unit: String,
    /// `SampleCount`.
    pub count: f64,
    /// `Sum`.
    pub sum: f64,
    /// `Minimum`.
    pub min: f64,
    /// `Maximum`.
    pub max: f64,
    /// Number of data that were stored.
    pub data: u64,
    /// Buckets that are still kept, by start and resolution.
    pub buckets: Vec<BucketTotal>,
}

/// The samples of one series in one second or minute.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BucketTotal {
    /// The bucket's start, in seconds since the epoch.
    pub timestamp: i64,
    /// Seconds of the bucket: 1 or 60.
    pub resolution: i64,
    /// `SampleCount`.
    pub count: f64,
    /// `Sum`.
    pub sum: f64,
    /// `Minimum`.
    pub min: f64,
    /// `Maximum`.
    pub max: f64,
    /// Values with how often each occurred, ascending; empty when percentiles are not known.
    pub values: Vec<(f64, f64)>,
}

impl Call {
    /// Cuts what a client chose the length of.
    fn clip(&mut self) {
        let texts = [&mut self.operation, &mut self.access_key_id, &mut self.namespace, &mut self.user_agent];
        for text in texts.into_iter().chain(&mut self.code).chain(&mut self.message) {
            if let Some((end, _)) = text.char_indices().nth(MAX_CHARS) {
                text.truncate(end);
            }
        }
    }
}

impl SeriesTotal {
    pub(crate) fn of(id: &SeriesId, series: &Series) -> Self {
        let mut buckets: Vec<_> = series
            .buckets()
            .map(|(timestamp, resolution, bucket)| {
                let statistics = bucket.statistics;
                BucketTotal {
                    timestamp,
                    resolution: resolution.seconds(),
                    count: statistics.count,
                    sum: statistics.sum,
                    min: statistics.min,
                    max: statistics.max,
                    values: bucket.values(),
                }
            })
            .collect();
        buckets.sort_by_key(|bucket| (bucket.timestamp, bucket.resolution));
        Self {
            namespace: id.metric.namespace.clone(),
            metric_name: id.metric.name.clone(),
            dimensions: id.metric.dimensions.clone(),
            unit: id.unit.as_str().to_owned(),
            count: series.statistics.count,
            sum: series.statistics.sum,
            min: series.statistics.min,
            max: series.statistics.max,
            data: series.data,
            buckets,
        }
    }
}

/// The latest calls, and sums over all of them.
#[derive(Debug, Default)]
pub(crate) struct CallLog {
    calls: VecDeque<Call>,
    received: u64,
    /// PutMetricData calls that stored their data, and those that were refused or dropped before storing.
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) data: u64,
}

impl CallLog {
    /// Remembers a call and numbers it.
    pub(crate) fn push(&mut self, mut call: Call) {
        self.received += 1;
        call.number = self.received;
        call.clip();
        if call.is_stored {
            self.accepted += 1;
            self.data += call.data as u64;
        } else if call.status != Some(200) {
            self.refused += 1;
        }
        if self.calls.len() == MAX_CALLS {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    /// Calls by arrival.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Call> {
        self.calls.iter()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn call(status: Option<u16>, is_stored: bool) -> Call {
        Call {
            number: 0,
            time_millis: 0,
            operation: "PutMetricData".into(),
            protocol: Protocol::Json,
            access_key_id: "local".into(),
            namespace: "n".into(),
            body_bytes: 10,
            raw_bytes: 10,
            data: 3,
            is_stored,
            status,
            code: None,
            message: None,
            user_agent: String::new(),
        }
    }

    #[test]
    fn long_texts_are_cut() {
        let of = |chars: usize| {
            let mut log = CallLog::default();
            log.push(Call { message: Some("é".repeat(chars)), ..call(Some(400), false) });
            log.iter().next().unwrap().message.as_ref().unwrap().chars().count()
        };
        assert_eq!([MAX_CHARS - 1, MAX_CHARS, MAX_CHARS + 1].map(of), [MAX_CHARS - 1, MAX_CHARS, MAX_CHARS]);
    }

    #[test]
    fn calls_are_numbered_summed_and_bounded() {
        let mut log = CallLog::default();
        log.push(call(Some(200), true));
        log.push(call(Some(400), false));
        log.push(call(None, true));
        log.push(call(None, false));
        assert_eq!((log.accepted, log.refused, log.data), (2, 2, 6));
        for _ in 0..MAX_CALLS {
            log.push(call(Some(200), true));
        }
        assert_eq!(log.iter().count(), MAX_CALLS);
        assert_eq!(log.iter().next().unwrap().number, 5);
    }
}
