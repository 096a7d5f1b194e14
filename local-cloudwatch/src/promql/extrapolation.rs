//! Prometheus' `increase` and `rate` of cumulative series: the increase between the first and the last sample,
//! extrapolated to the ends of the range.

use super::query_error::QueryError;
use super::sample::Sample;
use super::selection::TimedSample;

/// Returns the increase of a counter in (after, until], in milliseconds since the epoch. Returns `None` for fewer than
/// two samples.
pub(super) fn increase(samples: &[TimedSample], after: i64, until: i64) -> Result<Option<Sample>, QueryError> {
    let ([first, ..], [.., last]) = (samples, samples) else { return Ok(None) };
    let sampled = seconds(first.time_millis, last.time_millis);
    if samples.len() < 2 || sampled <= 0.0 {
        return Ok(None);
    }
    let mut result = last.sample.clone();
    result.add(&first.sample, -1.0)?;
    for [previous, next] in samples.array_windows() {
        let has_new_start =
            previous.start_nanos != 0 && next.start_nanos != 0 && next.start_nanos != previous.start_nanos;
        if has_new_start || next.sample.counter() < previous.sample.counter() {
            result.add(&previous.sample, 1.0)?;
        }
    }
    let average = sampled / (samples.len() - 1) as f64;
    // Without a sample for much longer than usual, the series probably began or ended halfway.
    let reaches = |gap: f64| if gap >= average * 1.1 { average / 2.0 } else { gap };
    let mut to_start = reaches(seconds(after, first.time_millis));
    let to_end = reaches(seconds(last.time_millis, until));
    let (increase, before) = (result.counter(), first.sample.counter());
    if increase > 0.0 && before >= 0.0 {
        // A counter cannot have been below zero.
        to_start = to_start.min(sampled * (before / increase));
    }
    result.multiply((sampled + to_start + to_end) / sampled);
    Ok(Some(result))
}

fn seconds(from_millis: i64, to_millis: i64) -> f64 {
    to_millis.saturating_sub(from_millis) as f64 / 1_000.0
}
