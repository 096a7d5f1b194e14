//! The unsigned body of a PutMetricData request, which is encoded and compressed once.

use std::{
    io::{Read, Write},
    ops::Range,
    rc::Rc,
};

use acpw_metric::{DataKind, StorageResolution};
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};

use crate::{datum_name, envelope::envelope, lane_key::LaneKey};

/// The size in bytes from which a body is compressed, as in AWS's SDKs.
const COMPRESSION_THRESHOLD: usize = 10_240;

/// The number of bytes that are compressed in one step. The overhead of a step is small.
const STEP: usize = 16 * 1024;

/// The body of a request, ready to be sent, and the ranges of its data.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    key: Rc<LaneKey>,
    body: Vec<u8>,
    is_compressed: bool,
    raw_length: usize,
    data: Vec<Span>,
}

/// A body that is not completely compressed yet.
///
/// Compression blocks Envoy's main thread, so a large body is compressed in steps: several calls of
/// [`seal`](Self::seal) make it a [`Payload`].
#[derive(Debug)]
pub struct Draft {
    key: Rc<LaneKey>,
    raw: Vec<u8>,
    data: Vec<Span>,
    /// The number of compressed bytes.
    compressed: usize,
    /// The encoder, which is created with the first compressed bytes because it takes a few hundred kilobytes.
    encoder: Option<Box<GzEncoder<Vec<u8>>>>,
}

/// The range of a datum in the uncompressed body, and its properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The bytes, without the commas around them.
    pub(crate) bytes: Range<usize>,
    /// The number of values.
    pub(crate) samples: u64,
    /// The length of the period.
    pub(crate) resolution: StorageResolution,
    /// The kind, which determines whether the timestamp moves with a correction of the clock.
    pub(crate) kind: DataKind,
}

fn has_posted(data: &[Span]) -> bool {
    data.iter().any(|span| span.kind.is_posted())
}

fn samples(data: &[Span]) -> u64 {
    data.iter().map(|span| span.samples).sum()
}

impl Draft {
    /// Creates a draft of a complete JSON document with data in these ranges, in their order.
    pub(crate) fn new(key: Rc<LaneKey>, raw: Vec<u8>, data: Vec<Span>) -> Self {
        Self { key, raw, data, compressed: 0, encoder: None }
    }

    /// Compresses the body. Stops when `budget`, in bytes, is spent.
    ///
    /// # Errors
    /// Returns the unfinished draft if the budget does not suffice.
    pub fn seal(mut self, budget: &mut usize) -> Result<Payload, Self> {
        let raw_length = self.raw.len();
        if raw_length < COMPRESSION_THRESHOLD {
            *budget = budget.saturating_sub(raw_length);
            return Ok(self.uncompressed());
        }
        while *budget > 0 {
            let end = self.compressed.saturating_add(STEP).min(raw_length);
            let step = self.raw.get(self.compressed..end).unwrap_or_default();
            *budget = budget.saturating_sub(step.len());
            // Each body is sent once, so speed is worth more than a few percent of its size.
            let new = || Box::new(GzEncoder::new(Vec::new(), Compression::fast()));
            let encoder = self.encoder.get_or_insert_with(new);
            if encoder.write_all(step).is_err() {
                return Ok(self.uncompressed());
            }
            self.compressed = end;
            if end == raw_length {
                if encoder.try_finish().is_err() {
                    return Ok(self.uncompressed());
                }
                let body = std::mem::take(encoder.get_mut());
                return Ok(Payload { key: self.key, body, is_compressed: true, raw_length, data: self.data });
            }
        }
        Err(self)
    }

    /// Creates a payload without compression.
    fn uncompressed(self) -> Payload {
        let raw_length = self.raw.len();
        Payload { key: self.key, body: self.raw, is_compressed: false, raw_length, data: self.data }
    }

    /// Returns the number of data.
    pub fn data(&self) -> usize {
        self.data.len()
    }

    /// Returns the number of values in all data.
    pub fn samples(&self) -> u64 {
        samples(&self.data)
    }

    /// Returns true if some of the data was posted to a gateway.
    pub fn has_posted(&self) -> bool {
        has_posted(&self.data)
    }

    /// Returns the approximate memory in bytes.
    pub fn bytes(&self) -> usize {
        let compressed = self.encoder.as_ref().map_or(0, |encoder| encoder.get_ref().len());
        self.raw.len().saturating_add(compressed)
    }

