//! The series in which a sender counts a request.

use std::{collections::BTreeMap, time::Duration};

use acpw_metric::{MergeRule, Now, Record, Timestamp};
use sender::{
    HeaderPhase, Sender, SenderConfig,
    dimension::{DimensionDefinition, DimensionSource},
};
use serde_json::{Value, json};

use super::request::RequestArguments;
use crate::plugin::Attachment;

/// The time at which the example request ends: 2026-01-01T00:00:30Z. The same output each time can be compared.
pub(super) const END: u64 = 1_767_225_630_000;

/// The result of a request in a sender.
#[derive(Debug)]
pub(super) struct Measured {
    /// False if the host of the request does not match.
    pub(super) is_observed: bool,
    /// The series, each in the order of the record.
    pub(super) series: Vec<Series>,
    /// The dimension sets that do not count the request.
    pub(super) skipped: Vec<SkippedSet>,
    /// The records that the sender hands over.
    pub(super) records: Vec<Vec<u8>>,
}

/// A dimension set that does not count a request.
#[derive(Debug, serde::Serialize)]
pub(super) struct SkippedSet {
    /// The names of its dimensions.
    pub(super) dimensions: Vec<String>,
    /// Those that have neither a value nor a default.
    pub(super) without_value: Vec<String>,
}

/// A series, and what the request contributes to it.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) metric: String,
    pub(super) unit: &'static str,
    pub(super) dimensions: Vec<(String, String)>,
    /// The value; for requests in progress the mean over the second.
    pub(super) value: f64,
    pub(super) is_gauge: bool,
}

impl Series {
    /// Returns it as JSON.
    pub(super) fn json(&self) -> Value {
        let dimensions: serde_json::Map<String, Value> =
            self.dimensions.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        json!({ "metric": self.metric, "unit": self.unit, "dimensions": dimensions, "value": self.value })
    }
}

/// Sends a request through a new sender.
pub(super) fn measure(config: &SenderConfig, attachment: Attachment, request: &RequestArguments) -> Measured {
    let end = Timestamp::from_millis(END);
    let start = end.shifted(-(request.duration_ms() as i64));
    let mut sender = Sender::new(config.clone(), now(start));
    let is_filter = attachment == Attachment::HttpFilter;
    let phase = if is_filter { HeaderPhase::Arrival } else { HeaderPhase::End };
    let mut measured = Measured { is_observed: false, series: Vec::new(), skipped: Vec::new(), records: Vec::new() };
    // Envoy shows an access logger no stream's start, so it cannot count requests in progress.
    if !is_filter {
        sender.stop_tracking_in_flight();
    }
    let Some(mut pending) = sender.start_request(|name| request.header(name), phase) else { return measured };
    measured.is_observed = true;
    if is_filter && sender.tracks_in_flight() {
        sender.track_in_flight(&mut pending, start);
        sender.untrack_in_flight(&pending, end);
    }
    let attributes = request.attributes(config);
    sender.end_request(pending, |path| attributes.get(path).cloned());
    sender.flush(now(end.shifted(1_000)));
    measured.records = sender.take_records();
    measured.series = measured.records.iter().flat_map(|record| series(record)).collect();
    measured.skipped = skipped(config, request, &attributes);
    measured
}

pub(super) fn now(wall: Timestamp) -> Now {
    let since = wall.as_millis().saturating_sub(END.saturating_sub(86_400_000));
    Now { wall, steady: Duration::from_millis(since) }
}

fn series(record: &[u8]) -> Vec<Series> {
    let Ok(record) = Record::decode(record) else { return Vec::new() };
    let mut all: Vec<Series> = Vec::new();
    for group in record.groups() {
        let dimensions: Vec<_> =
            record.dimensions_of(group).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let is_gauge = group.kind().merge == MergeRule::GaugeShares;
        for (metric, distribution) in record.distributions_of(group) {
            let series = Series {
                metric: metric.name.to_string(),
                unit: metric.unit.as_str(),
                dimensions: dimensions.clone(),
                value: distribution.sum(),
                is_gauge,
            };
            // A gauge has a group for each second.
            let known = all.iter_mut().find(|known| {
                known.metric == series.metric && known.dimensions == series.dimensions && known.is_gauge && is_gauge
            });
            match known {
                Some(known) => known.value = known.value.max(series.value),
                None => all.push(series),
            }
        }
    }
    all
}

/// Returns the dimension sets of which a dimension has neither a value nor a default.
fn skipped(
    config: &SenderConfig,
    request: &RequestArguments,
    attributes: &BTreeMap<String, Vec<u8>>,
) -> Vec<SkippedSet> {
    let is_missing = |dimension: &&DimensionDefinition| {
        let has_value = match &dimension.source {
            DimensionSource::RequestHeader(name) => request.header(name).is_some(),
            DimensionSource::Attribute(path) => attributes.contains_key(&**path),
            DimensionSource::Status | DimensionSource::StatusClass => attributes.contains_key("response\0code"),
            _ => true,
        };
        !has_value && dimension.default.is_none() && dimension.source.placeholder().is_none()
    };
    let sets = config.sets.iter().map(|set| {
        let dimensions: Vec<&DimensionDefinition> =
            set.iter().filter_map(|index| config.dimensions.get(*index)).collect();
        let names = |list: Vec<&DimensionDefinition>| list.iter().map(|dimension| dimension.name.to_string()).collect();
        let without_value: Vec<String> = names(dimensions.iter().copied().filter(is_missing).collect());
        SkippedSet { dimensions: names(dimensions), without_value }
    });
    sets.filter(|set| !set.without_value.is_empty()).collect()
}
