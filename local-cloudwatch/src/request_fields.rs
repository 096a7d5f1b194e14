//! Typed access to the fields of a request.

use chrono::DateTime;

use crate::error::{ApiError, ErrorKind};
use crate::wire_value::WireValue;

/// The format of timestamps in the requests of a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeForm {
    /// A bare number of seconds since the epoch (JSON).
    Number,
    /// A tagged number of seconds since the epoch (CBOR).
    Tagged,
    /// ISO 8601 (Query).
    Iso8601,
}

/// The fields of one structure in a request. Accessors read a field by name and type; their errors have its path.
#[derive(Debug, Clone)]
pub(crate) struct RequestFields<'a> {
    fields: &'a [(String, WireValue)],
    path: String,
    times: TimeForm,
}

impl<'a> RequestFields<'a> {
    /// Returns the fields of the request itself.
    ///
    /// # Errors
    /// Fails if `node` is not a structure.
    pub(crate) fn root(node: &'a WireValue, times: TimeForm) -> Result<Self, ApiError> {
        Self::new(node, String::new(), times)
    }

    fn new(node: &'a WireValue, path: String, times: TimeForm) -> Result<Self, ApiError> {
        match node {
            WireValue::Structure(fields) => Ok(Self { fields, path, times }),
            WireValue::Form(text) if text.is_empty() => Ok(Self { fields: &[], path, times }),
            _ => Err(wrong_type(&path, "a structure")),
        }
    }

    /// Returns the path of a field, such as `MetricData.member.3.Timestamp`.
    pub(crate) fn path_of(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }

    fn node(&self, name: &str) -> Option<&'a WireValue> {
        self.fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, node)| node)
            .filter(|node| **node != WireValue::Null)
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, ApiError> {
        self.node(name).map(|node| text(node).ok_or_else(|| wrong_type(&self.path_of(name), "a string"))).transpose()
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>, ApiError> {
        self.node(name).map(|node| number(node).ok_or_else(|| wrong_type(&self.path_of(name), "a number"))).transpose()
    }

    /// Reads a 32-bit integer.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i32>, ApiError> {
        let Some(number) = self.number(name)? else { return Ok(None) };
        if number.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number) {
            Ok(Some(number as i32))
        } else {
            Err(wrong_type(&self.path_of(name), "an integer"))
        }
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.node(name) {
            None => Ok(None),
            Some(WireValue::Bool(value)) => Ok(Some(*value)),
            Some(WireValue::Form(text)) if text == "true" || text == "false" => Ok(Some(text == "true")),
            Some(_) => Err(wrong_type(&self.path_of(name), "a boolean")),
        }
    }

    /// Reads a timestamp as seconds since the epoch.
    pub(crate) fn time(&self, name: &str) -> Result<Option<f64>, ApiError> {
        let Some(node) = self.node(name) else { return Ok(None) };
        let seconds = match (self.times, node) {
            (TimeForm::Number, WireValue::Number(seconds)) | (TimeForm::Tagged, WireValue::Time(seconds)) => {
                Some(*seconds)
            }
            (TimeForm::Iso8601, WireValue::Form(text)) => iso8601(text),
            _ => None,
        };
        let form = match self.times {
            TimeForm::Number => "a timestamp in seconds since the epoch",
            TimeForm::Tagged => "a timestamp with tag 1",
            TimeForm::Iso8601 => "an ISO 8601 timestamp",
        };
        seconds.map(Some).ok_or_else(|| wrong_type(&self.path_of(name), form))
    }

    /// Reads the items of a list. Returns `None` if the list is absent.
    pub(crate) fn list(&self, name: &str) -> Result<Option<&'a [WireValue]>, ApiError> {
        match self.node(name) {
            None => Ok(None),
            Some(WireValue::List(items)) => Ok(Some(items)),
            Some(WireValue::Form(text)) if text.is_empty() => Ok(Some(&[])),
            Some(_) => Err(wrong_type(&self.path_of(name), "a list")),
        }
    }

    pub(crate) fn numbers(&self, name: &str) -> Result<Option<Vec<f64>>, ApiError> {
        let Some(items) = self.list(name)? else { return Ok(None) };
        let read = |(index, node)| number(node).ok_or_else(|| wrong_type(&self.member(name, index), "a number"));
        items.iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// Reads a list of strings. Returns an empty list if it is absent.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<&'a str>, ApiError> {
        let read = |(index, node)| text(node).ok_or_else(|| wrong_type(&self.member(name, index), "a string"));
        self.list(name)?.unwrap_or_default().iter().enumerate().map(read).collect()
    }

    /// Reads a list of structures. Returns an empty list if it is absent.
    pub(crate) fn structures(&self, name: &str) -> Result<Vec<RequestFields<'a>>, ApiError> {
        let read = |(index, node)| RequestFields::new(node, self.member(name, index), self.times);
        self.list(name)?.unwrap_or_default().iter().enumerate().map(read).collect()
    }

    pub(crate) fn structure(&self, name: &str) -> Result<Option<RequestFields<'a>>, ApiError> {
        self.node(name).map(|node| RequestFields::new(node, self.path_of(name), self.times)).transpose()
    }

    /// Reads a map of strings. Returns an empty list if it is absent. A Query form encodes it as `Name.entry.1.key` and
    /// `Name.entry.1.value`.
    pub(crate) fn string_map(&self, name: &str) -> Result<Vec<(&'a str, &'a str)>, ApiError> {
        let Some(fields) = self.structure(name)? else { return Ok(Vec::new()) };
        if self.times == TimeForm::Iso8601 {
            let pair = |entry: &RequestFields<'a>| Ok(Some((entry.text("key")?, entry.text("value")?)).and_then(both));
            let pairs: Result<Vec<_>, ApiError> = fields.structures("entry")?.iter().map(pair).collect();
            return Ok(pairs?.into_iter().flatten().collect());
        }
        let pair = |(key, node): &'a (String, WireValue)| {
            let value = text(node).ok_or_else(|| wrong_type(&fields.path_of(key), "a string"))?;
            Ok((key.as_str(), value))
        };
        fields.fields.iter().map(pair).collect()
    }

    fn member(&self, name: &str, index: usize) -> String {
        format!("{}.member.{}", self.path_of(name), index + 1)
    }
}

