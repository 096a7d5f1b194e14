//! Decodes forms and encodes XML, the formats of AWS Query.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _};

use crate::node::Node;

const VERSION: &str = "2010-08-01";
const XML_NAMESPACE: &str = "http://monitoring.amazonaws.com/doc/2010-08-01/";

/// The maximum number of parts in a parameter's name, which is more than any valid name has.
const MAX_DEPTH: usize = 12;

/// A decoded form.
#[derive(Clone, Debug, PartialEq)]
pub struct Form<'a> {
    /// The parameter `Action`, or empty if it is absent.
    pub action: String,
    /// All other parameters. Dotted names become structures and lists.
    pub fields: Node<'a>,
}

/// Decodes a body.
///
/// # Errors
/// A repeated parameter, a parameter whose name has too many parts, or another version of the API. The message
/// continues the words "The request".
pub fn decode(body: &[u8]) -> Result<Form<'_>, String> {
    let mut root = Branch::default();
    let mut action = None;
    for (name, value) in form_urlencoded::parse(body) {
        match name.as_ref() {
            "Action" if action.is_some() => return Err("has the parameter Action twice; send it once".to_owned()),
            "Action" => action = Some(value.into_owned()),
            "Version" if value != VERSION => return Err(format!("must have the parameter Version={VERSION}")),
            "Version" => {}
            name => root.set(name, value)?,
        }
    }
    Ok(Form { action: action.unwrap_or_default(), fields: root.into_node() })
}

/// Encodes the answer to a successful PutMetricData.
pub fn encode(request_id: &str) -> String {
    format!(
        "<PutMetricDataResponse xmlns=\"{XML_NAMESPACE}\"><ResponseMetadata><RequestId>{request_id}</RequestId>\
         </ResponseMetadata></PutMetricDataResponse>"
    )
}

/// Encodes an error. `fault` is the party at fault, `Sender` or `Receiver`.
pub fn encode_error(fault: &str, code: &str, message: &str, request_id: &str) -> String {
    let mut xml =
        format!("<ErrorResponse xmlns=\"{XML_NAMESPACE}\"><Error><Type>{fault}</Type><Code>{code}</Code><Message>");
    for c in message.chars() {
        let _ = match c {
            '<' => xml.write_str("&lt;"),
            '>' => xml.write_str("&gt;"),
            '&' => xml.write_str("&amp;"),
            // XML 1.0 does not allow these, even as references.
            c if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => xml.write_char(char::REPLACEMENT_CHARACTER),
            c => xml.write_char(c),
        };
    }
    let _ = write!(xml, "</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>");
    xml
}

/// A level of the tree that dotted names form.
#[derive(Default)]
struct Branch<'a> {
    leaf: Option<Cow<'a, str>>,
    children: BTreeMap<Segment, Self>,
}

/// A part of a dotted name. Numbers are ordered numerically, so `member.10` follows `member.9`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Index(u32),
    Name(Box<str>),
}

impl<'a> Branch<'a> {
    fn set(&mut self, name: &str, value: Cow<'a, str>) -> Result<(), String> {
        let shortened = || name.chars().take(100).collect::<String>();
        let mut branch = self;
        for (depth, part) in name.split('.').enumerate() {
            if depth == MAX_DEPTH {
                return Err(format!("has a parameter whose name has more than {MAX_DEPTH} parts: {}", shortened()));
            }
            let segment = part.parse().map(Segment::Index).unwrap_or_else(|_| Segment::Name(part.into()));
            branch = branch.children.entry(segment).or_default();
        }
        match branch.leaf.replace(value) {
            None => Ok(()),
            Some(_) => Err(format!("has the parameter {} twice; send it once", shortened())),
        }
    }

    /// Converts the tree. `X.member.1` and `X.member.2` are items of the list `X`; a list under any other name keeps
    /// that name, such as `entry`.
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
        fn parameters_of_any_text_are_decoded(name in "[^.]{1,20}", value: String) {
            prop_assume!(name != "Action" && name != "Version" && name.parse::<u32>().is_err());
            let body = form_urlencoded::Serializer::new(String::new()).append_pair(&name, &value).finish();
            let fields = map([(name.as_str(), form(&value))]);
            prop_assert_eq!(decode(body.as_bytes()), Ok(Form { action: String::new(), fields }));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused_with_a_reason(body: Vec<u8>) {
            if let Err(reason) = decode(&body) {
                prop_assert!(reason.starts_with("has ") || reason.starts_with("must "), "{}", reason);
            }
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
    fn entries_of_a_map_become_a_list() {
        let read = decode(b"E.KeyAttributes.entry.1.key=Type&E.KeyAttributes.entry.1.value=Service").unwrap();
        let entry = map([("key", form("Type")), ("value", form("Service"))]);
        assert_eq!(read.fields, map([("E", map([("KeyAttributes", map([("entry", Node::List(vec![entry]))]))]))]));
    }

    #[test]
    fn a_deep_name_a_repeated_name_and_another_version_are_refused() {
        for body in ["a.".repeat(1 << 19), "a=1&a=2".to_owned(), "Version=2009-05-15".to_owned()] {
            assert!(decode(body.as_bytes()).is_err(), "{}", &body[..7]);
        }
    }

    #[test]
    fn an_error_message_is_escaped_and_valid_xml() {
        let xml = encode_error("Sender", "InvalidParameterValue", "<&>\u{1}\n", "id");
        assert!(xml.contains("<Type>Sender</Type><Code>InvalidParameterValue</Code><Message>&lt;&amp;&gt;\u{fffd}\n<"));
    }
}
