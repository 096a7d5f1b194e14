//! Decodes and encodes Smithy RPC v2 CBOR bodies.

use std::borrow::Cow;

use ciborium_io::Read as _;
use ciborium_ll::{Decoder, Encoder, Error, Header, simple, tag};

use crate::node::Node;

/// The tag of a time in seconds since the epoch.
const EPOCH_TAG: u64 = 1;

/// The maximum nesting depth, which is more than any valid request has.
const MAX_DEPTH: usize = 16;

/// Decodes a body. An empty body is an empty structure.
///
/// # Errors
/// Invalid CBOR, and types that no field has. The message continues the words "The request".
pub fn decode(body: &[u8]) -> Result<Node<'static>, String> {
    if body.is_empty() {
        return Ok(Node::Map(Vec::new()));
    }
    let mut reader = Reader { decoder: Decoder::from(body), length: body.len() };
    let node = reader.node(MAX_DEPTH).map_err(|what| format!("is not valid CBOR: {what}"))?;
    if reader.decoder.offset() == body.len() {
        Ok(node)
    } else {
        Err("is not valid CBOR: bytes follow the value".to_owned())
    }
}

/// Encodes a structure whose fields are texts.
pub fn encode(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut encoder = Encoder::from(&mut body);
    // Writing to memory cannot fail.
    let _ = encoder.push(Header::Map(Some(fields.len())));
    for (name, value) in fields {
        let _ = encoder.text(name, None);
        let _ = encoder.text(value, None);
    }
    body
}

struct Reader<'b> {
    decoder: Decoder<&'b [u8]>,
    /// The length of the body in bytes.
    length: usize,
}

impl Reader<'_> {
    fn node(&mut self, depth: usize) -> Result<Node<'static>, &'static str> {
        let header = self.decoder.pull().map_err(describe)?;
        self.node_of(header, depth)
    }

    fn node_of(&mut self, header: Header, depth: usize) -> Result<Node<'static>, &'static str> {
        let below = depth.checked_sub(1).ok_or("values are nested too deeply")?;
        Ok(match header {
            Header::Positive(value) => Node::Number(value as f64),
            // The value is −1 − n, whose bits are those of n inverted.
            Header::Negative(value) => Node::Number((-1 - i128::from(value)) as f64),
            Header::Float(value) => Node::Number(value),
            Header::Simple(simple::FALSE) => Node::Bool(false),
            Header::Simple(simple::TRUE) => Node::Bool(true),
            Header::Simple(simple::NULL | simple::UNDEFINED) => Node::Null,
            Header::Tag(EPOCH_TAG) => match self.node(below)? {
                Node::Number(seconds) => Node::Time(seconds),
                _ => return Err("tag 1 must hold a number"),
            },
            Header::Tag(tag::BIGPOS | tag::BIGNEG) => return Err("integers of more than 64 bits are not supported"),
            Header::Tag(_) => self.node(below)?,
            Header::Text(length) => Node::Text(Cow::Owned(self.text(length)?)),
            Header::Array(length) => {
                let mut items = Vec::new();
                while let Some(header) = self.next(length, items.len())? {
                    items.push(self.node_of(header, below)?);
                }
                Node::List(items)
            }
            Header::Map(length) => {
                let mut entries = Vec::new();
                while let Some(header) = self.next(length, entries.len())? {
                    let Header::Text(length) = header else { return Err("a map key is not text") };
                    let name = self.text(length)?;
                    entries.push((Cow::Owned(name), self.node(below)?));
                }
                Node::Map(entries)
            }
            Header::Bytes(_) => return Err("byte strings are not supported"),
            Header::Break => return Err("unexpected break"),
            Header::Simple(_) => return Err("unsupported simple value"),
        })
    }

    /// Returns the header of the next item, or `None` at the end of the collection.
    fn next(&mut self, length: Option<usize>, read: usize) -> Result<Option<Header>, &'static str> {
        if length.is_some_and(|length| read >= length) {
            return Ok(None);
        }
        match self.decoder.pull().map_err(describe)? {
            Header::Break if length.is_none() => Ok(None),
            header => Ok(Some(header)),
        }
    }

    /// Reads text. Text of unknown length consists of several chunks.
    fn text(&mut self, length: Option<usize>) -> Result<String, &'static str> {
        let mut bytes = Vec::new();
        match length {
            Some(length) => self.append(length, &mut bytes)?,
            None => loop {
                match self.decoder.pull().map_err(describe)? {
                    Header::Text(Some(length)) => self.append(length, &mut bytes)?,
                    Header::Break => break,
                    _ => return Err("a text contains a chunk that is not text"),
                }
            },
        }
        String::from_utf8(bytes).map_err(|_| "a text is not UTF-8")
    }

    fn append(&mut self, length: usize, bytes: &mut Vec<u8>) -> Result<(), &'static str> {
        // Checks the length before allocating.
        if length > self.length.saturating_sub(self.decoder.offset()) {
            return Err("the data ends early");
        }
        let before = bytes.len();
        bytes.resize(before.saturating_add(length), 0);
        self.decoder.read_exact(bytes.get_mut(before..).unwrap_or_default()).map_err(|_| "the data ends early")
    }
}

