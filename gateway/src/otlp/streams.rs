//! The last readings of cumulative streams, which the gateways of all workers share.
//!
//! A client may export over several connections, which belong to several workers. So the readings are one value in
//! Envoy's shared data, and a worker replaces it by compare-and-swap before it accepts an export.

use acpw_metric::{
    Map,
    bytes::{Malformed, Reader, put_varint},
};

use super::{identity::Identity, point::Measured, reading::Reading};

/// The key of the streams in shared data.
pub const STREAMS_KEY: &str = "acpw.otlp.streams";

/// The version of the value. Streams of another version are ignored.
const VERSION: u8 = 1;

/// The memory of the streams, in bytes for each stream of their limit.
const BYTES_PER_STREAM: usize = 512;

/// A data point of a cumulative stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Total {
    pub(super) stream: Identity,
    pub(super) resource: Identity,
    /// The start of the stream in nanoseconds since the epoch; 0 if it is unknown.
    pub(super) start: u64,
    /// The time of the reading in nanoseconds since the epoch.
    pub(super) time: u64,
    pub(super) measured: Measured,
}

/// The increase of a cumulative stream by a data point.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Increase {
    /// The stream has increased by this.
    Known(Measured),
    /// The increase is unknown, and the next one is relative to this reading.
    Unknown,
    /// An earlier export has contained a later reading.
    Late,
}

/// The last readings of cumulative streams.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Streams {
    resources: Vec<Resource>,
    /// The streams, in ascending order of their last export.
    streams: Vec<Stream>,
}

#[derive(Clone, Debug, PartialEq)]
struct Resource {
    id: Identity,
    /// A time since which all streams of the resource are known, by the client's clock.
    known_since: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Stream {
    id: Identity,
    /// The position of the resource.
    resource: usize,
    time: u64,
    reading: Reading,
}

impl Streams {
    /// Decodes streams. Returns none if the value is absent or not of this version.
    pub(super) fn decode(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(|bytes| Self::try_decode(bytes).ok()).unwrap_or_default()
    }

    fn try_decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != VERSION {
            return Err(Malformed);
        }
        let mut streams = Self::default();
        for _ in 0..reader.length()? {
            let id = Identity(reader.array()?);
            streams.resources.push(Resource { id, known_since: u64::from_le_bytes(reader.array()?) });
        }
        while !reader.is_empty() {
            let id = Identity(reader.array()?);
            let resource = usize::try_from(reader.varint()?).map_err(|_| Malformed)?;
            streams.resources.get(resource).ok_or(Malformed)?;
            let time = u64::from_le_bytes(reader.array()?);
            streams.streams.push(Stream { id, resource, time, reading: Reading::decode(&mut reader)? });
        }
        Ok(streams)
    }

    /// Stores readings and returns the increase of each.
    ///
    /// The first reading of a stream is an increase from zero if the stream started after its resource was first seen.
    /// Otherwise somebody else may have published a part of it already.
    pub(super) fn advance(&mut self, totals: &[&Total]) -> Vec<Increase> {
        let mut resources: Map<Identity, usize> = Map::default();
        for (index, resource) in self.resources.iter().enumerate() {
            resources.insert(resource.id, index);
        }
        let known = self.resources.len();
        for total in totals {
            let index = *resources.entry(total.resource).or_insert(self.resources.len());
            match self.resources.get_mut(index) {
                Some(new) if index >= known => new.known_since = new.known_since.max(total.time),
                Some(_) => {}
                None => self.resources.push(Resource { id: total.resource, known_since: total.time }),
            }
        }
        let mut exported: Map<Identity, Option<Stream>> = totals.iter().map(|total| (total.stream, None)).collect();
        let mut others = Vec::with_capacity(self.streams.len());
        for stream in std::mem::take(&mut self.streams) {
            match exported.get_mut(&stream.id) {
                Some(slot) => *slot = Some(stream),
                None => others.push(stream),
            }
        }
        let mut increases = Vec::with_capacity(totals.len());
        for total in totals {
            let resource = resources.get(&total.resource).copied().unwrap_or_default();
            let known_since = self.resources.get(resource).map_or(u64::MAX, |resource| resource.known_since);
            let Some(slot) = exported.get_mut(&total.stream) else { continue };
            let increase = match slot.as_ref() {
                Some(stream) if total.time < stream.time => {
                    increases.push(Increase::Late);
                    continue;
                }
                Some(stream) => total.measured.since(&stream.reading),
                None => (total.start > known_since).then(|| total.measured.clone()),
            };
            *slot =
                Some(Stream { id: total.stream, resource, time: total.time, reading: total.measured.reading.clone() });
            increases.push(increase.map_or(Increase::Unknown, Increase::Known));
        }
        others.extend(exported.into_values().flatten());
        self.streams = others;
        increases
    }

