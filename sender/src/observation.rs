//! What one request says, until it has ended.

use acpw_metric::DimensionValue;

use crate::{aggregator::SEPARATOR, dimension::Dimension};

/// Texts for the dimensions of one request, each a dimension value, as they become known.
#[derive(Debug, Default)]
pub struct Observation {
    bytes: Vec<u8>,
    /// For each dimension where its text lies; `None` while there is none.
    spans: Vec<Option<(usize, usize)>>,
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
        spans.resize(dimensions, None);
        (*is_grpc, *begun, *overflowed) = (false, 0, 0);
    }

    /// Sets the text of the dimension in this place to what CloudWatch can store of the bytes that a stranger sent, or
    /// else to what stands for a missing value.
    pub(crate) fn set(&mut self, place: usize, dimension: &Dimension, value: Option<&[u8]>) {
        let start = self.bytes.len();
        let is_set = value.is_some_and(|value| DimensionValue::append_sanitized(&mut self.bytes, value));
        if !is_set {
            let default = dimension.default.as_ref().map(|default| default.as_str().as_bytes());
            let Some(text) = default.or(dimension.source.placeholder()) else { return };
            self.bytes.extend_from_slice(text);
        }
        if let Some(span) = self.spans.get_mut(place) {
            *span = Some((start, self.bytes.len()));
        }
    }

    /// Writes the texts of these dimensions to `key`, a separator after each; tells whether all of them are there.
    pub(crate) fn write_key(&self, places: &[usize], key: &mut Vec<u8>) -> bool {
        key.clear();
        for place in places {
            let span = self.spans.get(*place).copied().flatten();
            let Some(text) = span.and_then(|(start, end)| self.bytes.get(start..end)) else { return false };
            key.extend_from_slice(text);
            key.push(SEPARATOR);
        }
        true
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
        let mut key = b"old".to_vec();
        let places: Vec<_> = (0..values.len()).collect();
        observation.write_key(&places, &mut key).then(|| String::from_utf8(key).unwrap())
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