fn describe<T>(error: Error<T>) -> &'static str {
    match error {
        Error::Io(_) => "the data ends early",
        Error::Syntax(_) => "invalid initial byte",
    }
}

#[cfg(test)]
mod tests {
    use ciborium::Value;
    use proptest::prelude::*;

    use super::*;

    fn encoded(value: &Value) -> Vec<u8> {
        let mut body = Vec::new();
        ciborium::into_writer(value, &mut body).unwrap();
        body
    }

    fn values() -> impl Strategy<Value = (Value, Node<'static>)> {
        let leaf = prop_oneof![
            any::<f64>()
                .prop_filter("equal to itself", |value| !value.is_nan())
                .prop_map(|value| (Value::Float(value), Node::Number(value))),
            any::<i64>().prop_map(|value| (Value::Integer(value.into()), Node::Number(value as f64))),
            any::<bool>().prop_map(|value| (Value::Bool(value), Node::Bool(value))),
            any::<String>().prop_map(|text| (Value::Text(text.clone()), Node::Text(text.into()))),
            any::<i32>().prop_map(|seconds| {
                (Value::Tag(1, Box::new(Value::Integer(seconds.into()))), Node::Time(f64::from(seconds)))
            }),
            Just((Value::Null, Node::Null)),
        ];
        leaf.prop_recursive(6, 60, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(|items| {
                    let (values, nodes) = items.into_iter().unzip();
                    (Value::Array(values), Node::List(nodes))
                }),
                prop::collection::vec((any::<String>(), inner), 0..6).prop_map(|entries| {
                    let value = |(name, (value, _)): &(String, (Value, _))| (Value::Text(name.clone()), value.clone());
                    let node = |(name, (_, node)): &(String, (_, Node<'static>))| (name.clone().into(), node.clone());
                    (Value::Map(entries.iter().map(value).collect()), Node::Map(entries.iter().map(node).collect()))
                }),
            ]
        })
    }

    fn values_in(node: &Node<'_>) -> usize {
        match node {
            Node::List(items) => 1 + items.iter().map(values_in).sum::<usize>(),
            Node::Map(entries) => 1 + entries.iter().map(|(_, value)| 1 + values_in(value)).sum::<usize>(),
            _ => 1,
        }
    }

    proptest! {
        #[test]
        fn values_encoded_by_ciborium_are_decoded((value, node) in values()) {
            prop_assert_eq!(decode(&encoded(&value)), Ok(node));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused_with_a_reason(body: Vec<u8>) {
            match decode(&body) {
                // Every value takes at least a byte.
                Ok(node) => prop_assert!(values_in(&node) <= body.len().max(1)),
                Err(reason) => prop_assert!(reason.starts_with("is not valid CBOR: "), "{}", reason),
            }
        }
    }

    #[test]
    fn collections_and_texts_of_unknown_length_are_decoded() {
        // {_ "a": [_ 1], (_ "b", "c"): false}
        let body = [0xbf, 0x61, b'a', 0x9f, 0x01, 0xff, 0x7f, 0x61, b'b', 0x61, b'c', 0xff, 0xf4, 0xff];
        let expected = vec![("a".into(), Node::List(vec![Node::Number(1.0)])), ("bc".into(), Node::Bool(false))];
        assert_eq!(decode(&body), Ok(Node::Map(expected)));
    }

    #[test]
    fn invalid_and_unsupported_values_are_refused() {
        let deep = [0x81].repeat(1 << 20);
        let long: [u8; 9] = [0x7b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        let many: [u8; 9] = [0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        let cases =
            [&[0xa1][..], &[0xa0, 0xa0], &[0xa1, 0x01, 0x01], &[0x41, 0x00], &[0xc1, 0x61, b'x'], &[0xff], &[0x1c]];
        for body in cases.into_iter().chain([deep.as_slice(), &long, &many]) {
            assert!(decode(body).is_err(), "{:?}", &body[..body.len().min(9)]);
        }
    }

    #[test]
    fn an_answer_is_decoded_by_ciborium() {
        let body = encode(&[("__type", "X"), ("message", "é")]);
        let value: Value = ciborium::from_reader(body.as_slice()).unwrap();
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(value, Value::Map(vec![(text("__type"), text("X")), (text("message"), text("é"))]));
    }
}
