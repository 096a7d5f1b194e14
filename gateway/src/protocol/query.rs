//! AWS Query: a form in, XML out.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _};

use crate::node::Node;

const VERSION: &str = "2010-08-01";
const XML_NAMESPACE: &str = "http://monitoring.amazonaws.com/doc/2010-08-01/";

/// Deeper than any parameter's name goes.
const MAX_DEPTH: usize = 12;

/// A form that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Form<'a> {
    /// `Action`, empty when there is none.
    pub action: String,
    /// All else: dotted names become structures and lists.
    pub fields: Node<'a>,
}

/// Reads a body.
///
/// # Errors
/// A parameter that is none, that is there twice, or another version of the API.
pub fn decode(body: &[u8]) -> Result<Form<'_>, String> {
    let mut root = Branch::default();
    let mut action = None;
    for (name, value) in form_urlencoded::parse(body) {
        match name.as_ref() {
            "Action" if action.is_some() => return Err("has Action twice".to_owned()),
            "Action" => action = Some(value.into_owned()),
            "Version" if value != VERSION => return Err(format!("must be of version {VERSION} of the API")),
            "Version" => {}
            name => root.set(name, value)?,
        }
    }
    Ok(Form { action: action.unwrap_or_default(), fields: root.into_node() })
}

/// What PutMetricData answers.
pub fn encode(request_id: &str) -> String {
    format!(
        "<PutMetricDataResponse xmlns=\"{XML_NAMESPACE}\"><ResponseMetadata><RequestId>{request_id}</RequestId>\
         </ResponseMetadata></PutMetricDataResponse>"
    )
}

/// An error answer; `fault` is whose it is, `Sender` or `Receiver`.
pub fn encode_error(fault: &str, code: &str, message: &str, request_id: &str) -> String {
    let mut xml =
        format!("<ErrorResponse xmlns=\"{XML_NAMESPACE}\"><Error><Type>{fault}</Type><Code>{code}</Code><Message>");
    for c in message.chars() {
        let _ = match c {
            '<' => xml.write_str("&lt;"),
            '>' => xml.write_str("&gt;"),
            '&' => xml.write_str("&amp;"),
            // XML has no way to say these.
            c if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => xml.write_char(char::REPLACEMENT_CHARACTER),
            c => xml.write_char(c),
        };
    }
    let _ = write!(xml, "</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>");
    xml
}

/// A level of dotted names while a form is read.
#[derive(Default)]
struct Branch<'a> {
    leaf: Option<Cow<'a, str>>,
    children: BTreeMap<Segment, Self>,
}

/// Part of a dotted name. Numbers sort as numbers, so `member.10` follows `member.9`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Index(u32),
    Name(Box<str>),
}

impl<'a> Branch<'a> {
    fn set(&mut self, name: &str, value: Cow<'a, str>) -> Result<(), String> {
        let told = || name.chars().take(100).collect::<String>();
        let mut branch = self;
        for (depth, part) in name.split('.').enumerate() {
            if depth == MAX_DEPTH {
                return Err(format!("has the parameter {}, which is none", told()));
            }
            let segment = part.parse().map(Segment::Index).unwrap_or_else(|_| Segment::Name(part.into()));
            branch = branch.children.entry(segment).or_default();
        }
        match branch.leaf.replace(value) {
            None => Ok(()),
            Some(_) => Err(format!("has the parameter {} twice", told())),
        }
    }

    /// `X.member.1`, `X.member.2` is the list `X`; other numbers are a list under their own name (`entry`).
    fn into_node(self) -> Node<'a> {
        if let (true, Some(leaf)) = (self.children.is_empty(), self.leaf) {
            return Node::Form(leaf);
        }
        let mut fields: Vec<(Cow<'a, str>, Node<'a>)> = Vec::new();
        let mut items = Vec::new();
        for (segment, branch) in self.children {
            match segment {
                Segment::Index(_) => items.push(branch.into_node()),
                Segment::Name(name) => fields.push((Cow::Owned(name.into()), branch.into_node())),
            }
        }
        if !items.is_empty() {
            return Node::List(items);
        }
        match fields.as_slice() {
            [(name, Node::List(_))] if name == "member" => fields.pop().map_or(Node::Null, |(_, list)| list),
            _ => Node::Map(fields),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(text: &str) -> Node<'static> {
        Node::Form(text.to_owned().into())
    }

    fn map<'a>(fields: impl IntoIterator<Item = (&'a str, Node<'a>)>) -> Node<'a> {
        Node::Map(fields.into_iter().map(|(name, node)| (name.into(), node)).collect())
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body: Vec<u8>) {
            let _ = decode(&body);
        }
    }

    #[test]
    fn dotted_names_become_structures_and_lists() {
        let data: String = (1..=10).map(|n| format!("&MetricData.member.{n}.Value={n}")).collect();
        let body = format!("Action=PutMetricData&Version=2010-08-01&Namespace=a%20b+c{data}");
        let data = (1..=10).map(|n| map([("Value", form(&n.to_string()))])).collect();
        let fields = map([("MetricData", Node::List(data)), ("Namespace", form("a b c"))]);
        assert_eq!(decode(body.as_bytes()), Ok(Form { action: "PutMetricData".to_owned(), fields }));
    }

    #[test]
    fn a_map_is_a_list_of_entries() {
        let read = decode(b"E.KeyAttributes.entry.1.key=Type&E.KeyAttributes.entry.1.value=Service").unwrap();
        let entry = map([("key", form("Type")), ("value", form("Service"))]);
        assert_eq!(read.fields, map([("E", map([("KeyAttributes", map([("entry", Node::List(vec![entry]))]))]))]));
    }

    #[test]
    fn a_deep_name_a_name_twice_and_another_version_are_refused() {
        for body in ["a.".repeat(1 << 19), "a=1&a=2".to_owned(), "Version=2009-05-15".to_owned()] {
            assert!(decode(body.as_bytes()).is_err(), "{}", &body[..7]);
        }
    }

    #[test]
    fn an_error_is_escaped_and_legal() {
        let xml = encode_error("Sender", "InvalidParameterValue", "<&>\u{1}\n", "id");
        assert!(xml.contains("<Type>Sender</Type><Code>InvalidParameterValue</Code><Message>&lt;&amp;&gt;\u{fffd}\n<"));
    }
}
