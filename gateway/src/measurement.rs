//! Reads the measured values of a datum: `Value`, `Values` with `Counts`, and `StatisticValues`.

use acpw_metric::{
    Distribution,
    quota::{MAX_VALUE, MAX_VALUES_PER_DATUM, MIN_VALUE},
};

use crate::{
    fault::{Path, ValidationErrorKind, ValidationErrors},
    fields::Fields,
    node::Node,
    rules::ReadContext,
};

/// The largest count: an `f64` represents whole numbers exactly up to 2^53.
const MAX_COUNT: f64 = 9_007_199_254_740_992.0;

const STATISTICS: [&str; 4] = ["SampleCount", "Sum", "Minimum", "Maximum"];

struct Statistics {
    count: f64,
    sum: f64,
    min: f64,
    max: f64,
}

/// Reads the values of a datum.
///
/// A datum must have exactly one of `Value`, `Values` with `Counts`, and `StatisticValues`, or the last two together.
/// CloudWatch then computes percentiles from the former and statistics from the latter.
pub fn read(fields: &Fields<'_, '_>, context: &ReadContext<'_>, faults: &mut ValidationErrors) -> Option<Distribution> {
    // An SDK may send a list that its caller left empty. AWS ignores it.
    let has = |name: &str| match fields.node(name) {
        Some(Node::List(items)) => !items.is_empty(),
        Some(Node::Form(text)) => !text.is_empty(),
        node => node.is_some(),
    };
    let mut exclude = |one: &str, other: &str| {
        let path = Path::Field(fields.path(), one);
        faults.add_kind(ValidationErrorKind::Combination, path, format_args!("must not be combined with {other}"));
        None
    };
    // An empty list of values and nothing else lacks a value.
    let has_values = has("Values") || (fields.node("Values").is_some() && !has("Value") && !has("StatisticValues"));
    match (has("Value"), has_values, has("StatisticValues")) {
        (true, true, _) => exclude("Value", "Values"),
        (true, _, true) => exclude("Value", "StatisticValues"),
        (true, false, false) if has("Counts") => exclude("Value", "Counts"),
        (true, false, false) => {
            let value = fields.number("Value", faults)?;
            let value = value_at(value, &Path::Field(fields.path(), "Value"), faults)?;
            let mut one = Distribution::exact(context.rules.max_exact_values);
            one.record(value).then_some(one)
        }
        (false, true, false) => values(fields, context, faults),
        (false, false, true) if has("Counts") => {
            let path = Path::Field(fields.path(), "Values");
            faults.add_kind(ValidationErrorKind::Missing, path, "is required with Counts");
            None
        }
        (false, false, true) => {
            let Statistics { count, sum, min, max } = statistics(fields, context, faults)?;
            // Equal samples are known individually, so CloudWatch can compute percentiles from them.
            if min == max && count.fract() == 0.0 && count <= MAX_COUNT {
                let mut same = Distribution::exact(context.rules.max_exact_values);
                same.record_n(min, count as u64);
                return if same.sum() == sum { Some(same) } else { same.with_statistics(sum, min, max) };
            }
            Distribution::statistic_set(count, sum, min, max)
        }
        (false, true, true) => {
            let values = values(fields, context, faults);
            let Statistics { count, sum, min, max } = statistics(fields, context, faults)?;
            let values = values?;
            if values.sample_count() != count {
                let path = Path::Field(fields.path(), "StatisticValues");
                let path = Path::Field(&path, "SampleCount");
                faults.add_kind(
                    ValidationErrorKind::Value,
                    path,
                    format_args!("must equal the sum of Counts, {}", values.count()),
                );
                return None;
            }
            values.with_statistics(sum, min, max)
        }
        (false, false, false) => {
            let message = "must have Value, Values or StatisticValues";
            faults.add_kind(ValidationErrorKind::Combination, fields.path(), message);
            None
        }
    }
}