    /// Moves every timestamp by `millis`, rounded to whole periods.
    pub fn shifted(self, millis: i64) -> Self {
        let Self { key, mut raw, data, .. } = self;
        for span in &data {
            if let Some(datum) = raw.get_mut(span.bytes.clone()) {
                shift_timestamp(datum, span.kind.correction(span.resolution, millis) / 1_000);
            }
        }
        Self::new(key, raw, data)
    }

    /// Returns a draft of some of the data, with another key, or `None` if there is no data left.
    fn only(&self, key: Rc<LaneKey>, kept: &[Span]) -> Option<Self> {
        let raw = &self.raw;
        let (mut document, end) = envelope(&key);
        let mut data = Vec::with_capacity(kept.len());
        for span in kept {
            if !data.is_empty() {
                document.push(b',');
            }
            let start = document.len();
            document.extend_from_slice(raw.get(span.bytes.clone())?);
            data.push(Span { bytes: start..document.len(), ..span.clone() });
        }
        document.extend_from_slice(end);
        (!data.is_empty()).then(|| Self::new(key, document, data))
    }
}

impl Payload {
    /// Returns the bytes to send.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns true if the body is compressed with gzip.
    pub fn is_compressed(&self) -> bool {
        self.is_compressed
    }

    /// Returns the uncompressed size in bytes.
    pub fn raw_length(&self) -> usize {
        self.raw_length
    }

    /// Returns the number of data.
    pub fn data(&self) -> usize {
        self.data.len()
    }

    /// Returns the number of values in all data.
    pub fn samples(&self) -> u64 {
        samples(&self.data)
    }

    /// Returns true if some of the data was posted to a gateway.
    pub fn has_posted(&self) -> bool {
        has_posted(&self.data)
    }

    /// Returns a draft without the data at these indices, and the number of removed values. The draft is `None` if no
    /// data is left. Indices out of range are ignored.
    pub fn without(&self, indices: &[usize]) -> (Option<Draft>, u64) {
        let mut dropped = 0u64;
        let mut kept = Vec::new();
        for (index, span) in self.data.iter().enumerate() {
            if indices.contains(&index) {
                dropped = dropped.saturating_add(span.samples);
            } else {
                kept.push(span.clone());
            }
        }
        (self.draft().and_then(|draft| draft.only(Rc::clone(&self.key), &kept)), dropped)
    }

    /// Returns the name of the series of the datum at this index, for the log.
    pub fn series(&self, index: usize) -> Option<String> {
        let span = self.data.get(index)?;
        let raw = self.raw()?;
        datum_name::name(&raw, raw.get(span.bytes.clone())?)
    }

    /// Returns drafts of the two halves. The second is `None` if there is only one datum.
    pub fn split(&self) -> (Option<Draft>, Option<Draft>) {
        let Some(draft) = self.draft() else { return (None, None) };
        if draft.data.len() < 2 {
            return (Some(draft), None);
        }
        let (left, right) = draft.data.split_at(draft.data.len() / 2);
        (draft.only(Rc::clone(&self.key), left), draft.only(Rc::clone(&self.key), right))
    }

    /// Returns a draft of the data without an entity.
    pub fn without_entity(&self) -> Option<Draft> {
        let key = Rc::new(LaneKey { entity: None, namespace: self.key.namespace.clone() });
        self.draft().and_then(|draft| draft.only(key, &self.data))
    }

    /// Returns the namespace and entity of the data.
    pub fn key(&self) -> &LaneKey {
        &self.key
    }

    /// Decompresses the payload into a draft.
    pub fn draft(&self) -> Option<Draft> {
        Some(Draft::new(Rc::clone(&self.key), self.raw()?, self.data.clone()))
    }

    /// Returns the uncompressed body.
    pub(crate) fn raw(&self) -> Option<Vec<u8>> {
        if !self.is_compressed {
            return Some(self.body.clone());
        }
        let mut raw = Vec::with_capacity(self.raw_length);
        GzDecoder::new(self.body.as_slice()).read_to_end(&mut raw).ok()?;
        Some(raw)
    }
}

