//! AWS Query: form bodies in, XML out.

use std::collections::BTreeMap;

use quick_xml::escape::escape;

use crate::clock;
use crate::error::{ApiError, ErrorKind};
use crate::node::Node;

const API_VERSION: &str = "2010-08-01";
const XML_NAMESPACE: &str = "http://monitoring.amazonaws.com/doc/2010-08-01/";
/// Deeper names than any field has, so that a hostile form cannot build a deep tree.
const MAX_DEPTH: usize = 12;

/// Reads a form: the operation of `Action`, and the fields, whose dotted names become structures and lists.
pub(super) fn decode(body: &[u8]) -> Result<(String, Node), ApiError> {
    let mut root = Branch::default();
    let mut action = String::new();
    for (name, value) in form_urlencoded::parse(body) {
        match name.as_ref() {
            "Action" => action = value.into_owned(),
            "Version" if value != API_VERSION => {
                let message = format!("Could not find version {value} of this API.");
                return Err(ApiError::new(ErrorKind::UnknownOperation, message));
            }
            "Version" => {}
            _ => root.set(&name, value.into_owned())?,
        }
    }
    Ok((action, root.into_node()))
}

/// Writes `OperationResponse`, with `OperationResult` when the operation answers something.
pub(super) fn encode(operation: &str, request_id: &str, fields: Option<&Node>) -> Vec<u8> {
    let mut xml = format!("<{operation}Response xmlns=\"{XML_NAMESPACE}\">");
    if let Some(fields) = fields {
        write_element(&mut xml, &format!("{operation}Result"), fields);
    }
    xml.push_str("<ResponseMetadata>");
    write_element(&mut xml, "RequestId", &Node::text(request_id));
    xml.push_str(&format!("</ResponseMetadata></{operation}Response>"));
    xml.into_bytes()
}

/// Writes an `ErrorResponse`.
pub(super) fn refusal(error: &ApiError, request_id: &str) -> Vec<u8> {
    let mut xml = format!("<ErrorResponse xmlns=\"{XML_NAMESPACE}\">");
    let fields = [
        ("Type", Node::text(error.fault())),
        ("Code", Node::text(error.query_code())),
        ("Message", Node::text(error.message())),
    ];
    write_element(&mut xml, "Error", &Node::map(fields));
    write_element(&mut xml, "RequestId", &Node::text(request_id));
    xml.push_str("</ErrorResponse>");
    xml.into_bytes()
}

/// A level of dotted names while a form is read.
#[derive(Default)]
struct Branch {
    leaf: Option<String>,
    children: BTreeMap<Segment, Branch>,
}

/// Part of a dotted name. Numbers sort as numbers, so `member.10` follows `member.9`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Index(u32),
    Name(String),
}

impl Branch {
    fn set(&mut self, name: &str, value: String) -> Result<(), ApiError> {
        let mut branch = self;
        for (depth, part) in name.split('.').enumerate() {
            if depth == MAX_DEPTH {
                return Err(ApiError::new(ErrorKind::Serialization, format!("{name} is not a parameter.")));
            }
            let segment = part.parse().map(Segment::Index).unwrap_or_else(|_| Segment::Name(part.to_owned()));
            branch = branch.children.entry(segment).or_default();
        }
        branch.leaf = Some(value);
        Ok(())
    }

    /// `X.member.1`, `X.member.2` is the list `X`; other indices are a list under their own name (`entry`).
    fn into_node(self) -> Node {
        if let (true, Some(leaf)) = (self.children.is_empty(), self.leaf) {
            return Node::Form(leaf);
        }
        let mut fields = Vec::new();
        let mut items = Vec::new();
        for (segment, branch) in self.children {
            match segment {
                Segment::Index(_) => items.push(branch.into_node()),
                Segment::Name(name) => fields.push((name, branch.into_node())),
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

fn write_element(xml: &mut String, name: &str, node: &Node) {
    xml.push_str(&format!("<{name}>"));
    match node {
        Node::Null => {}
        Node::Bool(value) => xml.push_str(&value.to_string()),
        Node::Number(value) => xml.push_str(&format!("{value:?}")),
        Node::Text(text) | Node::Form(text) => xml.push_str(&escape(legal(text))),
        Node::Time(seconds) => {
            let date = clock::date((seconds * 1_000.0) as i64);
            xml.push_str(&date.format("%Y-%m-%dT%H:%M:%SZ").to_string());
        }
        Node::List(items) => items.iter().for_each(|item| write_element(xml, "member", item)),
        Node::Map(fields) => fields.iter().for_each(|(name, field)| write_element(xml, name, field)),
        Node::Dictionary(entries) => {
            for (key, value) in entries {
                xml.push_str("<entry>");
                write_element(xml, "key", &Node::text(key));
                write_element(xml, "value", value);
                xml.push_str("</entry>");
            }
        }
    }
    xml.push_str(&format!("</{name}>"));
}

/// Text without the control characters XML cannot carry even escaped.
fn legal(text: &str) -> String {
    let is_legal = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    text.chars().map(|c| if is_legal(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_names_become_structures_and_lists() {
        let form: String = (1..=10).map(|n| format!("&MetricData.member.{n}.Value={n}")).collect();
        let (action, node) =
            decode(format!("Action=PutMetricData&Version=2010-08-01&Namespace=a%20b{form}").as_bytes()).unwrap();
        assert_eq!(action, "PutMetricData");
        let data = (1..=10).map(|n| Node::map([("Value", Node::Form(n.to_string()))])).collect();
        assert_eq!(node, Node::map([("MetricData", Node::List(data)), ("Namespace", Node::Form("a b".into()))]));
    }

    #[test]
    fn a_map_is_a_list_of_entries() {
        let (_, node) = decode(b"E.KeyAttributes.entry.1.key=Type&E.KeyAttributes.entry.1.value=Service").unwrap();
        let entry = Node::map([("key", Node::Form("Type".into())), ("value", Node::Form("Service".into()))]);
        let attributes = Node::map([("entry", Node::List(vec![entry]))]);
        assert_eq!(node, Node::map([("E", Node::map([("KeyAttributes", attributes)]))]));
    }

    #[test]
    fn a_deep_name_and_another_version_are_refused() {
        assert!(decode("a.".repeat(20).as_bytes()).is_err());
        let error = decode(b"Action=PutMetricData&Version=2009-05-15").unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::UnknownOperation);
    }

    #[test]
    fn text_is_escaped_and_legal() {
        let xml = String::from_utf8(encode("X", "id", Some(&Node::map([("A", Node::text("<&>\u{1}"))])))).unwrap();
        assert!(xml.contains("<XResult><A>&lt;&amp;&gt;\u{fffd}</A></XResult>"), "{xml}");
    }

    #[test]
    fn an_error_has_aws_shape() {
        let error = ApiError::new(ErrorKind::SignatureMismatch, "no");
        let xml = String::from_utf8(refusal(&error, "id")).unwrap();
        assert!(xml.contains("<Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error><RequestId>id</RequestId>"));
    }

    #[test]
    fn a_dictionary_is_entries_and_a_moment_is_iso8601() {
        let node = Node::map([
            ("T", Node::Time(0.0)),
            ("D", Node::Dictionary(vec![("p99".into(), Node::Number(1.0))])),
            ("L", Node::List(vec![Node::text("a")])),
        ]);
        let xml = String::from_utf8(encode("X", "id", Some(&node))).unwrap();
        assert!(xml.contains(
            "<T>1970-01-01T00:00:00Z</T><D><entry><key>p99</key><value>1.0</value></entry></D><L><member>a</member></L>"
        ));
    }
}
