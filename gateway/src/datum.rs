//! Reads and validates one `MetricDatum` of a request.

use acpw_config::comma_separated;
use acpw_metric::{
    DimensionName, DimensionValue, Dimensions, Distribution, Entity, Metric, MetricName, StorageResolution, Timestamp,
    Unit, quota::MAX_DIMENSIONS,
};

use crate::{
    fault::{Path, ValidationErrorKind, ValidationErrors},
    fields::Fields,
    measurement,
    node::Node,
    rules::ReadContext,
    timestamp::{TimestampError, check_timestamp},
};

const FIELDS: [&str; 9] = [
    "MetricName",
    "Dimensions",
    "Timestamp",
    "Value",
    "StatisticValues",
    "Values",
    "Counts",
    "Unit",
    "StorageResolution",
];

/// A datum that CloudWatch accepts.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// The metric's name, unit and storage resolution.
    pub metric: Metric,
    /// The datum's dimensions and the gateway's default dimensions.
    pub dimensions: Dimensions,
    /// The datum's timestamp in whole seconds, if it has one.
    pub timestamp: Option<Timestamp>,
    /// The measured values.
    pub distribution: Distribution,
    /// The entity that the datum belongs to.
    pub entity: Option<Entity>,
}

impl Datum {
    /// Reads a datum. Adds each of its faults to `faults` and returns `None` if there are any.
    pub fn read(
        node: &Node<'_>,
        path: &Path<'_>,
        context: &ReadContext<'_>,
        faults: &mut ValidationErrors,
    ) -> Option<Self> {
        let fields = Fields::new(node, path, &FIELDS, context.unknown, faults)?;
        let name = read_name(&fields, faults);
        let dimensions = read_dimensions(&fields, context, faults);
        let unit = read_unit(&fields, faults);
        let timestamp = read_timestamp(&fields, context, faults);
        let resolution = read_resolution(&fields, faults);
        let distribution = measurement::read(&fields, context, faults);
        Some(Self {
            metric: Metric { name: name?, unit: unit?, resolution: resolution? },
            dimensions: dimensions?,
            timestamp: timestamp?,
            distribution: distribution?,
            entity: None,
        })
    }
}

/// Reads and parses a required text field.
pub(crate) fn required<T, E: std::fmt::Display>(
    fields: &Fields<'_, '_>,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
    faults: &mut ValidationErrors,
) -> Option<T> {
    let path = Path::Field(fields.path(), name);
    if fields.node(name).is_none() {
        faults.add_kind(ValidationErrorKind::Missing, path, "is required");
        return None;
    }
    match parse(fields.text(name, faults)?) {
        Ok(value) => Some(value),
        Err(error) => {
            faults.add_kind(ValidationErrorKind::Value, path, error);
            None
        }
    }
}

fn read_name(fields: &Fields<'_, '_>, faults: &mut ValidationErrors) -> Option<MetricName> {
    required(fields, "MetricName", MetricName::new, faults)
}

fn read_dimensions(
    fields: &Fields<'_, '_>,
    context: &ReadContext<'_>,
    faults: &mut ValidationErrors,
) -> Option<Dimensions> {
    let path = Path::Field(fields.path(), "Dimensions");
    let mut pairs: Vec<(DimensionName, DimensionValue)> = Vec::new();
    let mut is_valid = true;
    if fields.node("Dimensions").is_some() {
        let items = fields.list("Dimensions", faults)?;
        if items.len() > MAX_DIMENSIONS {
            let message = format_args!("has {} items; CloudWatch accepts at most {MAX_DIMENSIONS}", items.len());
            faults.add_kind(ValidationErrorKind::Value, path, message);
            return None;
        }
        for (index, item) in items.iter().enumerate() {
            let path = Path::Item(&path, index);
            let fields = Fields::new(item, &path, &["Name", "Value"], context.unknown, faults);
            let pair = fields.and_then(|fields| {
                let name = required(&fields, "Name", DimensionName::new, faults);
                let value = required(&fields, "Value", DimensionValue::new, faults);
                name.zip(value)
            });
            match pair {
                Some(pair) => pairs.push(pair),
                None => is_valid = false,
            }
        }
    }
    let own_count = pairs.len();
    for (name, value) in &context.rules.default_dimensions {
        if !pairs.iter().any(|(known, _)| known == name) {
            pairs.push((name.clone(), value.clone()));
        }
    }
    if pairs.len() > MAX_DIMENSIONS {
        let added = pairs.get(own_count..).unwrap_or_default().iter().map(|(name, _)| name.as_str());
        let added = comma_separated(&mut added.into_iter());
        let message = format_args!(
            "has {own_count} items and the gateway's default_dimensions add {added}; CloudWatch accepts at most \
             {MAX_DIMENSIONS} in total"
        );
        faults.add_kind(ValidationErrorKind::Value, path, message);
        return None;
    }
    match Dimensions::new(pairs) {
        Ok(dimensions) => is_valid.then_some(dimensions),
        Err(error) => {
            faults.add_kind(ValidationErrorKind::Value, path, format_args!("must have different names: {error}"));
            None
        }
    }
}

fn read_unit(fields: &Fields<'_, '_>, faults: &mut ValidationErrors) -> Option<Unit> {
    if fields.node("Unit").is_none() {
        return Some(Unit::NONE);
    }
    let unit = Unit::from_name(fields.text("Unit", faults)?);
    if unit.is_none() {
        let units = comma_separated(&mut Unit::all().map(Unit::as_str));
        let message = format_args!("must be one of {units}");
        faults.add_kind(ValidationErrorKind::Value, Path::Field(fields.path(), "Unit"), message);
    }
    unit
}

/// Reads the datum's timestamp. Returns `Some(None)` if it has none, and `None` if it is invalid.
fn read_timestamp(
    fields: &Fields<'_, '_>,
    context: &ReadContext<'_>,
    faults: &mut ValidationErrors,
) -> Option<Option<Timestamp>> {
    if fields.node("Timestamp").is_none() {
        return Some(None);
    }
    let seconds = fields.seconds("Timestamp", faults)?;
    let message = match check_timestamp(seconds, context.now) {
        Ok(()) => return Some(Some(Timestamp::from_secs(seconds.max(0.0).floor() as u64))),
        Err(TimestampError::TooOld) => {
            "must be no more than two weeks in the past, minus ten minutes reserved for publishing"
        }
        Err(TimestampError::TooEarly) => "must be no more than two hours in the future; send seconds, not milliseconds",
    };
    faults.add_kind(ValidationErrorKind::Value, Path::Field(fields.path(), "Timestamp"), message);
    None
}

fn read_resolution(fields: &Fields<'_, '_>, faults: &mut ValidationErrors) -> Option<StorageResolution> {
    if fields.node("StorageResolution").is_none() {
        return Some(StorageResolution::Standard);
    }
    match fields.number("StorageResolution", faults)? {
        1.0 => Some(StorageResolution::High),
        60.0 => Some(StorageResolution::Standard),
        _ => {
            faults.add_kind(
                ValidationErrorKind::Value,
                Path::Field(fields.path(), "StorageResolution"),
                "must be 1 or 60",
            );
            None
        }
    }
}
