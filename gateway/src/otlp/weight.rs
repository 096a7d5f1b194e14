//! Estimates the memory that a decoded export takes, before it is decoded.
//!
//! An empty message takes two bytes in a body and more than a hundred in memory, so the limit of the body alone would
//! let a hostile export take fifty times that limit. The memory of a Wasm module never shrinks.

use acpw_otlp as otlp;
use prost::{
    bytes::Buf as _,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};

/// The memory that a decoded export may take, in bytes. An export of 1 MiB with typical data points takes less.
const MAX_BYTES: usize = 8 << 20;

/// The greatest number of values and members in a JSON document. A message takes at least two of them and at most 200
/// bytes in memory. A document of 1 MiB with typical data points has fewer than 100,000.
const MAX_JSON_ITEMS: usize = 200_000;

/// The memory of a message besides its fields, in bytes: allocations of short texts and the reserve of growing lists.
const OVERHEAD_BYTES: usize = 32;

/// The greatest depth of nested messages. `prost` refuses deeper ones.
const MAX_DEPTH: u32 = 100;

/// A message that has other messages in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    ResourceMetrics,
    /// A resource or a scope, whose only messages are attributes.
    Described {
        attributes: u32,
    },
    ScopeMetrics,
    Metric,
    /// The data of a metric, with data points of this kind.
    Data(Point),
    Point(Point),
    Attribute,
    AnyValue,
    Values,
    Attributes,
    /// A message without messages.
    Leaf,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Point {
    Number,
    Histogram,
    Exponential,
    Summary,
}

impl Kind {
    /// Returns the kind of the message in a field, with its size in memory.
    fn child(self, tag: u32) -> Option<(Self, usize)> {
        Some(match (self, tag) {
            (Self::Request, 1) => (Self::ResourceMetrics, size_of::<otlp::ResourceMetrics>()),
            (Self::ResourceMetrics, 1) => (Self::Described { attributes: 1 }, 0),
            (Self::ResourceMetrics, 2) => (Self::ScopeMetrics, size_of::<otlp::ScopeMetrics>()),
            (Self::ScopeMetrics, 1) => (Self::Described { attributes: 3 }, 0),
            (Self::ScopeMetrics, 2) => (Self::Metric, size_of::<otlp::Metric>()),
            (Self::Metric, 5 | 7) => (Self::Data(Point::Number), 0),
            (Self::Metric, 9) => (Self::Data(Point::Histogram), 0),
            (Self::Metric, 10) => (Self::Data(Point::Exponential), 0),
            (Self::Metric, 11) => (Self::Data(Point::Summary), 0),
            (Self::Data(point), 1) => (Self::Point(point), point.size()),
            (Self::Point(Point::Number | Point::Summary), 7)
            | (Self::Point(Point::Histogram), 9)
            | (Self::Point(Point::Exponential), 1)
            | (Self::Attributes, 1) => (Self::Attribute, size_of::<otlp::KeyValue>()),
            (Self::Point(Point::Summary), 6) => (Self::Leaf, size_of::<otlp::ValueAtQuantile>()),
            (Self::Described { attributes }, tag) if tag == attributes => {
                (Self::Attribute, size_of::<otlp::KeyValue>())
            }
            (Self::Attribute, 2) => (Self::AnyValue, 0),
            (Self::AnyValue, 5) => (Self::Values, 0),
            (Self::AnyValue, 6) => (Self::Attributes, 0),
            (Self::Values, 1) => (Self::AnyValue, size_of::<otlp::AnyValue>()),
            _ => return None,
        })
    }

    /// Returns the memory of each byte in a field that is a list of numbers.
    fn bytes_per_packed_byte(self, tag: u32) -> usize {
        match (self, tag) {
            // Buckets, whose counts take one byte or more each, and eight in memory.
            (Self::Point(Point::Exponential), 8 | 9) => 8,
            _ => 1,
        }
    }
}

impl Point {
    fn size(self) -> usize {
        match self {
            Self::Number => size_of::<otlp::NumberDataPoint>(),
            Self::Histogram => size_of::<otlp::HistogramDataPoint>(),
            Self::Exponential => size_of::<otlp::ExponentialHistogramDataPoint>(),
            Self::Summary => size_of::<otlp::SummaryDataPoint>(),
        }
    }
}

