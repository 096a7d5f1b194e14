//! `MetricDatum`: one item of a request, validated.

use acpw_config::comma_separated;
use acpw_metric::{
    DimensionName, DimensionValue, Dimensions, Distribution, Entity, Metric, MetricName, StorageResolution, Timestamp,
    Unit,
    quota::{MAX_AGE_SECONDS, MAX_DIMENSIONS},
};

use crate::{
    fault::{Path, ValidationErrorKind, ValidationErrors},
    fields::Fields,
    measurement,
    node::Node,
    rules::Reading,
};

/// How far in the future a timestamp may lie.
const MAX_LEAD_SECONDS: f64 = 2.0 * 60.0 * 60.0;

/// What publishing may take: data that CloudWatch takes now and no longer then would be lost after they were accepted.
const PUBLISHING_SECONDS: f64 = 10.0 * 60.0;

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

/// A datum that CloudWatch takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// Name, unit and resolution.
    pub metric: Metric,
    /// Its dimensions and the gateway's.
    pub dimensions: Dimensions,
    /// Its time to the second, where it has one of its own.
    pub timestamp: Option<Timestamp>,
    /// What was measured.
    pub distribution: Distribution,
    /// What it belongs to.
    pub entity: Option<Entity>,
}

impl Datum {
    /// Reads a datum, and notes every fault of it.
    pub fn read(
        node: &Node<'_>,
        path: &Path<'_>,
        reading: &Reading<'_>,
        faults: &mut ValidationErrors,
    ) -> Option<Self> {
        let fields = Fields::of(node, path, &FIELDS, reading.unknown, faults)?;
        let name = read_name(&fields, faults);
        let dimensions = read_dimensions(&fields, reading, faults);
        let unit = read_unit(&fields, faults);
        let timestamp = read_timestamp(&fields, reading, faults);
        let resolution = read_resolution(&fields, faults);
        let distribution = measurement::read(&fields, reading, faults);
        Some(Self {
            metric: Metric { name: name?, unit: unit?, resolution: resolution? },
            dimensions: dimensions?,
            timestamp: timestamp?,
            distribution: distribution?,
            entity: None,
        })
    }
}

/// A text that must be there and keep a rule.
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
    reading: &Reading<'_>,
    faults: &mut ValidationErrors,
) -> Option<Dimensions> {
    let path = Path::Field(fields.path(), "Dimensions");
    let mut pairs: Vec<(DimensionName, DimensionValue)> = Vec::new();
    let mut is_sound = true;
    if fields.node("Dimensions").is_some() {
        let items = fields.list("Dimensions", faults)?;
        if items.len() > MAX_DIMENSIONS {
            let message = format_args!("has {} items; CloudWatch takes at most {MAX_DIMENSIONS}", items.len());
            faults.add_kind(ValidationErrorKind::Value, path, message);
            return None;
        }
        for (index, item) in items.iter().enumerate() {
            let path = Path::Item(&path, index);
            let fields = Fields::of(item, &path, &["Name", "Value"], reading.unknown, faults);
            let pair = fields.and_then(|fields| {
                let name = required(&fields, "Name", DimensionName::new, faults);
                let value = required(&fields, "Value", DimensionValue::new, faults);
                name.zip(value)
            });
            match pair {
                Some(pair) => pairs.push(pair),
                None => is_sound = false,
            }
        }
    }
    let own = pairs.len();
    for (name, value) in &reading.rules.default_dimensions {
        if !pairs.iter().any(|(known, _)| known == name) {
            pairs.push((name.clone(), value.clone()));
        }
    }
    if pairs.len() > MAX_DIMENSIONS {
        let more = pairs.get(own..).unwrap_or_default().iter().map(|(name, _)| name.as_str());
        let more = comma_separated(&mut more.into_iter());
        let message = format_args!(
            "has {own} items, and the gateway's default_dimensions add {more}; CloudWatch takes at most \
             {MAX_DIMENSIONS} together"
        );
        faults.add_kind(ValidationErrorKind::Value, path, message);
        return None;
    }
    match Dimensions::new(pairs) {
        Ok(dimensions) => is_sound.then_some(dimensions),
        Err(error) => {
            faults.add_kind(ValidationErrorKind::Value, path, format_args!("cannot be told apart: {error}"));
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

/// The datum's own time, if it has one. The outer nothing is a fault.
fn read_timestamp(
    fields: &Fields<'_, '_>,
    reading: &Reading<'_>,
    faults: &mut ValidationErrors,
) -> Option<Option<Timestamp>> {
    if fields.node("Timestamp").is_none() {
        return Some(None);
    }
    let seconds = fields.seconds("Timestamp", faults)?;
    let now = reading.now.as_millis() as f64 / 1_000.0;
    let path = Path::Field(fields.path(), "Timestamp");
    if seconds.is_nan() || seconds < now - (MAX_AGE_SECONDS as f64 - PUBLISHING_SECONDS) {
        let message = "must be no more than two weeks in the past, less ten minutes that publishing may take";
        faults.add_kind(ValidationErrorKind::Value, path, message);
        return None;
    }
    if seconds > now + MAX_LEAD_SECONDS {
        let message = "must be no more than two hours in the future; it is in seconds, not milliseconds";
        faults.add_kind(ValidationErrorKind::Value, path, message);
        return None;
    }
    Some(Some(Timestamp::from_secs(seconds.max(0.0).floor() as u64)))
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
