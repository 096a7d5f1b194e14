//! One value of a request or an answer, whatever protocol carried it, and the typed reading of requests.

use chrono::DateTime;

use crate::error::{ApiError, ErrorKind};

/// A value between a wire format and an operation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// A moment in seconds since the epoch. In JSON it is a number, so JSON's decoder never makes one.
    Time(f64),
    /// A value of a form, whose type only its reader knows.
    Form(String),
    List(Vec<Node>),
    /// A structure: known names. XML writes them as elements.
    Map(Vec<(String, Node)>),
    /// A map: names are data. XML writes them as entries of key and value.
    Dictionary(Vec<(String, Node)>),
}

impl Node {
    /// A structure of an answer.
    pub(crate) fn map<const N: usize>(fields: [(&str, Node); N]) -> Self {
        Self::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// A text of an answer.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// How a protocol writes a moment in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeForm {
    /// A bare number of seconds since the epoch (JSON).
    Number,
    /// A tagged number of seconds since the epoch (CBOR).
    Tagged,
    /// ISO 8601 (Query).
    Iso8601,
}

/// A structure of a request: fields are read by name and type, errors name their path.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    fields: &'a [(String, Node)],
    path: String,
    times: TimeForm,
}

impl<'a> Fields<'a> {
    /// The request itself. Its decoders always give a structure; anything else is refused.
    pub(crate) fn root(node: &'a Node, times: TimeForm) -> Result<Self, ApiError> {
        Self::of(node, String::new(), times)
    }

    fn of(node: &'a Node, path: String, times: TimeForm) -> Result<Self, ApiError> {
        match node {
            Node::Map(fields) => Ok(Self { fields, path, times }),
            Node::Form(text) if text.is_empty() => Ok(Self { fields: &[], path, times }),
            _ => Err(wrong_type(&path, "a structure")),
        }
    }

    /// The path of a field: `MetricData.member.3.Timestamp`.
    pub(crate) fn path_of(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }

