//! The identity of a metric: namespace, metric name and dimensions.

use std::collections::BTreeMap;

use crate::error::{ApiError, ErrorKind};
use crate::quota::{
    MAX_DIMENSION_NAME_CHARS, MAX_DIMENSION_VALUE_CHARS, MAX_DIMENSIONS, MAX_METRIC_NAME_CHARS, MAX_NAMESPACE_CHARS,
    RESERVED_NAMESPACE_PREFIX,
};
use crate::request_fields::RequestFields;
use crate::wire_value::WireValue;

/// Dimension values by name. The order of dimensions in a request has no meaning.
pub(crate) type DimensionMap = BTreeMap<String, String>;

/// Identifies a metric. Together with a unit it identifies a series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MetricId {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) dimensions: DimensionMap,
}

impl MetricId {
    /// Reads `Namespace`, `MetricName` and `Dimensions` of a query.
    pub(crate) fn read(fields: &RequestFields<'_>) -> Result<Self, ApiError> {
        let namespace = required(fields, "Namespace")?.to_owned();
        let name = required(fields, "MetricName")?.to_owned();
        Ok(Self { namespace, name, dimensions: read_dimensions(fields)? })
    }

    /// Returns the metric as query operations return it.
    pub(crate) fn to_wire(&self) -> WireValue {
        let dimension = |(name, value): (&String, &String)| {
            WireValue::structure([("Name", WireValue::text(name)), ("Value", WireValue::text(value))])
        };
        WireValue::structure([
            ("Namespace", WireValue::text(&self.namespace)),
            ("MetricName", WireValue::text(&self.name)),
            ("Dimensions", WireValue::List(self.dimensions.iter().map(dimension).collect())),
        ])
    }
}

/// Reads and validates the `Namespace` of a PutMetricData request.
pub(crate) fn read_namespace(fields: &RequestFields<'_>) -> Result<String, ApiError> {
    let namespace = required(fields, "Namespace")?;
    check_text(namespace, "Namespace", MAX_NAMESPACE_CHARS)?;
    if namespace.starts_with(':') {
        return Err(invalid("The parameter Namespace must not start with ':'."));
    }
    if namespace.starts_with(RESERVED_NAMESPACE_PREFIX) {
        return Err(invalid(format!("The value {RESERVED_NAMESPACE_PREFIX} for parameter Namespace is invalid.")));
    }
    Ok(namespace.to_owned())
}

/// Reads and validates the `MetricName` of a datum.
pub(crate) fn read_metric_name(fields: &RequestFields<'_>) -> Result<String, ApiError> {
    let name = required(fields, "MetricName")?;
    check_text(name, &fields.path_of("MetricName"), MAX_METRIC_NAME_CHARS)?;
    Ok(name.to_owned())
}

/// Reads and validates the `Dimensions` of a datum or a metric.
pub(crate) fn read_dimensions(fields: &RequestFields<'_>) -> Result<DimensionMap, ApiError> {
    let items = fields.structures("Dimensions")?;
    if items.len() > MAX_DIMENSIONS {
        return Err(too_large(&fields.path_of("Dimensions"), MAX_DIMENSIONS));
    }
    let mut dimensions = DimensionMap::new();
    for item in items {
        let (name, value) = (required(&item, "Name")?, required(&item, "Value")?);
        check_text(name, &item.path_of("Name"), MAX_DIMENSION_NAME_CHARS)?;
        check_text(value, &item.path_of("Value"), MAX_DIMENSION_VALUE_CHARS)?;
        if name.starts_with(':') {
            return Err(invalid(format!("The parameter {} must not start with ':'.", item.path_of("Name"))));
        }
        if dimensions.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(invalid(format!(
                "The collection {} must not contain a dimension more than once.",
                fields.path_of("Dimensions")
            )));
        }
    }
    Ok(dimensions)
}

/// Reads a required string.
pub(crate) fn required<'a>(fields: &RequestFields<'a>, name: &str) -> Result<&'a str, ApiError> {
    fields.text(name)?.ok_or_else(|| missing(&fields.path_of(name)))
}

pub(crate) fn missing(path: &str) -> ApiError {
    ApiError::new(ErrorKind::MissingParameter, format!("The parameter {path} is required."))
}