    /// Encodes the streams, without the least recently exported ones if there are more than `max_streams` or if they
    /// take more memory than that number may. Returns the number of streams left out.
    pub(super) fn encode(mut self, max_streams: usize) -> (u64, Vec<u8>) {
        let mut encoded = Vec::new();
        let mut ends = Vec::with_capacity(self.streams.len());
        for stream in &self.streams {
            stream.reading.encode(&mut encoded);
            ends.push(encoded.len());
        }
        let mut left_out = self.streams.len().saturating_sub(max_streams);
        let limit = max_streams.saturating_mul(BYTES_PER_STREAM);
        let start = |index: usize| index.checked_sub(1).and_then(|last| ends.get(last)).copied().unwrap_or_default();
        while encoded.len().saturating_sub(start(left_out)) > limit {
            left_out = left_out.saturating_add(1);
        }
        for stream in self.streams.get(..left_out).unwrap_or_default() {
            // A stream that comes back must not count as new.
            if let Some(resource) = self.resources.get_mut(stream.resource) {
                resource.known_since = resource.known_since.max(stream.time);
            }
        }
        let kept = self.streams.get(left_out..).unwrap_or_default();
        let mut indexes: Map<usize, u64> = Map::default();
        for stream in kept {
            let next = indexes.len() as u64;
            indexes.entry(stream.resource).or_insert(next);
        }
        let mut out = vec![VERSION];
        put_varint(&mut out, indexes.len() as u64);
        for resource in indexes.keys().filter_map(|index| self.resources.get(*index)) {
            out.extend_from_slice(&resource.id.0);
            out.extend_from_slice(&resource.known_since.to_le_bytes());
        }
        for (index, stream) in kept.iter().enumerate() {
            out.extend_from_slice(&stream.id.0);
            put_varint(&mut out, indexes.get(&stream.resource).copied().unwrap_or_default());
            out.extend_from_slice(&stream.time.to_le_bytes());
            let index = left_out.saturating_add(index);
            let reading = encoded.get(start(index)..start(index.saturating_add(1)));
            out.extend_from_slice(reading.unwrap_or_default());
        }
        (left_out as u64, out)
    }
}

