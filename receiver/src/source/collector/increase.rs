//! Increases of totals, as far as they are known.

use std::ops::RangeInclusive;

use super::{process::Verdict, series::Series, steadiness::Movement};
use crate::source::difference::{Change, Previous};

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
    series: &mut Series,
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
    let is_new = verdict != Verdict::Several && round.zip(began).is_some_and(|(round, began)| round.contains(&began));
    series.created = created.or(series.created);

    let movement = series.steadiness.movement(total);
    match is_new || verdict == Verdict::Another {
        true => series.steadiness.restart(total),
        false => series.steadiness.accept(total),
    }
    let is_trusted = is_same_series || (verdict == Verdict::Same && !series.steadiness.has_gone_back());
    let is_same_process = matches!(verdict, Verdict::Same | Verdict::Unknown);
    let is_comparable = is_same_process && !is_other_series && movement == Movement::Onward;
    if verdict == Verdict::Unsettled && !is_new {
        series.steadiness.unsettle();
    }
    if is_comparable
        && !is_new
        && series.steadiness.is_unsettled()
        && !is_trusted
        && series.previous != Previous::Nothing
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
