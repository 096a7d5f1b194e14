//! What names a series: namespace, metric name, dimensions and unit.

use std::collections::BTreeMap;

use crate::error::{ApiError, ErrorKind};
use crate::node::{Fields, Node};
use crate::quota::{
    MAX_DIMENSION_NAME_CHARS, MAX_DIMENSION_VALUE_CHARS, MAX_DIMENSIONS, MAX_METRIC_NAME_CHARS, MAX_NAMESPACE_CHARS,
    RESERVED_NAMESPACE_PREFIX,
};

/// `StandardUnit`, in AWS's order.
const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

/// A unit of `StandardUnit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unit(&'static str);

impl Unit {
    /// The unit of a datum that names none.
    pub(crate) const NONE: Self = Self("None");

    /// Reads a unit at `path`; `None` when the field is absent.
    pub(crate) fn read(fields: &Fields<'_>) -> Result<Option<Self>, ApiError> {
        let Some(name) = fields.text("Unit")? else { return Ok(None) };
        let unit = UNITS.iter().find(|unit| **unit == name).map(|unit| Self(unit));
        unit.map(Some).ok_or_else(|| {
            let (path, units) = (fields.path_of("Unit"), UNITS.join(", "));
            invalid(format!("The parameter {path} must be a value in the set [ {units} ]."))
        })
    }

    pub(crate) fn as_str(self) -> &'static str {
        self.0
    }
}

/// Dimensions by name: their order in a request means nothing.
pub(crate) type Dimensions = BTreeMap<String, String>;

/// A metric: everything of a series but its unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Metric {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) dimensions: Dimensions,
}

impl Metric {
    /// Reads `Namespace`, `MetricName` and `Dimensions`, as a reading operation names a metric.
    pub(crate) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let namespace = required(fields, "Namespace")?.to_owned();
        let name = required(fields, "MetricName")?.to_owned();
        Ok(Self { namespace, name, dimensions: read_dimensions(fields)? })
    }

    /// The metric as reading operations answer it.
    pub(crate) fn to_node(&self) -> Node {
        let dimension =
            |(name, value): (&String, &String)| Node::map([("Name", Node::text(name)), ("Value", Node::text(value))]);
        Node::map([
            ("Namespace", Node::text(&self.namespace)),
            ("MetricName", Node::text(&self.name)),
            ("Dimensions", Node::List(self.dimensions.iter().map(dimension).collect())),
        ])
    }
}

/// The namespace of a PutMetricData request.
pub(crate) fn read_namespace(fields: &Fields<'_>) -> Result<String, ApiError> {
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

/// The `MetricName` of a datum.
pub(crate) fn read_metric_name(fields: &Fields<'_>) -> Result<String, ApiError> {
    let name = required(fields, "MetricName")?;
    check_text(name, &fields.path_of("MetricName"), MAX_METRIC_NAME_CHARS)?;
    Ok(name.to_owned())
}

/// The `Dimensions` of a datum or a metric.
pub(crate) fn read_dimensions(fields: &Fields<'_>) -> Result<Dimensions, ApiError> {
    let items = fields.structures("Dimensions")?;
    if items.len() > MAX_DIMENSIONS {
        return Err(too_large(&fields.path_of("Dimensions"), MAX_DIMENSIONS));
    }
    let mut dimensions = Dimensions::new();
    for item in items {
        let (name, value) = (required(&item, "Name")?, required(&item, "Value")?);
        check_text(name, &item.path_of("Name"), MAX_DIMENSION_NAME_CHARS)?;
        check_text(value, &item.path_of("Value"), MAX_DIMENSION_VALUE_CHARS)?;
        if name.starts_with(':') {
            return Err(invalid(format!("The parameter {} must not start with ':'.", item.path_of("Name"))));
        }
        if dimensions.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(invalid(format!(
                "The collection {} must not name a dimension twice.",
                fields.path_of("Dimensions")
            )));
        }
    }
    Ok(dimensions)
}

/// A string that must be there.
pub(crate) fn required<'a>(fields: &Fields<'a>, name: &str) -> Result<&'a str, ApiError> {
    fields.text(name)?.ok_or_else(|| missing(&fields.path_of(name)))
}