pub(crate) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::InvalidParameterValue, message)
}

pub(crate) fn too_large(path: &str, max: usize) -> ApiError {
    invalid(format!("The collection {path} must not have a size greater than {max}."))
}

/// Checks that `text` is printable ASCII, not blank, and at most `max` characters long.
fn check_text(text: &str, path: &str, max: usize) -> Result<(), ApiError> {
    if text.chars().count() > max {
        return Err(invalid(format!("The parameter {path} must be shorter than {} characters.", max + 1)));
    }
    if !text.chars().all(|c| (' '..='~').contains(&c)) {
        return Err(invalid(format!("The parameter {path} contains non-ASCII or control characters.")));
    }
    if text.trim().is_empty() {
        return Err(invalid(format!("The parameter {path} must contain at least one character that is not a space.")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request_fields::TimeForm;

    fn fields(node: &WireValue) -> RequestFields<'_> {
        RequestFields::root(node, TimeForm::Number).unwrap()
    }

    fn dimension(name: &str, value: &str) -> WireValue {
        WireValue::structure([("Name", WireValue::text(name)), ("Value", WireValue::text(value))])
    }

    fn dimensions(items: Vec<WireValue>) -> Result<DimensionMap, ApiError> {
        let node = WireValue::structure([("Dimensions", WireValue::List(items))]);
        read_dimensions(&fields(&node))
    }

    fn assert_limit(max: usize, ok: impl Fn(usize) -> bool) {
        assert_eq!([max - 1, max, max + 1].map(ok), [true, true, false]);
    }

    #[test]
    fn lengths_have_quotas() {
        let long = |n: usize| "x".repeat(n);
        assert_limit(MAX_NAMESPACE_CHARS, |n| {
            read_namespace(&fields(&WireValue::structure([("Namespace", WireValue::Text(long(n)))]))).is_ok()
        });
        assert_limit(MAX_METRIC_NAME_CHARS, |n| {
            read_metric_name(&fields(&WireValue::structure([("MetricName", WireValue::Text(long(n)))]))).is_ok()
        });
        assert_limit(MAX_DIMENSION_NAME_CHARS, |n| dimensions(vec![dimension(&long(n), "v")]).is_ok());
        assert_limit(MAX_DIMENSION_VALUE_CHARS, |n| dimensions(vec![dimension("n", &long(n))]).is_ok());
        assert_limit(MAX_DIMENSIONS, |n| {
            dimensions((0..n).map(|i| dimension(&format!("d{i}"), "v")).collect()).is_ok()
        });
    }

    #[test]
    fn texts_must_be_printable_and_not_blank() {
        for text in ["", " ", "\t", "a\nb", "é", "\u{7f}"] {
            assert!(dimensions(vec![dimension(text, "v")]).is_err(), "{text:?}");
            assert!(dimensions(vec![dimension("n", text)]).is_err(), "{text:?}");
            assert!(
                read_namespace(&fields(&WireValue::structure([("Namespace", WireValue::text(text))]))).is_err(),
                "{text:?}"
            );
        }
        assert!(dimensions(vec![dimension("n", " a~")]).is_ok());
    }

    #[test]
    fn reserved_names_are_rejected() {
        for (text, good) in [(":a", false), ("AWS/EC2", false), ("AWS", true), ("a:b", true), ("aws/x", true)] {
            assert_eq!(
                read_namespace(&fields(&WireValue::structure([("Namespace", WireValue::text(text))]))).is_ok(),
                good,
                "{text}"
            );
        }
        assert!(dimensions(vec![dimension(":n", "v")]).is_err());
        assert!(dimensions(vec![dimension("n", ":v")]).is_ok());
        assert!(dimensions(vec![dimension("n", "a"), dimension("n", "b")]).is_err());
    }

    #[test]
    fn the_error_for_a_missing_field_has_its_path() {
        let error =
            dimensions(vec![dimension("a", "b"), WireValue::structure([("Name", WireValue::text("n"))])]).unwrap_err();
        assert_eq!(error.message(), "The parameter Dimensions.member.2.Value is required.");
        assert_eq!(error.kind(), &ErrorKind::MissingParameter);
    }
}
