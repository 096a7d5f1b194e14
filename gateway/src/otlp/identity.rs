//! Identities of resources and cumulative streams, which all workers compute alike.

use acpw_otlp::{InstrumentationScope, KeyValue};
use prost::Message as _;
use sha2::{Digest as _, Sha256};

/// The start of the SHA-256 digest of what identifies a resource, a scope or a stream. Nobody can choose attributes
/// that collide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Identity(pub(super) [u8; 16]);

/// The parts that identify a stream within its scope.
pub(super) struct StreamParts<'a> {
    pub(super) metric: &'a str,
    pub(super) unit: &'a str,
    /// The kind of the data points.
    pub(super) kind: u8,
    /// The bounds of a histogram. With other bounds, its counts cannot be compared.
    pub(super) bounds: &'a [f64],
    /// The start time. A stream that starts again is another stream, and so is one of another process with the same
    /// resource.
    pub(super) start: u64,
    pub(super) attributes: &'a [KeyValue],
}

impl Identity {
    /// Returns the identity of a resource.
    pub(super) fn of_resource(attributes: &[KeyValue]) -> Self {
        let mut hasher = Sha256::new();
        add_attributes(&mut hasher, attributes);
        Self::finish(hasher)
    }

    /// Returns the identity of a scope of this resource.
    pub(super) fn scope(self, scope: Option<&InstrumentationScope>) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        if let Some(scope) = scope {
            add(&mut hasher, scope.name.as_bytes());
            add(&mut hasher, scope.version.as_bytes());
            add_attributes(&mut hasher, &scope.attributes);
        }
        Self::finish(hasher)
    }

    /// Returns the identity of a stream of this scope.
    pub(super) fn stream(self, parts: &StreamParts<'_>) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        add(&mut hasher, parts.metric.as_bytes());
        add(&mut hasher, parts.unit.as_bytes());
        hasher.update([parts.kind]);
        hasher.update((parts.bounds.len() as u64).to_le_bytes());
        parts.bounds.iter().for_each(|bound| hasher.update(bound.to_le_bytes()));
        hasher.update(parts.start.to_le_bytes());
        add_attributes(&mut hasher, parts.attributes);
        Self::finish(hasher)
    }

    fn finish(hasher: Sha256) -> Self {
        let digest: [u8; 32] = hasher.finalize().into();
        let mut start = [0; 16];
        start.iter_mut().zip(digest).for_each(|(byte, other)| *byte = other);
        Self(start)
    }
}

fn add(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

/// Adds attributes, whose order has no meaning.
fn add_attributes(hasher: &mut Sha256, attributes: &[KeyValue]) {
    let mut encoded: Vec<Vec<u8>> = attributes.iter().map(|attribute| attribute.encode_to_vec()).collect();
    encoded.sort_unstable();
    hasher.update((encoded.len() as u64).to_le_bytes());
    encoded.iter().for_each(|attribute| add(hasher, attribute));
}

#[cfg(test)]
mod tests {
    use acpw_otlp::{AnyValue, any_value::Value};

    use super::*;

    fn attribute(key: &str, value: Value) -> KeyValue {
        KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }
    }

    #[test]
    fn each_part_distinguishes_streams_and_the_order_of_attributes_does_not() {
        let (a, b) = (attribute("a", Value::IntValue(1)), attribute("b", Value::StringValue("1".to_owned())));
        let ab = [a.clone(), b.clone()];
        let scope = Identity::of_resource(&ab).scope(None);
        assert_eq!(scope, Identity::of_resource(&[b.clone(), a.clone()]).scope(None));
        let stream = |metric, unit, kind, bounds: &[f64], start, attributes: &[KeyValue]| {
            scope.stream(&StreamParts { metric, unit, kind, bounds, start, attributes })
        };
        let all = [
            stream("m", "1", 0, &[], 5, &ab),
            stream("m1", "", 0, &[], 5, &ab),
            stream("m", "s", 0, &[], 5, &ab),
            stream("m", "1", 1, &[], 5, &ab),
            stream("m", "1", 0, &[1.0], 5, &ab),
            stream("m", "1", 0, &[], 6, &ab),
            stream("m", "1", 0, &[], 5, &ab[..1]),
            stream("m", "1", 0, &[], 5, &[a, attribute("b", Value::IntValue(1))]),
            scope,
            scope.scope(Some(&InstrumentationScope::default())),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(all[index + 1..].iter().all(|other| one != other), "{index}");
        }
    }
}