pub(crate) fn missing(path: &str) -> ApiError {
    ApiError::new(ErrorKind::MissingParameter, format!("The parameter {path} is required."))
}

pub(crate) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::InvalidParameterValue, message)
}

pub(crate) fn too_large(path: &str, most: usize) -> ApiError {
    invalid(format!("The collection {path} must not have a size greater than {most}."))
}

/// Printable ASCII with at least one character that is no space, of 1 to `most` characters.
fn check_text(text: &str, path: &str, most: usize) -> Result<(), ApiError> {
    if text.chars().count() > most {
        return Err(invalid(format!("The parameter {path} must be shorter than {} characters.", most + 1)));
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
    use crate::node::TimeForm;

    fn fields(node: &Node) -> Fields<'_> {
        Fields::root(node, TimeForm::Number).unwrap()
    }

    fn dimension(name: &str, value: &str) -> Node {
        Node::map([("Name", Node::text(name)), ("Value", Node::text(value))])
    }

    fn dimensions(items: Vec<Node>) -> Result<Dimensions, ApiError> {
        let node = Node::map([("Dimensions", Node::List(items))]);
        read_dimensions(&fields(&node))
    }

    fn triple(most: usize, ok: impl Fn(usize) -> bool) {
        assert_eq!([most - 1, most, most + 1].map(ok), [true, true, false]);
    }

    #[test]
    fn lengths_have_their_quotas() {
        let long = |n: usize| "x".repeat(n);
        triple(MAX_NAMESPACE_CHARS, |n| {
            read_namespace(&fields(&Node::map([("Namespace", Node::Text(long(n)))]))).is_ok()
        });
        triple(MAX_METRIC_NAME_CHARS, |n| {
            read_metric_name(&fields(&Node::map([("MetricName", Node::Text(long(n)))]))).is_ok()
        });
        triple(MAX_DIMENSION_NAME_CHARS, |n| dimensions(vec![dimension(&long(n), "v")]).is_ok());
        triple(MAX_DIMENSION_VALUE_CHARS, |n| dimensions(vec![dimension("n", &long(n))]).is_ok());
        triple(MAX_DIMENSIONS, |n| dimensions((0..n).map(|i| dimension(&format!("d{i}"), "v")).collect()).is_ok());
    }

    #[test]
    fn texts_are_printable_and_not_blank() {
        for text in ["", " ", "\t", "a\nb", "é", "\u{7f}"] {
            assert!(dimensions(vec![dimension(text, "v")]).is_err(), "{text:?}");
            assert!(dimensions(vec![dimension("n", text)]).is_err(), "{text:?}");
            assert!(read_namespace(&fields(&Node::map([("Namespace", Node::text(text))]))).is_err(), "{text:?}");
        }
        assert!(dimensions(vec![dimension("n", " a~")]).is_ok());
    }

    #[test]
    fn reserved_names_are_refused() {
        for (text, good) in [(":a", false), ("AWS/EC2", false), ("AWS", true), ("a:b", true), ("aws/x", true)] {
            assert_eq!(read_namespace(&fields(&Node::map([("Namespace", Node::text(text))]))).is_ok(), good, "{text}");
        }
        assert!(dimensions(vec![dimension(":n", "v")]).is_err());
        assert!(dimensions(vec![dimension("n", ":v")]).is_ok());
        assert!(dimensions(vec![dimension("n", "a"), dimension("n", "b")]).is_err());
    }

    #[test]
    fn a_missing_field_is_named_by_its_path() {
        let error = dimensions(vec![dimension("a", "b"), Node::map([("Name", Node::text("n"))])]).unwrap_err();
        assert_eq!(error.message(), "The parameter Dimensions.member.2.Value is required.");
        assert_eq!(error.kind(), &ErrorKind::MissingParameter);
    }

    #[test]
    fn units_are_awss() {
        let unit = |text: &str| Unit::read(&fields(&Node::map([("Unit", Node::text(text))]))).map(|unit| unit.unwrap());
        for name in UNITS {
            assert_eq!(unit(name).unwrap().as_str(), name);
        }
        let message = unit("count").unwrap_err().message().to_owned();
        assert!(
            message.starts_with("The parameter Unit must be a value in the set [ Seconds, Microseconds,"),
            "{message}"
        );
    }
}