    fn node(&self, name: &str) -> Option<&'a Node> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, node)| node).filter(|node| **node != Node::Null)
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, ApiError> {
        self.node(name).map(|node| text(node).ok_or_else(|| wrong_type(&self.path_of(name), "a string"))).transpose()
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>, ApiError> {
        self.node(name).map(|node| number(node).ok_or_else(|| wrong_type(&self.path_of(name), "a number"))).transpose()
    }

    /// An `Integer` of 32 bits.
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
            Some(Node::Bool(value)) => Ok(Some(*value)),
            Some(Node::Form(text)) if text == "true" || text == "false" => Ok(Some(text == "true")),
            Some(_) => Err(wrong_type(&self.path_of(name), "a boolean")),
        }
    }

    /// Seconds since the epoch.
    pub(crate) fn time(&self, name: &str) -> Result<Option<f64>, ApiError> {
        let Some(node) = self.node(name) else { return Ok(None) };
        let seconds = match (self.times, node) {
            (TimeForm::Number, Node::Number(seconds)) | (TimeForm::Tagged, Node::Time(seconds)) => Some(*seconds),
            (TimeForm::Iso8601, Node::Form(text)) => iso8601(text),
            _ => None,
        };
        let form = match self.times {
            TimeForm::Number => "a timestamp in seconds since the epoch",
            TimeForm::Tagged => "a timestamp (tag 1)",
            TimeForm::Iso8601 => "a timestamp in the form of ISO 8601",
        };
        seconds.map(Some).ok_or_else(|| wrong_type(&self.path_of(name), form))
    }

    /// A list's items; `None` when the list is absent.
    pub(crate) fn list(&self, name: &str) -> Result<Option<&'a [Node]>, ApiError> {
        match self.node(name) {
            None => Ok(None),
            Some(Node::List(items)) => Ok(Some(items)),
            Some(Node::Form(text)) if text.is_empty() => Ok(Some(&[])),
            Some(_) => Err(wrong_type(&self.path_of(name), "a list")),
        }
    }

    pub(crate) fn numbers(&self, name: &str) -> Result<Option<Vec<f64>>, ApiError> {
        let Some(items) = self.list(name)? else { return Ok(None) };
        let read = |(index, node)| number(node).ok_or_else(|| wrong_type(&self.member(name, index), "a number"));
        items.iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// A list of strings; empty when it is absent.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<&'a str>, ApiError> {
        let read = |(index, node)| text(node).ok_or_else(|| wrong_type(&self.member(name, index), "a string"));
        self.list(name)?.unwrap_or_default().iter().enumerate().map(read).collect()
    }

    /// A list of structures; empty when it is absent.
    pub(crate) fn structures(&self, name: &str) -> Result<Vec<Fields<'a>>, ApiError> {
        let read = |(index, node)| Fields::of(node, self.member(name, index), self.times);
        self.list(name)?.unwrap_or_default().iter().enumerate().map(read).collect()
    }

    pub(crate) fn structure(&self, name: &str) -> Result<Option<Fields<'a>>, ApiError> {
        self.node(name).map(|node| Fields::of(node, self.path_of(name), self.times)).transpose()
    }

    /// A map of strings; empty when it is absent. A form writes it as `Name.entry.1.key` and `Name.entry.1.value`.
    pub(crate) fn dictionary(&self, name: &str) -> Result<Vec<(&'a str, &'a str)>, ApiError> {
        let Some(fields) = self.structure(name)? else { return Ok(Vec::new()) };
        if self.times == TimeForm::Iso8601 {
            let pair = |entry: &Fields<'a>| Ok(Some((entry.text("key")?, entry.text("value")?)).and_then(both));
            let pairs: Result<Vec<_>, ApiError> = fields.structures("entry")?.iter().map(pair).collect();
            return Ok(pairs?.into_iter().flatten().collect());
        }
        let pair = |(key, node): &'a (String, Node)| {
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

fn text(node: &Node) -> Option<&str> {
    match node {
        Node::Text(text) | Node::Form(text) => Some(text),
        _ => None,
    }
}

/// Smithy's JSON writes the numbers JSON has no word for as strings; they are numbers here, for validation to refuse.
fn number(node: &Node) -> Option<f64> {
    match node {
        Node::Number(number) => Some(*number),
        Node::Form(text) => text.parse().ok(),
        Node::Text(text) => match text.as_str() {
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

fn wrong_type(path: &str, wanted: &str) -> ApiError {
    let path = if path.is_empty() { "the request" } else { path };
    ApiError::new(ErrorKind::Serialization, format!("{path} must be {wanted}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Node {
        Node::map([
            ("Text", Node::text("a")),
            ("Number", Node::Number(1.5)),
            ("Form", Node::Form("2026-11-20T10:30:00Z".into())),
            ("Numbers", Node::List(vec![Node::Number(1.0), Node::Text("NaN".into())])),
            ("Inner", Node::List(vec![Node::map([("Bad", Node::Bool(true))])])),
            ("Nothing", Node::Null),
        ])
    }

    #[test]
    fn fields_are_read_by_type() {
        let request = request();
        let fields = Fields::root(&request, TimeForm::Iso8601).unwrap();
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
    fn an_error_names_the_path() {
        let request = request();
        let fields = Fields::root(&request, TimeForm::Number).unwrap();
        let inner = fields.structures("Inner").unwrap();
        assert_eq!(inner[0].number("Bad").unwrap_err().message(), "Inner.member.1.Bad must be a number.");
        assert_eq!(fields.integer("Number").unwrap_err().message(), "Number must be an integer.");
        assert_eq!(fields.number("Text").unwrap_err().message(), "Text must be a number.");
    }

    #[test]
    fn each_protocol_writes_time_in_its_own_form() {
        let node =
            Node::map([("A", Node::Number(1.0)), ("B", Node::Time(1.0)), ("C", Node::Form("1970-01-01".into()))]);
        let ok = |times, name| Fields::root(&node, times).unwrap().time(name).is_ok();
        for (times, good) in [(TimeForm::Number, "A"), (TimeForm::Tagged, "B"), (TimeForm::Iso8601, "C")] {
            for name in ["A", "B", "C"] {
                assert_eq!(ok(times, name), name == good, "{times:?} {name}");
            }
        }
    }

    #[test]
    fn iso8601_takes_offsets_and_fractions() {
        assert_eq!(iso8601("1970-01-01T01:00:00+01:00"), Some(0.0));
        assert_eq!(iso8601("1970-01-01T00:00:01.250Z"), Some(1.25));
        assert_eq!(iso8601("1970-01-01T00:00:01"), Some(1.0));
        assert_eq!(iso8601("yesterday"), None);
    }
}
