//! Bodies of AWS Query: requests are forms, responses are XML.

use std::collections::BTreeMap;

use quick_xml::escape::escape;

use crate::clock;
use crate::error::{ApiError, ErrorKind};
use crate::wire_value::WireValue;

const API_VERSION: &str = "2010-08-01";
const XML_NAMESPACE: &str = "http://monitoring.amazonaws.com/doc/2010-08-01/";
/// Maximum number of segments in a name. Field names have fewer; the limit keeps a hostile form from building a deep
/// tree.
const MAX_NAME_SEGMENTS: usize = 12;

/// Decodes a form into its operation (`Action`) and its fields, whose dotted names become structures and lists.
pub(super) fn decode(body: &[u8]) -> Result<(String, WireValue), ApiError> {
    let mut root = FormTree::default();
    let mut action = String::new();
    for (name, value) in form_urlencoded::parse(body) {
        match name.as_ref() {
            "Action" => action = value.into_owned(),
            "Version" if value != API_VERSION => {
                let message = format!("The API version {value} is not supported; use {API_VERSION}.");
                return Err(ApiError::new(ErrorKind::UnknownOperation, message));
            }
            "Version" => {}
            _ => root.set(&name, value.into_owned())?,
        }
    }
    Ok((action, root.into_node()))
}

/// Encodes a response, with an `OperationResult` element if the operation returns fields.
pub(super) fn encode(operation: &str, request_id: &str, fields: Option<&WireValue>) -> Vec<u8> {
    let mut xml = format!("<{operation}Response xmlns=\"{XML_NAMESPACE}\">");
    if let Some(fields) = fields {
        write_element(&mut xml, &format!("{operation}Result"), fields);
    }
    xml.push_str("<ResponseMetadata>");
    write_element(&mut xml, "RequestId", &WireValue::text(request_id));
    xml.push_str(&format!("</ResponseMetadata></{operation}Response>"));
    xml.into_bytes()
}

/// Encodes an `ErrorResponse`.
pub(super) fn encode_error(error: &ApiError, request_id: &str) -> Vec<u8> {
    let mut xml = format!("<ErrorResponse xmlns=\"{XML_NAMESPACE}\">");
    let fields = [
        ("Type", WireValue::text(error.error_type())),
        ("Code", WireValue::text(error.query_code())),
        ("Message", WireValue::text(error.message())),
    ];
    write_element(&mut xml, "Error", &WireValue::structure(fields));
    write_element(&mut xml, "RequestId", &WireValue::text(request_id));
    xml.push_str("</ErrorResponse>");
    xml.into_bytes()
}

/// A node in the tree of dotted names.
#[derive(Default)]
struct FormTree {
    leaf: Option<String>,
    children: BTreeMap<NameSegment, FormTree>,
}

/// A segment of a dotted name. Indices sort as numbers, so that `member.10` follows `member.9`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum NameSegment {
    Index(u32),
    Name(String),
}

impl FormTree {
    fn set(&mut self, name: &str, value: String) -> Result<(), ApiError> {
        let mut branch = self;
        for (depth, part) in name.split('.').enumerate() {
            if depth == MAX_NAME_SEGMENTS {
                return Err(ApiError::new(ErrorKind::Serialization, format!("Unknown parameter {name}.")));
            }
            let segment = part.parse().map(NameSegment::Index).unwrap_or_else(|_| NameSegment::Name(part.to_owned()));
            branch = branch.children.entry(segment).or_default();
        }
        branch.leaf = Some(value);
        Ok(())
    }

    /// Converts the tree. `X.member.1` and `X.member.2` become the list `X`; under any other name than `member`, the
    /// list becomes a field (`entry`).
    fn into_node(self) -> WireValue {
        if let (true, Some(leaf)) = (self.children.is_empty(), self.leaf) {
            return WireValue::Form(leaf);
        }
        let mut fields = Vec::new();
        let mut items = Vec::new();
        for (segment, branch) in self.children {
            match segment {
                NameSegment::Index(_) => items.push(branch.into_node()),
                NameSegment::Name(name) => fields.push((name, branch.into_node())),
            }
        }
        if !items.is_empty() {
            return WireValue::List(items);
        }
        match fields.as_slice() {
            [(name, WireValue::List(_))] if name == "member" => fields.pop().map_or(WireValue::Null, |(_, list)| list),
            _ => WireValue::Structure(fields),
        }
    }
}

