//! Selects series and their points.

use promql_parser::label::Matcher;

use super::labels::{LabelSet, METRIC_NAME, canonical, labels_of};
use super::query_error::QueryError;
use super::sample::{PointPart, Sample};
use crate::otlp::series_id::{OtlpKind, OtlpSeriesId, OtlpTemporality};
use crate::otlp::store::{OtlpSeries, OtlpStore};
use crate::otlp::stored_point::{PointValue, StoredPoint};

/// Maximum points and buckets that a query may read, so that it ends within seconds.
const MAX_READ_ENTRIES: usize = 5_000_000;

/// The work that a query has left.
#[derive(Debug)]
pub(super) struct ReadBudget {
    entries: usize,
}

impl Default for ReadBudget {
    fn default() -> Self {
        Self { entries: MAX_READ_ENTRIES }
    }
}

impl ReadBudget {
    fn take(&mut self, entries: usize) -> Result<(), QueryError> {
        self.entries = self.entries.checked_sub(entries).ok_or_else(|| {
            QueryError::execution(format!(
                "the query would read more than {MAX_READ_ENTRIES} data points and buckets; select fewer series, a \
                 shorter range or a longer step"
            ))
        })?;
        Ok(())
    }
}

/// A series that a selector has found.
#[derive(Debug)]
pub(super) struct SelectedSeries<'a> {
    pub(super) labels: LabelSet,
    /// True if the points have changes since the previous ones.
    pub(super) is_delta: bool,
    part: PointPart,
    series: &'a OtlpSeries,
}

/// A sample with the times of its point.
#[derive(Debug, Clone)]
pub(super) struct TimedSample {
    pub(super) start_nanos: u64,
    pub(super) time_millis: i64,
    pub(super) sample: Sample,
}

/// Returns the series that all of `matchers` match.
pub(super) fn select<'a>(store: &'a OtlpStore, matchers: &[Matcher]) -> Vec<SelectedSeries<'a>> {
    let series = store.iter().flat_map(|(id, series)| parts(id, series));
    series.filter(|series| matchers.iter().all(|matcher| is_match(matcher, &series.labels))).collect()
}

fn is_match(matcher: &Matcher, labels: &LabelSet) -> bool {
    matcher.is_match(labels.get(canonical(&matcher.name)).map_or("", String::as_str))
}

/// Returns the series that a stored series consists of in queries: one, but for a summary its quantiles, its count and
/// its sum, named as in Prometheus.
fn parts<'a>(id: &OtlpSeriesId, series: &'a OtlpSeries) -> Vec<SelectedSeries<'a>> {
    let labels = labels_of(id);
    let is_delta = id.temporality == Some(OtlpTemporality::Delta);
    if id.kind != OtlpKind::Summary {
        return vec![SelectedSeries { labels, is_delta, part: PointPart::Value, series }];
    }
    let with = |name: &str, value: String, part: PointPart| {
        let mut labels = labels.clone();
        labels.insert(name.to_owned(), value);
        SelectedSeries { labels, is_delta, part, series }
    };
    let quantiles = match series.points().next_back().map(|point| &point.value) {
        Some(PointValue::Summary { quantiles, .. }) => quantiles.as_slice(),
        _ => &[],
    };
    let quantiles = quantiles.iter().map(|(quantile, _)| *quantile);
    let mut parts: Vec<_> = quantiles
        .map(|quantile| with("quantile", quantile.to_string(), PointPart::SummaryQuantile(quantile)))
        .collect();
    parts.push(with(METRIC_NAME, format!("{}_count", id.metric), PointPart::SummaryCount));
    parts.push(with(METRIC_NAME, format!("{}_sum", id.metric), PointPart::SummarySum));
    parts
}

impl SelectedSeries<'_> {
    /// Returns the latest sample in (after, until], in milliseconds since the epoch.
    pub(super) fn latest(&self, after: i64, until: i64, budget: &mut ReadBudget) -> Result<Option<Sample>, QueryError> {
        let Some(point) = self.series.points_between(after, until).next_back() else { return Ok(None) };
        budget.take(point.entries())?;
        Ok(self.part.sample(point))
    }

    /// Returns the samples in (after, until], in milliseconds since the epoch.
    pub(super) fn samples(
        &self,
        after: i64,
        until: i64,
        budget: &mut ReadBudget,
    ) -> Result<Vec<TimedSample>, QueryError> {
        let mut samples = Vec::new();
        for point in self.series.points_between(after, until) {
            budget.take(point.entries())?;
            let StoredPoint { start_nanos, .. } = *point;
            let time_millis = point.time_millis();
            samples.extend(self.part.sample(point).map(|sample| TimedSample { start_nanos, time_millis, sample }));
        }
        Ok(samples)
    }

    /// Returns true if the series has a point in [start, end], in milliseconds since the epoch.
    pub(super) fn has_points(&self, start: i64, end: i64) -> bool {
        self.series.points_between(start.saturating_sub(1), end).next().is_some()
    }
}
