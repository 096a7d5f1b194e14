//! What one request says, until it has ended.

use acpw_metric::{DimensionValue, dimension::OVERFLOW_VALUE};

use crate::{aggregator::SEPARATOR, dimension::Dimension};

/// Texts for the dimensions of one request, each a dimension value, as they become known.
#[derive(Debug, Default)]
pub struct Observation {
    /// The texts, a separator after each.
    bytes: Vec<u8>,
    /// For each dimension where its text and the separator lie; an empty span while there is none.
    spans: Vec<(usize, usize)>,
    /// Whether its content type is one of gRPC.
    pub(crate) is_grpc: bool,
    /// The sets, as bits, in which it is counted as in progress.
    pub(crate) begun: u32,
    /// Those of them in which there was no room for it.
    pub(crate) overflowed: u32,
}

impl Observation {
    /// Forgets everything but keeps the memory, for another request with so many dimensions.
    pub(crate) fn reset(&mut self, dimensions: usize) {
        let Self { bytes, spans, is_grpc, begun, overflowed } = self;
        bytes.clear();
        spans.clear();
        spans.resize(dimensions, (0, 0));
        (*is_grpc, *begun, *overflowed) = (false, 0, 0);
    }

    /// Sets the text of the dimension in this place to what CloudWatch can store of the bytes that a stranger sent, or
    /// else to what stands for a missing value.
    pub(crate) fn set(&mut self, place: usize, dimension: &Dimension, value: Option<&[u8]>) {
        let start = self.bytes.len();
        let is_set = value.is_some_and(|value| DimensionValue::append_sanitized(&mut self.bytes, value));
        if self.bytes.get(start..) == Some(OVERFLOW_VALUE.as_bytes()) {
            // A stranger must not count among the series beyond the limit.
            self.bytes.splice(start..start.saturating_add(1), *b"%5F");
        }
        if !is_set {
            let default = dimension.default.as_ref().map(|default| default.as_str().as_bytes());
            let Some(text) = default.or(dimension.source.placeholder()) else { return };
            self.bytes.extend_from_slice(text);
        }
        self.end(place, start);
    }

    /// Sets the text of the dimension in this place to what `write` appends, which is a dimension value.
    pub(crate) fn write(&mut self, place: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.end(place, start);
    }

    fn end(&mut self, place: usize, start: usize) {
        self.bytes.push(SEPARATOR);
        if let Some(span) = self.spans.get_mut(place) {
            *span = (start, self.bytes.len());
        }
    }

    /// The texts of these dimensions, a separator after each, if all of them are there. `copy` is memory for them.
    pub(crate) fn key<'k>(&'k self, places: &[usize], copy: &'k mut Vec<u8>) -> Option<&'k [u8]> {
        let spans = || places.iter().map(|place| self.spans.get(*place).copied().unwrap_or_default());
        let (mut begin, mut end, mut is_copied) = (0, 0, false);
        for (number, span) in spans().enumerate() {
            if span.0 == span.1 {
                return None;
            }
            // Mostly they lie there as they are to be.
            if number == 0 {
                begin = span.0;
            } else if span.0 != end {
                is_copied = true;
            }
            end = span.1;
        }
        if !is_copied {
            return self.bytes.get(begin..end);
        }
        copy.clear();
        for (begin, end) in spans() {
            copy.extend_from_slice(self.bytes.get(begin..end)?);
        }
        Some(copy)
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::DimensionName;
    use proptest::prelude::*;

    use super::*;
    use crate::dimension::Source;

    fn dimension(source: Source, default: Option<&str>) -> Dimension {
        let default = default.map(|text| DimensionValue::new(text).unwrap());
        Dimension { name: DimensionName::new("n").unwrap(), source, default }
    }

    fn key(values: &[(Dimension, Option<&[u8]>)]) -> Option<String> {
        let mut observation = Observation::default();
        observation.reset(values.len());
        for (place, (dimension, value)) in values.iter().enumerate() {
            observation.set(place, dimension, *value);
        }
        let mut copy = b"old".to_vec();
        let places: Vec<_> = (0..values.len()).collect();
        observation.key(&places, &mut copy).map(|key| String::from_utf8(key.to_vec()).unwrap())
    }

    #[test]
    fn a_value_that_looks_like_the_overflow_is_told_apart_from_it() {
        let value = |text| key(&[(dimension(Source::Path, None), Some(text))]);
        assert_eq!(value(b"__other__").as_deref(), Some("%5F_other__\0"));
        assert_eq!(value(b"__other___").as_deref(), Some("__other___\0"));
    }

    #[test]
    fn a_missing_value_has_its_default_or_leaves_the_set_out() {
        let header = || Source::RequestHeader("x".into());
        let values = |default, value| [(dimension(Source::Path, None), None), (dimension(header(), default), value)];
        assert_eq!(key(&values(Some("none"), None)).as_deref(), Some("-\0none\0"));
        assert_eq!(key(&values(Some("none"), Some(b"  "))).as_deref(), Some("-\0none\0"));
        assert_eq!(key(&values(Some("none"), Some(b"v"))).as_deref(), Some("-\0v\0"));
        assert_eq!(key(&values(None, None)), None);
        assert_eq!(key(&[]).as_deref(), Some(""));
    }

    #[test]
    fn a_key_has_its_texts_in_the_order_that_is_asked_for() {
        let dimension = dimension(Source::Path, None);
        let mut observation = Observation::default();
        observation.reset(3);
        for (place, text) in [(2, b"c"), (0, b"a"), (1, b"b")] {
            observation.set(place, &dimension, Some(text));
        }
        for (places, expected) in [
            (&[0, 1, 2][..], &b"a\0b\0c\0"[..]),
            (&[2, 0, 1], b"c\0a\0b\0"),
            (&[0, 1], b"a\0b\0"),
            (&[1], b"b\0"),
            (&[], b""),
        ] {
            assert_eq!(observation.key(places, &mut b"old".to_vec()), Some(expected));
        }
        assert_eq!(observation.key(&[0, 3], &mut Vec::new()), None);
    }

    proptest! {
        #[test]
        fn whatever_headers_say_a_key_splits_into_dimension_values(
            values in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..1200)), 0..4),
        ) {
            let pairs: Vec<_> = values
                .iter()
                .map(|value| (dimension(Source::RequestHeader("x".into()), Some("none")), value.as_deref()))
                .collect();
            let key = key(&pairs).unwrap();
            let texts: Vec<_> = key.split_terminator('\0').collect();
            prop_assert_eq!(texts.len(), values.len());
            prop_assert!(texts.iter().all(|text| DimensionValue::new(text).is_ok()));
        }
    }
}