/// Returns `current` with the streams that changed from `before` to `written` as they were in `before`, and the number
/// of such streams that have changed again since.
pub(super) fn undo(before: Option<&[u8]>, written: &[u8], current: Option<&[u8]>) -> (u64, Vec<u8>) {
    let (before, written) = (Streams::decode(before), Streams::decode(Some(written)));
    let mut current = Streams::decode(current);
    let by_id = |streams: Streams| streams.streams.into_iter().map(|stream| (stream.id, stream)).collect::<Map<_, _>>();
    let (before, written) = (by_id(before), by_id(written));
    let same = |one: &Stream, other: &Stream| one.time == other.time && one.reading == other.reading;
    let mut lost = 0u64;
    current.streams.retain_mut(|stream| {
        let Some(mine) = written.get(&stream.id) else { return true };
        let then = before.get(&stream.id);
        if then.is_some_and(|then| same(then, mine)) {
            return true;
        }
        if !same(stream, mine) {
            lost = lost.saturating_add(1);
            return true;
        }
        if let Some(then) = then {
            stream.time = then.time;
            stream.reading = then.reading.clone();
        }
        then.is_some()
    });
    (lost, current.encode(usize::MAX).1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: u8) -> Identity {
        Identity([number; 16])
    }

    fn total(stream: u8, start: u64, time: u64, value: i64) -> Total {
        Total { stream: id(stream), resource: id(stream / 10), start, time, measured: Reading::Int(value).into() }
    }

    /// Advances the encoded streams. Returns the known increases, the number of forgotten streams and the new streams.
    fn advance(bytes: Option<&[u8]>, totals: &[Total], limit: usize) -> (Vec<Option<i64>>, u64, Vec<u8>) {
        let mut streams = Streams::decode(bytes);
        let increases = streams.advance(&totals.iter().collect::<Vec<_>>());
        let increases = increases.into_iter().map(|increase| match increase {
            Increase::Known(Measured { reading: Reading::Int(value), .. }) => Some(value),
            Increase::Known(measured) => panic!("{measured:?}"),
            Increase::Unknown | Increase::Late => None,
        });
        let increases = increases.collect();
        let (forgotten, bytes) = streams.encode(limit);
        (increases, forgotten, bytes)
    }

    #[test]
    fn the_first_reading_counts_if_the_stream_began_after_its_resource_was_seen() {
        let (increases, _, bytes) = advance(None, &[total(1, 50, 100, 7), total(2, 90, 101, 8)], 10);
        assert_eq!(increases, [None, None]);
        let (increases, _, bytes) = advance(Some(&bytes), &[total(1, 50, 200, 9), total(3, 150, 200, 5)], 10);
        assert_eq!(increases, [Some(2), Some(5)]);
        // These began before the resource was first seen, at an unknown time, or belong to an unknown resource.
        let totals = [total(4, 101, 300, 1), total(5, 0, 300, 1), total(11, 250, 300, 1)];
        let (increases, _, bytes) = advance(Some(&bytes), &totals, 10);
        assert_eq!(increases, [None, None, None]);
        let (increases, ..) = advance(Some(&bytes), &[total(4, 101, 400, 3), total(1, 50, 400, 9)], 10);
        assert_eq!(increases, [Some(2), Some(0)]);
    }

    #[test]
    fn a_reading_that_arrives_twice_or_late_adds_nothing() {
        let (_, _, bytes) = advance(None, &[total(1, 50, 100, 7)], 10);
        let (increases, _, bytes) = advance(Some(&bytes), &[total(1, 50, 200, 9)], 10);
        assert_eq!(increases, [Some(2)]);
        let (increases, _, bytes) = advance(Some(&bytes), &[total(1, 50, 200, 9), total(1, 50, 100, 7)], 10);
        assert_eq!(increases, [Some(0), None]);
        let (increases, ..) = advance(Some(&bytes), &[total(1, 50, 300, 10), total(1, 50, 301, 12)], 10);
        assert_eq!(increases, [Some(1), Some(2)]);
    }

    #[test]
    fn a_stream_that_goes_back_continues_from_there() {
        let (_, _, bytes) = advance(None, &[total(1, 0, 100, 7)], 10);
        let (increases, _, bytes) = advance(Some(&bytes), &[total(1, 0, 200, 3)], 10);
        assert_eq!(increases, [None]);
        assert_eq!(advance(Some(&bytes), &[total(1, 0, 300, 4)], 10).0, [Some(1)]);
    }

    #[test]
    fn the_least_recently_exported_streams_are_forgotten_and_do_not_count_as_new_when_they_return() {
        let (_, _, bytes) = advance(None, &[total(1, 50, 100, 7)], 2);
        let new: Vec<_> = (2..4).map(|stream| total(stream, 150, 200, 1)).collect();
        let (increases, forgotten, bytes) = advance(Some(&bytes), &new, 2);
        assert_eq!((increases, forgotten), (vec![Some(1), Some(1)], 1));
        let (increases, forgotten, bytes) = advance(Some(&bytes), &[total(1, 50, 300, 9), total(2, 150, 300, 2)], 2);
        assert_eq!((increases, forgotten), (vec![None, Some(1)], 1));
        // Stream 3 was last seen at 200, and stream 4 is new.
        let (increases, forgotten, _) = advance(Some(&bytes), &[total(3, 150, 400, 5), total(4, 350, 400, 6)], 2);
        assert_eq!((increases, forgotten), (vec![None, Some(6)], 2));
    }

    #[test]
    fn streams_take_a_bounded_number_of_bytes() {
        let large = |stream, time| Total {
            measured: Reading::Histogram { count: 1_000, sum: None, buckets: vec![1; 1_000] }.into(),
            ..total(stream, 1, time, 0)
        };
        let (_, forgotten, bytes) = advance(None, &[large(1, 10), large(2, 10), total(3, 1, 10, 5)], 3);
        assert_eq!(forgotten, 1);
        assert!(bytes.len() < 3 * BYTES_PER_STREAM + 200, "{}", bytes.len());
        assert_eq!(advance(Some(&bytes), &[total(3, 1, 20, 7)], 3).0, [Some(2)]);
    }

    #[test]
    fn an_export_that_was_not_enqueued_is_undone_stream_by_stream() {
        let (_, _, before) = advance(None, &[total(1, 50, 100, 7), total(2, 50, 100, 7), total(3, 50, 100, 7)], 10);
        let (_, _, written) =
            advance(Some(&before), &[total(1, 50, 200, 9), total(2, 50, 200, 9), total(4, 150, 200, 1)], 10);
        let (lost, undone) = undo(Some(&before), &written, Some(&written));
        assert_eq!(lost, 0);
        let retried = [total(1, 50, 300, 10), total(2, 50, 300, 10), total(4, 150, 300, 2)];
        assert_eq!(advance(Some(&undone), &retried, 10).0, [Some(3), Some(3), Some(2)]);
        // Another worker has accepted other streams and one of the same since.
        let (_, _, current) = advance(Some(&written), &[total(2, 50, 250, 12), total(3, 50, 250, 8)], 10);
        let (lost, undone) = undo(Some(&before), &written, Some(&current));
        assert_eq!(lost, 1);
        let next = [total(1, 50, 300, 10), total(2, 50, 300, 13), total(3, 50, 300, 9)];
        assert_eq!(advance(Some(&undone), &next, 10).0, [Some(3), Some(1), Some(1)]);
    }

    #[test]
    fn a_value_of_another_version_counts_as_absent() {
        let (_, _, mut bytes) = advance(None, &[total(1, 50, 100, 7)], 10);
        assert_ne!(Streams::decode(Some(&bytes)), Streams::default());
        bytes[0] += 1;
        assert_eq!(Streams::decode(Some(&bytes)), Streams::default());
        assert_eq!(Streams::decode(Some(&[])), Streams::default());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_ignored_or_become_streams(bytes: Vec<u8>) {
            let bytes = [vec![VERSION], bytes].concat();
            advance(Some(&bytes), &[total(1, 50, 100, 7)], 10);
            undo(Some(&bytes), &bytes, Some(&bytes));
        }

        #[test]
        fn increases_add_up_whatever_is_exported_together(
            steps in prop::collection::vec((1u8..6, 0i64..100, any::<bool>()), 1..60),
        ) {
            // The resource is known, so all streams count from zero.
            let (_, _, mut bytes) = advance(None, &[total(9, 1, 10, 0)], 100);
            let (mut values, mut sums) = ([0i64; 6], [0i64; 6]);
            let mut export: Vec<Total> = Vec::new();
            for (time, (stream, step, is_end)) in (20u64..).zip(steps) {
                values[usize::from(stream)] += step;
                export.push(total(stream, 15, time, values[usize::from(stream)]));
                if !is_end {
                    continue;
                }
                let (increases, _, next) = advance(Some(&bytes), &export, 100);
                for (total, increase) in export.drain(..).zip(increases) {
                    sums[usize::from(total.stream.0[0])] += increase.unwrap();
                }
                bytes = next;
            }
            let (increases, ..) = advance(Some(&bytes), &export, 100);
            for (total, increase) in export.drain(..).zip(increases) {
                sums[usize::from(total.stream.0[0])] += increase.unwrap();
            }
            prop_assert_eq!(values, sums);
        }
    }
}
