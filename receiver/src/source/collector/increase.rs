//! Increases of totals, as far as they are known.

use std::ops::RangeInclusive;

use super::{process::Verdict, reset_history::Movement, series::SourceSeries};
use crate::source::change::{Change, PreviousReading};

/// The increase of a total.
pub(super) enum Increase {
    Known(Change),
    /// It will be part of a later one.
    HeldBack,
    /// It is a gap.
    Unknown,
}

/// Takes in a total. `round` is the time since the last round, if that is known.
pub(super) fn increase(
    series: &mut SourceSeries,
    verdict: Verdict,
    scale: f64,
    round: Option<RangeInclusive<f64>>,
) -> Increase {
    // One that cannot be true says nothing about the next.
    let Some(total) = series.total() else { return Increase::Unknown };
    let Some(value) = series.parts.value(series.kind) else { return Increase::Unknown };
    if verdict == Verdict::Foreign {
        return Increase::HeldBack;
    }
    let created = series.parts.created();
    let is_same_series = created.is_some() && created == series.created;
    let is_other_series = created.is_some() && series.created.is_some() && !is_same_series;
    // By the target's clock, which may be another. It is not asked of what was known to have begun
    // then already.
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
    series.previous.keep(&value);
    change.map_or(Increase::Unknown, Increase::Known)
}
