//! A request between its start and its end.

use acpw_metric::{DimensionValue, dimension::OVERFLOW_VALUE};

use crate::{aggregator::SEPARATOR, dimension::DimensionDefinition};

/// A request that has started and not ended, with the dimension values known so far.
#[derive(Debug, Default)]
pub struct PendingRequest {
    /// The dimension values in the order in which they became known, each terminated by a separator.
    bytes: Vec<u8>,
    /// For each dimension, the range of its value and separator in `bytes`. Empty if the value is unknown.
    spans: Vec<(usize, usize)>,
    /// True if the request has a gRPC content type.
    pub(crate) is_grpc: bool,
    /// The dimension sets, as bits, that count the request as in flight.
    pub(crate) tracked: u32,
    /// Those of the tracked sets that count it in their overflow series.
    pub(crate) overflowed: u32,
}

impl PendingRequest {
    /// Clears all values for a new request with this number of dimensions, and keeps the allocated memory.
    pub(crate) fn reset(&mut self, dimensions: usize) {
        let Self { bytes, spans, is_grpc, tracked, overflowed } = self;
        bytes.clear();
        spans.clear();
        spans.resize(dimensions, (0, 0));
        (*is_grpc, *tracked, *overflowed) = (false, 0, 0);
    }

    /// Sets the value of the dimension with this index from untrusted bytes. If they are missing or blank, sets the
    /// default of the dimension or the placeholder of its source; if there is neither, the value stays unknown.
    pub(crate) fn set(&mut self, index: usize, dimension: &DimensionDefinition, value: Option<&[u8]>) {
        let start = self.bytes.len();
        let is_set = value.is_some_and(|value| DimensionValue::append_sanitized(&mut self.bytes, value));
        if self.bytes.get(start..) == Some(OVERFLOW_VALUE.as_bytes()) {
            // A client must not be able to add to the overflow series.
            self.bytes.splice(start..start.saturating_add(1), *b"%5F");
        }
        if !is_set {
            let default = dimension.default.as_ref().map(|default| default.as_str().as_bytes());
            let Some(text) = default.or(dimension.source.placeholder()) else { return };
            self.bytes.extend_from_slice(text);
        }
        self.finish_value(index, start);
    }

    /// Sets the value of the dimension with this index to the text that `write` appends, which must be a valid
    /// dimension value.
    pub(crate) fn write(&mut self, index: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.finish_value(index, start);
    }

    fn finish_value(&mut self, index: usize, start: usize) {
        self.bytes.push(SEPARATOR);
        if let Some(span) = self.spans.get_mut(index) {
            *span = (start, self.bytes.len());
        }
    }

    /// Returns the values of the dimensions with these indexes, each terminated by a separator. Returns `None` if a
    /// value is unknown.
    ///
    /// `scratch` is a buffer in which the key is assembled if the values are not stored in this order.
    pub(crate) fn key<'k>(&'k self, indexes: &[usize], scratch: &'k mut Vec<u8>) -> Option<&'k [u8]> {
        let spans = || indexes.iter().map(|index| self.spans.get(*index).copied().unwrap_or_default());
        let (mut begin, mut end, mut is_contiguous) = (0, 0, true);
        for (number, span) in spans().enumerate() {
            if span.0 == span.1 {
                return None;
            }
            // Usually the values are already stored in the order of the key.
            if number == 0 {
                begin = span.0;
            } else if span.0 != end {
                is_contiguous = false;
            }
            end = span.1;
        }
        if is_contiguous {
            return self.bytes.get(begin..end);
        }
        scratch.clear();
        for (begin, end) in spans() {
            scratch.extend_from_slice(self.bytes.get(begin..end)?);
        }
        Some(scratch)
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::DimensionName;
    use proptest::prelude::*;

    use super::*;
    use crate::dimension::DimensionSource;

    fn dimension(source: DimensionSource, default: Option<&str>) -> DimensionDefinition {
        let default = default.map(|text| DimensionValue::new(text).unwrap());
        DimensionDefinition { name: DimensionName::new("n").unwrap(), source, default }
    }

    fn key(values: &[(DimensionDefinition, Option<&[u8]>)]) -> Option<String> {
        let mut request = PendingRequest::default();
        request.reset(values.len());
        for (index, (dimension, value)) in values.iter().enumerate() {
            request.set(index, dimension, *value);
        }
        let mut scratch = b"old".to_vec();
        let indexes: Vec<_> = (0..values.len()).collect();
        request.key(&indexes, &mut scratch).map(|key| String::from_utf8(key.to_vec()).unwrap())
    }

    #[test]
    fn a_client_cannot_send_the_value_of_the_overflow_series() {
        let value = |text| key(&[(dimension(DimensionSource::Path, None), Some(text))]);
        assert_eq!(value(b"__other__").as_deref(), Some("%5F_other__\0"));
        assert_eq!(value(b"__other___").as_deref(), Some("__other___\0"));
    }

    #[test]
    fn a_missing_value_is_replaced_by_a_default_or_makes_the_key_unknown() {
        let header = || DimensionSource::RequestHeader("x".into());
        let values =
            |default, value| [(dimension(DimensionSource::Path, None), None), (dimension(header(), default), value)];
        assert_eq!(key(&values(Some("none"), None)).as_deref(), Some("-\0none\0"));
        assert_eq!(key(&values(Some("none"), Some(b"  "))).as_deref(), Some("-\0none\0"));
        assert_eq!(key(&values(Some("none"), Some(b"v"))).as_deref(), Some("-\0v\0"));
        assert_eq!(key(&values(None, None)), None);
        assert_eq!(key(&[]).as_deref(), Some(""));
    }

    #[test]
    fn a_key_has_its_values_in_the_requested_order() {
        let dimension = dimension(DimensionSource::Path, None);
        let mut request = PendingRequest::default();
        request.reset(3);
        for (index, text) in [(2, b"c"), (0, b"a"), (1, b"b")] {
            request.set(index, &dimension, Some(text));
        }
        for (indexes, expected) in [
            (&[0, 1, 2][..], &b"a\0b\0c\0"[..]),
            (&[2, 0, 1], b"c\0a\0b\0"),
            (&[0, 1], b"a\0b\0"),
            (&[1], b"b\0"),
            (&[], b""),
        ] {
            assert_eq!(request.key(indexes, &mut b"old".to_vec()), Some(expected));
        }
        assert_eq!(request.key(&[0, 3], &mut Vec::new()), None);
    }

    proptest! {
        #[test]
        fn a_key_of_arbitrary_headers_splits_into_valid_dimension_values(
            values in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..1200)), 0..4),
        ) {
            let pairs: Vec<_> = values
                .iter()
                .map(|value| (dimension(DimensionSource::RequestHeader("x".into()), Some("none")), value.as_deref()))
                .collect();
            let key = key(&pairs).unwrap();
            let texts: Vec<_> = key.split_terminator('\0').collect();
            prop_assert_eq!(texts.len(), values.len());
            prop_assert!(texts.iter().all(|text| DimensionValue::new(text).is_ok()));
        }
    }
}
