//! Computes increases of totals.

use std::ops::RangeInclusive;

use super::{process::Verdict, reset_history::Movement, series::SourceSeries};
use crate::source::change::{Change, PreviousReading};

/// The increase of a total.
pub(super) enum Increase {
    /// The increase is known.
    Known(Change),
    /// The increase will be part of a later one.
    HeldBack,
    /// The increase is unknown, which is a gap.
    Unknown,
}

/// Processes the total of a series in this round and returns its increase. `round` is the time from the previous round
/// to this one in milliseconds since the epoch, if it is known.
pub(super) fn increase(
    series: &mut SourceSeries,
    verdict: Verdict,
    scale: f64,
    round: Option<RangeInclusive<f64>>,
) -> Increase {
    // An implausible total is ignored, also when processing the next one.
    let Some(total) = series.total() else { return Increase::Unknown };
    let Some(value) = series.parts.value(series.kind) else { return Increase::Unknown };
    if verdict == Verdict::Foreign {
        return Increase::HeldBack;
    }
    let created = series.parts.created();
    let is_same_series = created.is_some() && created == series.created;
    let is_other_series = created.is_some() && series.created.is_some() && !is_same_series;
    // The creation time is by the target's clock, which may be wrong. It is ignored if the series already had it.
    let began = created.filter(|_| !is_same_series).map(|created| created * 1e3);
    let is_new =
        verdict != Verdict::Alternating && round.zip(began).is_some_and(|(round, began)| round.contains(&began));
    series.created = created.or(series.created);

    let movement = series.resets.movement(total);
    match is_new || verdict == Verdict::Replaced {
        true => series.resets.restart(total),
        false => series.resets.accept(total),
    }
    let is_trusted = is_same_series || (verdict == Verdict::Same && !series.resets.has_gone_back());
    let is_same_process = matches!(verdict, Verdict::Same | Verdict::Unknown);
    let is_comparable = is_same_process && !is_other_series && movement == Movement::Onward;
    if verdict == Verdict::Unsettled && !is_new {
        series.resets.unsettle();
    }
    if is_comparable
        && !is_new
        && series.resets.is_unsettled()
        && !is_trusted
        && series.previous != PreviousReading::Nothing
    {
        return Increase::HeldBack;
    }
    let change = match is_new || is_comparable {
        true => series.previous.change(&value, is_new, scale),
        false => None,
    };
    series.previous.store(&value);
    change.map_or(Increase::Unknown, Increase::Known)
}