fn both<'a>((key, value): (Option<&'a str>, Option<&'a str>)) -> Option<(&'a str, &'a str)> {
    Some((key?, value?))
}

fn text(node: &WireValue) -> Option<&str> {
    match node {
        WireValue::Text(text) | WireValue::Form(text) => Some(text),
        _ => None,
    }
}

/// Returns the number in `node`. Smithy encodes NaN and infinity as strings in JSON; they are accepted here and
/// rejected by validation.
fn number(node: &WireValue) -> Option<f64> {
    match node {
        WireValue::Number(number) => Some(*number),
        WireValue::Form(text) => text.parse().ok(),
        WireValue::Text(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

fn iso8601(text: &str) -> Option<f64> {
    DateTime::parse_from_rfc3339(text)
        .ok()
        .or_else(|| DateTime::parse_from_rfc3339(&format!("{text}Z")).ok())
        .or_else(|| DateTime::parse_from_rfc3339(&format!("{text}T00:00:00Z")).ok())
        .map(|date| date.timestamp_millis() as f64 / 1_000.0)
}

fn wrong_type(path: &str, expected: &str) -> ApiError {
    let path = if path.is_empty() { "the request" } else { path };
    ApiError::new(ErrorKind::Serialization, format!("{path} must be {expected}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> WireValue {
        WireValue::structure([
            ("Text", WireValue::text("a")),
            ("Number", WireValue::Number(1.5)),
            ("Form", WireValue::Form("2026-11-20T10:30:00Z".into())),
            ("Numbers", WireValue::List(vec![WireValue::Number(1.0), WireValue::Text("NaN".into())])),
            ("Inner", WireValue::List(vec![WireValue::structure([("Bad", WireValue::Bool(true))])])),
            ("Nothing", WireValue::Null),
        ])
    }

    #[test]
    fn fields_are_read_by_type() {
        let request = request();
        let fields = RequestFields::root(&request, TimeForm::Iso8601).unwrap();
        assert_eq!(fields.text("Text").unwrap(), Some("a"));
        assert_eq!(fields.number("Number").unwrap(), Some(1.5));
        assert_eq!(fields.time("Form").unwrap(), Some(1_795_170_600.0));
        assert_eq!(fields.text("Nothing").unwrap(), None);
        assert_eq!(fields.text("Absent").unwrap(), None);
        let numbers = fields.numbers("Numbers").unwrap().unwrap();
        assert_eq!(numbers[0], 1.0);
        assert!(numbers[1].is_nan());
    }

    #[test]
    fn errors_have_the_path_of_the_field() {
        let request = request();
        let fields = RequestFields::root(&request, TimeForm::Number).unwrap();
        let inner = fields.structures("Inner").unwrap();
        assert_eq!(inner[0].number("Bad").unwrap_err().message(), "Inner.member.1.Bad must be a number.");
        assert_eq!(fields.integer("Number").unwrap_err().message(), "Number must be an integer.");
        assert_eq!(fields.number("Text").unwrap_err().message(), "Text must be a number.");
    }

    #[test]
    fn each_protocol_has_one_format_for_timestamps() {
        let node = WireValue::structure([
            ("A", WireValue::Number(1.0)),
            ("B", WireValue::Time(1.0)),
            ("C", WireValue::Form("1970-01-01".into())),
        ]);
        let ok = |times, name| RequestFields::root(&node, times).unwrap().time(name).is_ok();
        for (times, good) in [(TimeForm::Number, "A"), (TimeForm::Tagged, "B"), (TimeForm::Iso8601, "C")] {
            for name in ["A", "B", "C"] {
                assert_eq!(ok(times, name), name == good, "{times:?} {name}");
            }
        }
    }

    #[test]
    fn iso8601_accepts_offsets_and_fractions() {
        assert_eq!(iso8601("1970-01-01T01:00:00+01:00"), Some(0.0));
        assert_eq!(iso8601("1970-01-01T00:00:01.250Z"), Some(1.25));
        assert_eq!(iso8601("1970-01-01T00:00:01"), Some(1.0));
        assert_eq!(iso8601("yesterday"), None);
    }
}
