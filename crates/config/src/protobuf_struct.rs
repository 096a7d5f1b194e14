//! Decodes `google.protobuf.Struct`, in which Envoy accepts a plugin's configuration besides text.
//!
//! Envoy's documentation says that Envoy converts a Struct to JSON, but Envoy 1.40 passes the encoded protobuf message
//! to the plugin.

use serde_json::{Map, Value};

/// The maximum nesting depth. No valid configuration is nested as deeply.
const MAX_DEPTH: usize = 32;

/// Decodes the bytes of a Struct. Returns `None` if they are not a Struct.
pub(crate) fn decode(bytes: &[u8]) -> Option<Value> {
    structure(bytes, MAX_DEPTH)
}

/// The payload of a field.
enum Payload<'b> {
    Varint(u64),
    Fixed(f64),
    Bytes(&'b [u8]),
}

/// Decodes `message Struct { map<string, Value> fields = 1; }`.
fn structure(bytes: &[u8], depth: usize) -> Option<Value> {
    let below = depth.checked_sub(1)?;
    let mut members = Map::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (1, Payload::Bytes(mut entry)) = field(&mut rest)? else { return None };
        let (mut key, mut member) = (String::new(), Value::Null);
        while !entry.is_empty() {
            match field(&mut entry)? {
                (1, Payload::Bytes(name)) => key = text(name)?,
                (2, Payload::Bytes(bytes)) => member = value(bytes, below)?,
                _ => return None,
            }
        }
        members.insert(key, member);
    }
    Some(Value::Object(members))
}

/// Decodes `message Value`, a oneof of null 1, number 2, string 3, bool 4, Struct 5 and ListValue 6.
fn value(bytes: &[u8], depth: usize) -> Option<Value> {
    let below = depth.checked_sub(1)?;
    let mut decoded = Value::Null;
    let mut rest = bytes;
    while !rest.is_empty() {
        decoded = match field(&mut rest)? {
            (1, Payload::Varint(_)) => Value::Null,
            (2, Payload::Fixed(number)) => Value::from(number),
            (3, Payload::Bytes(bytes)) => Value::String(text(bytes)?),
            (4, Payload::Varint(flag)) => Value::Bool(flag != 0),
            (5, Payload::Bytes(bytes)) => structure(bytes, below)?,
            (6, Payload::Bytes(bytes)) => list(bytes, below)?,
            _ => return None,
        };
    }
    Some(decoded)
}

/// Decodes `message ListValue { repeated Value values = 1; }`.
fn list(bytes: &[u8], depth: usize) -> Option<Value> {
    let mut items = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (1, Payload::Bytes(item)) = field(&mut rest)? else { return None };
        items.push(value(item, depth)?);
    }
    Some(Value::Array(items))
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// Reads the number and the payload of the next field, and advances `rest`.
fn field<'b>(rest: &mut &'b [u8]) -> Option<(u64, Payload<'b>)> {
    let tag = varint(rest)?;
    let payload = match tag & 7 {
        0 => Payload::Varint(varint(rest)?),
        1 => {
            let (bytes, after) = rest.split_first_chunk()?;
            *rest = after;
            Payload::Fixed(f64::from_le_bytes(*bytes))
        }
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            let (bytes, after) = rest.split_at_checked(length)?;
            *rest = after;
            Payload::Bytes(bytes)
        }
        _ => return None,
    };
    Some((tag >> 3, payload))
}

/// Reads the next varint, and advances `rest`.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn put_varint(mut number: usize, out: &mut Vec<u8>) {
        while number > 0x7f {
            out.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        out.push(number as u8);
    }

    fn put(number: u8, bytes: &[u8], out: &mut Vec<u8>) {
        out.push(number << 3 | 2);
        put_varint(bytes.len(), out);
        out.extend_from_slice(bytes);
    }

    /// Encodes a `Value` message according to the protobuf specification.
    fn encoded(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        match value {
            Value::Null => out.extend([1 << 3, 0]),
            Value::Bool(flag) => out.extend([4 << 3, u8::from(*flag)]),
            Value::Number(number) => {
                out.push(2 << 3 | 1);
                out.extend(number.as_f64().unwrap().to_le_bytes());
            }
            Value::String(text) => put(3, text.as_bytes(), &mut out),
            Value::Array(items) => {
                let mut list = Vec::new();
                items.iter().for_each(|item| put(1, &encoded(item), &mut list));
                put(6, &list, &mut out);
            }
            Value::Object(_) => put(5, &encoded_struct(value), &mut out),
        }
        out
    }

    fn encoded_struct(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        for (key, value) in value.as_object().unwrap() {
            let mut entry = Vec::new();
            put(1, key.as_bytes(), &mut entry);
            put(2, &encoded(value), &mut entry);
            put(1, &entry, &mut out);
        }
        out
    }

    #[test]
    fn a_struct_encoded_by_another_implementation_is_decoded() {
        // Written by SerializeToString of Python's protobuf 7.
        let bytes = b"\n\x11\n\x0bconcurrency\x12\x02\x08\x00\n\x1a\n\x01d\x12\x15*\x13\n\x11\n\x01S\x12\x0c*\n\n\x08\n\
            \x01v\x12\x03\x1a\x01x\n \n\x0bmatch_hosts\x12\x112\x0f\n\r\x1a\x0bexample.com\n\x17\n\nmax_series\x12\t\x11\
            \x00\x00\x00\x00\x00L\xed@\n\x14\n\x0enormalize_path\x12\x02\x20\x00\n\x1c\n\x0ereceiver_vm_id\x12\n\
            \x1a\x08receiver";
        let expected = json!({
            "concurrency": null, "d": { "S": { "v": "x" } }, "match_hosts": ["example.com"], "max_series": 60_000.0,
            "normalize_path": false, "receiver_vm_id": "receiver",
        });
        assert_eq!(decode(bytes), Some(expected));
    }

    #[test]
    fn every_type_is_decoded_at_any_depth() {
        let document = json!({
            "receiver_vm_id": "receiver", "match_hosts": ["example.com", "*.example.org"], "max_series": 1000.0,
            "dimensions": { "Service": "é", "Tenant": { "request_header": "x-tenant", "default": "none" } },
            "dimension_sets": [[], ["host"]], "normalize_path": false, "concurrency": null, "": {}, "n": -0.5,
        });
        assert_eq!(decode(&encoded_struct(&document)), Some(document.clone()));
        let long = json!({ "text": "x".repeat(100_000) });
        assert_eq!(decode(&encoded_struct(&long)), Some(long));
    }

    #[test]
    fn truncated_malformed_and_deep_input_is_refused() {
        let whole = encoded_struct(&json!({ "a": [1.0, { "b": "c" }] }));
        for length in 1..whole.len() {
            assert_eq!(decode(&whole[..length]), None, "{length}");
        }
        let mut deep = json!(null);
        for _ in 0..100 {
            deep = json!([deep]);
        }
        let deep = encoded_struct(&json!({ "a": deep }));
        for bytes in
            [b"{\"a\": 1}".as_slice(), b"\n", b"\x08\x01", b"\n\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", &deep]
        {
            assert_eq!(decode(bytes), None);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_decode_to_an_object_or_not_at_all(bytes: Vec<u8>) {
            prop_assert!(decode(&bytes).is_none_or(|value| value.is_object()));
        }
    }
}