/// Overwrites the digits after the first `"Timestamp":` of a datum, which precedes all text that a client can choose.
/// The number of digits is the same from 2001 to 2286; other times are not changed.
fn shift_timestamp(datum: &mut [u8], seconds: i64) {
    const KEY: &[u8] = b"\"Timestamp\":";
    const DIGITS: usize = 10;
    let Some(index) = datum.windows(KEY.len()).position(|window| window == KEY) else { return };
    let start = index.saturating_add(KEY.len());
    let Some(digits) = datum.get_mut(start..start.saturating_add(DIGITS)) else { return };
    let parsed = std::str::from_utf8(digits).ok().and_then(|text| text.parse::<u64>().ok());
    let shifted = parsed.map(|old| old.saturating_add_signed(seconds).to_string());
    if let Some(text) = shifted.filter(|text| text.len() == DIGITS) {
        digits.copy_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::Namespace;

    use super::*;

    fn sealed(mut draft: Draft) -> Payload {
        loop {
            match draft.seal(&mut 1) {
                Ok(payload) => return payload,
                Err(rest) => draft = rest,
            }
        }
    }

    /// Returns a payload with `count` data of `width` bytes of padding each. Datum n has n values.
    pub(crate) fn payload(count: usize, width: usize) -> Payload {
        let key = Rc::new(LaneKey { namespace: Namespace::new("N").unwrap(), entity: None });
        let (mut raw, end) = envelope(&key);
        let mut data = Vec::new();
        for n in 0..count {
            if n > 0 {
                raw.push(b',');
            }
            let start = raw.len();
            raw.extend(format!(r#"{{"Timestamp":{},"n":{n},"x":"{}"}}"#, 1_787_402_160, "x".repeat(width)).bytes());
            let resolution = StorageResolution::Standard;
            data.push(Span { bytes: start..raw.len(), samples: n as u64, resolution, kind: DataKind::OBSERVED });
        }
        raw.extend(end);
        sealed(Draft::new(key, raw, data))
    }

    fn numbers(payload: &Payload, key: &str) -> Vec<u64> {
        let raw = payload.raw().unwrap();
        assert_eq!(raw.len(), payload.raw_length());
        let document: serde_json::Value = serde_json::from_slice(&raw).unwrap();
        document["MetricData"].as_array().unwrap().iter().map(|datum| datum[key].as_u64().unwrap()).collect()
    }

    #[test]
    fn a_large_body_is_compressed_and_a_small_one_is_not() {
        let overhead = payload(1, 0).raw_length();
        for (length, is_compressed) in [(10_239, false), (10_240, true), (10_241, true)] {
            let payload = payload(1, length - overhead);
            assert_eq!(payload.raw_length(), length);
            assert_eq!(payload.is_compressed(), is_compressed, "{length}");
            assert_eq!(numbers(&payload, "n"), [0]);
        }
    }

    #[test]
    fn a_body_compressed_in_several_steps_is_the_same() {
        let whole = payload(300, 1_000);
        let mut draft = whole.draft().unwrap();
        let mut steps = 1;
        let sealed = loop {
            let mut budget = 64 * 1024;
            match draft.seal(&mut budget) {
                Ok(payload) => break payload,
                Err(rest) => draft = rest,
            }
            assert_eq!((budget, draft.data(), draft.samples()), (0, 300, whole.samples()));
            steps += 1;
        };
        assert_eq!((sealed, steps), (whole.clone(), whole.raw_length().div_ceil(64 * 1024)));
    }

    #[test]
    fn removing_data_does_not_change_the_rest() {
        for width in [0, 5_000] {
            let (rest, dropped) = payload(6, width).without(&[1, 3, 17]);
            let rest = sealed(rest.unwrap());
            assert_eq!((numbers(&rest, "n"), dropped), (vec![0, 2, 4, 5], 4));
            assert_eq!(rest.samples(), 11);
            let (nothing, dropped) = payload(2, width).without(&[0, 1]);
            assert!(nothing.is_none() && dropped == 1);
            let (everything, dropped) = payload(2, width).without(&[2]);
            assert_eq!((sealed(everything.unwrap()), dropped), (payload(2, width), 0));
        }
    }

    #[test]
    fn split_returns_two_halves_of_the_data() {
        for width in [0, 5_000] {
            let (left, right) = payload(5, width).split();
            assert_eq!(numbers(&sealed(left.unwrap()), "n"), [0, 1]);
            assert_eq!(numbers(&sealed(right.unwrap()), "n"), [2, 3, 4]);
            let (all, nothing) = payload(1, width).split();
            assert_eq!(sealed(all.unwrap()), payload(1, width));
            assert!(nothing.is_none());
        }
    }

    #[test]
    fn shifting_changes_only_timestamps() {
        for (width, millis, seconds) in [(0, -172_800_000, -172_800), (5_000, 59_000, 60)] {
            let shifted = |payload: Payload, millis| sealed(payload.draft().unwrap().shifted(millis));
            let later = shifted(payload(3, width), millis);
            let expected = 1_787_402_160u64.saturating_add_signed(seconds);
            assert_eq!(numbers(&later, "Timestamp"), [expected; 3]);
            assert_eq!(shifted(later, -millis), payload(3, width));
        }
        assert_eq!(sealed(payload(1, 0).draft().unwrap().shifted(i64::MAX)), payload(1, 0));
    }
}