fn write_element(xml: &mut String, name: &str, node: &WireValue) {
    xml.push_str(&format!("<{name}>"));
    match node {
        WireValue::Null => {}
        WireValue::Bool(value) => xml.push_str(&value.to_string()),
        WireValue::Number(value) => xml.push_str(&format!("{value:?}")),
        WireValue::Text(text) | WireValue::Form(text) => xml.push_str(&escape(replace_illegal(text))),
        WireValue::Time(seconds) => {
            let date = clock::date((seconds * 1_000.0) as i64);
            xml.push_str(&date.format("%Y-%m-%dT%H:%M:%SZ").to_string());
        }
        WireValue::List(items) => items.iter().for_each(|item| write_element(xml, "member", item)),
        WireValue::Structure(fields) => fields.iter().for_each(|(name, field)| write_element(xml, name, field)),
        WireValue::Map(entries) => {
            for (key, value) in entries {
                xml.push_str("<entry>");
                write_element(xml, "key", &WireValue::text(key));
                write_element(xml, "value", value);
                xml.push_str("</entry>");
            }
        }
    }
    xml.push_str(&format!("</{name}>"));
}

/// Replaces control characters that XML does not allow, not even escaped.
fn replace_illegal(text: &str) -> String {
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
        let data = (1..=10).map(|n| WireValue::structure([("Value", WireValue::Form(n.to_string()))])).collect();
        assert_eq!(
            node,
            WireValue::structure([("MetricData", WireValue::List(data)), ("Namespace", WireValue::Form("a b".into()))])
        );
    }

    #[test]
    fn a_map_is_a_list_of_entries() {
        let (_, node) = decode(b"E.KeyAttributes.entry.1.key=Type&E.KeyAttributes.entry.1.value=Service").unwrap();
        let entry = WireValue::structure([
            ("key", WireValue::Form("Type".into())),
            ("value", WireValue::Form("Service".into())),
        ]);
        let attributes = WireValue::structure([("entry", WireValue::List(vec![entry]))]);
        assert_eq!(node, WireValue::structure([("E", WireValue::structure([("KeyAttributes", attributes)]))]));
    }

    #[test]
    fn a_deep_name_and_another_version_are_rejected() {
        assert!(decode("a.".repeat(20).as_bytes()).is_err());
        let error = decode(b"Action=PutMetricData&Version=2009-05-15").unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::UnknownOperation);
    }

    #[test]
    fn text_is_escaped_and_illegal_characters_replaced() {
        let xml =
            String::from_utf8(encode("X", "id", Some(&WireValue::structure([("A", WireValue::text("<&>\u{1}"))]))))
                .unwrap();
        assert!(xml.contains("<XResult><A>&lt;&amp;&gt;\u{fffd}</A></XResult>"), "{xml}");
    }

    #[test]
    fn an_error_has_the_format_of_aws() {
        let error = ApiError::new(ErrorKind::SignatureMismatch, "no");
        let xml = String::from_utf8(encode_error(&error, "id")).unwrap();
        assert!(xml.contains("<Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error><RequestId>id</RequestId>"));
    }

    #[test]
    fn a_map_has_entries_and_a_timestamp_is_iso8601() {
        let node = WireValue::structure([
            ("T", WireValue::Time(0.0)),
            ("D", WireValue::Map(vec![("p99".into(), WireValue::Number(1.0))])),
            ("L", WireValue::List(vec![WireValue::text("a")])),
        ]);
        let xml = String::from_utf8(encode("X", "id", Some(&node))).unwrap();
        assert!(xml.contains(
            "<T>1970-01-01T00:00:00Z</T><D><entry><key>p99</key><value>1.0</value></entry></D><L><member>a</member></L>"
        ));
    }
}