fn values(fields: &Fields<'_, '_>, context: &ReadContext<'_>, faults: &mut ValidationErrors) -> Option<Distribution> {
    let (values_path, counts_path) = (Path::Field(fields.path(), "Values"), Path::Field(fields.path(), "Counts"));
    let values = fields.numbers("Values", faults)?;
    let counts = fields.numbers("Counts", faults);
    if values.is_empty() {
        faults.add_kind(ValidationErrorKind::Missing, values_path, "must have at least one value");
        return None;
    }
    for (path, length) in [(&values_path, values.len()), (&counts_path, counts.as_ref().map_or(0, Vec::len))] {
        if length > MAX_VALUES_PER_DATUM {
            let message = format_args!("has {length} items; CloudWatch accepts at most {MAX_VALUES_PER_DATUM}");
            faults.add_kind(ValidationErrorKind::Value, path, message);
            return None;
        }
    }
    // AWS ignores an empty list of counts.
    let counts = counts.filter(|counts| !counts.is_empty());
    if let Some(counts) = counts.as_ref().filter(|counts| counts.len() != values.len()) {
        let message =
            format_args!("has {} items, but Values has {}; send one count per value", counts.len(), values.len());
        faults.add_kind(ValidationErrorKind::Value, counts_path, message);
        return None;
    }
    let mut distribution = Distribution::exact(context.rules.max_exact_values);
    let mut is_valid = true;
    for (index, value) in values.iter().enumerate() {
        let count = counts.as_ref().and_then(|counts| counts.get(index)).copied().unwrap_or(1.0);
        let value = value_at(*value, &Path::Item(&values_path, index), faults);
        let count = count_at(count, &Path::Item(&counts_path, index), faults);
        match value.zip(count) {
            Some((value, count)) => is_valid &= distribution.record_n(value, count),
            None => is_valid = false,
        }
    }
    is_valid.then_some(distribution)
}

fn statistics(fields: &Fields<'_, '_>, context: &ReadContext<'_>, faults: &mut ValidationErrors) -> Option<Statistics> {
    let path = Path::Field(fields.path(), "StatisticValues");
    let set = Fields::new(fields.node("StatisticValues")?, &path, &STATISTICS, context.unknown, faults)?;
    let mut read = |name: &str| {
        let path = Path::Field(set.path(), name);
        match set.node(name) {
            None => {
                faults.add_kind(ValidationErrorKind::Missing, path, "is required");
                None
            }
            Some(_) => value_at(set.number(name, faults)?, &path, faults),
        }
    };
    let [count, sum, min, max] = STATISTICS.map(&mut read);
    if let Some(count) = count.filter(|count| *count < MIN_VALUE) {
        let message = if count <= 0.0 { "must be greater than 0" } else { "must be at least 2^-360" };
        faults.add_kind(ValidationErrorKind::Value, Path::Field(set.path(), "SampleCount"), message);
        return None;
    }
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        faults.add_kind(
            ValidationErrorKind::Value,
            Path::Field(set.path(), "Minimum"),
            "must not be greater than Maximum",
        );
        return None;
    }
    Some(Statistics { count: count?, sum: sum?, min: min?, max: max? })
}

fn value_at(value: f64, path: &Path<'_>, faults: &mut ValidationErrors) -> Option<f64> {
    if value.abs() <= MAX_VALUE {
        return Some(value);
    }
    faults.add_kind(ValidationErrorKind::Value, path, "must be a number between -2^360 and 2^360");
    None
}

/// Checks a count. AWS accepts fractions; the gateway does not, because it counts values to detect losses.
fn count_at(count: f64, path: &Path<'_>, faults: &mut ValidationErrors) -> Option<u64> {
    if count.fract() == 0.0 && (1.0..=MAX_COUNT).contains(&count) {
        return Some(count as u64);
    }
    faults.add_kind(ValidationErrorKind::Value, path, "must be a whole number between 1 and 2^53");
    None
}