/// Returns false if the export would take too much memory. A body that is not an export may be light; decoding it
/// fails.
pub(super) fn is_light_protobuf(body: &[u8]) -> bool {
    let mut room = MAX_BYTES;
    subtract(body, Kind::Request, MAX_DEPTH, &mut room).is_some()
}

/// Returns false if the document would take too much memory.
pub(super) fn is_light_json(body: &[u8]) -> bool {
    let items = body.iter().filter(|byte| matches!(byte, b',' | b'{' | b'[')).count();
    items <= MAX_JSON_ITEMS
}

/// Subtracts the memory of a message's fields from `room`. Returns `None` if it is used up.
fn subtract(mut rest: &[u8], kind: Kind, depth: u32, room: &mut usize) -> Option<()> {
    while !rest.is_empty() {
        // The decoder reports what is malformed.
        let Ok((tag, wire)) = decode_key(&mut rest) else { return Some(()) };
        if wire != WireType::LengthDelimited {
            if skip_field(wire, tag, &mut rest, DecodeContext::default()).is_err() {
                return Some(());
            }
            continue;
        }
        let length = decode_varint(&mut rest).ok().and_then(|length| usize::try_from(length).ok());
        let Some(field) = length.and_then(|length| rest.get(..length)) else { return Some(()) };
        rest.advance(field.len());
        match kind.child(tag) {
            Some((child, size)) => {
                *room = room.checked_sub(size.saturating_add(OVERHEAD_BYTES))?;
                if let Some(depth) = depth.checked_sub(1) {
                    subtract(field, child, depth, room)?;
                }
            }
            None => *room = room.checked_sub(field.len().saturating_mul(kind.bytes_per_packed_byte(tag)))?,
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    fn wrapped(tag: u8, count: usize, inner: &[u8]) -> Vec<u8> {
        let mut one = vec![tag << 3 | 2];
        prost::encoding::encode_varint(inner.len() as u64, &mut one);
        one.extend_from_slice(inner);
        one.repeat(count)
    }

    /// Returns an export of this many empty messages, within messages with these tags from the outside in.
    fn empty(tags: &[u8], count: usize) -> Vec<u8> {
        let (last, outer) = tags.split_last().unwrap();
        outer.iter().rev().fold(wrapped(*last, count, b""), |inner, tag| wrapped(*tag, 1, &inner))
    }

    #[test]
    fn a_body_of_empty_messages_is_refused_at_every_level() {
        for tags in [
            &[1][..],
            &[1, 2],
            &[1, 1, 1],
            &[1, 2, 1, 3],
            &[1, 2, 2],
            &[1, 2, 2, 5, 1],
            &[1, 2, 2, 7, 1],
            &[1, 2, 2, 9, 1],
            &[1, 2, 2, 10, 1],
            &[1, 2, 2, 11, 1],
            &[1, 2, 2, 5, 1, 7],
            &[1, 2, 2, 9, 1, 9],
            &[1, 2, 2, 10, 1, 1],
            &[1, 2, 2, 11, 1, 6],
            &[1, 2, 2, 5, 1, 7, 2, 5, 1],
            &[1, 2, 2, 5, 1, 7, 2, 6, 1],
        ] {
            let (few, many) = (empty(tags, 1_000), empty(tags, 1 << 19));
            assert!(otlp::ExportMetricsServiceRequest::decode(few.as_slice()).is_ok(), "{tags:?}");
            assert!(is_light_protobuf(&few) && !is_light_protobuf(&many), "{tags:?}");
        }
    }

    #[test]
    fn malformed_and_deep_bodies_are_left_to_the_decoder() {
        let deep = (0..10_000).fold(Vec::new(), |inner, _| wrapped(5, 1, &wrapped(1, 1, &inner)));
        for body in
            [&b"\xff\xff\xff"[..], b"\x0a\xff\xff\xff\xff\x0f", b"\x0b\x0b", &empty(&[1, 2, 2, 5, 1, 7, 2], 1), &deep]
        {
            assert!(is_light_protobuf(body));
        }
        let mut value = wrapped(2, 1, &deep);
        for tag in [7, 1, 5, 2, 2, 1] {
            value = wrapped(tag, 1, &value);
        }
        assert!(is_light_protobuf(&value));
        assert!(otlp::ExportMetricsServiceRequest::decode(value.as_slice()).is_err());
    }

    #[test]
    fn a_document_of_empty_values_is_refused() {
        assert!(is_light_json(&b"{},".repeat(100_000)) && !is_light_json(&b"{},".repeat(100_001)));
    }
}
