//! The body of one PutMetricData request: encoded and compressed once, immutable, unsigned.

use std::{
    io::{Read, Write},
    ops::Range,
    rc::Rc,
};

use acpw_metric::{DataKind, StorageResolution};
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};

use crate::{datum_name, envelope::envelope, lane_key::LaneKey};

/// A body from this many bytes on is compressed, as AWS's SDKs do.
const COMPRESSION_THRESHOLD: usize = 10_240;

/// Of how many bytes a large body is compressed in one step at least: the steps of a gzip stream cost little
/// themselves.
const STEP: usize = 16 * 1024;

/// One request's body as it is to be sent, and where in it each datum lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    key: Rc<LaneKey>,
    body: Vec<u8>,
    is_compressed: bool,
    raw_length: usize,
    data: Vec<Span>,
}

/// A body that is not compressed yet, or not wholly.
///
/// Envoy's main thread does nothing else meanwhile, so a large body is compressed in steps:
/// [`seal`](Self::seal) a few times makes it a [`Payload`].
#[derive(Debug)]
pub struct Draft {
    key: Rc<LaneKey>,
    raw: Vec<u8>,
    data: Vec<Span>,
    /// How much of it is compressed.
    fed: usize,
    /// Made when the first bytes are compressed: it takes a few hundred kilobytes.
    encoder: Option<Box<GzEncoder<Vec<u8>>>>,
}

/// A datum within the uncompressed body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Its bytes, without the commas around them.
    pub(crate) bytes: Range<usize>,
    /// How many values it carries.
    pub(crate) samples: u64,
    /// The length of its period.
    pub(crate) resolution: StorageResolution,
    /// Whether its time is this host's.
    pub(crate) kind: DataKind,
}

fn has_posted(data: &[Span]) -> bool {
    data.iter().any(|span| span.kind.is_posted())
}

fn samples(data: &[Span]) -> u64 {
    data.iter().map(|span| span.samples).sum()
}

impl Draft {
    /// A draft of a whole JSON document in which data lie at these places, in their order.
    pub(crate) fn new(key: Rc<LaneKey>, raw: Vec<u8>, data: Vec<Span>) -> Self {
        Self { key, raw, data, fed: 0, encoder: None }
    }

    /// Compresses about as many bytes as `budget` still has, and takes them from it. Gives the payload once that is
    /// done.
    pub fn seal(mut self, budget: &mut usize) -> Result<Payload, Self> {
        let raw_length = self.raw.len();
        if raw_length < COMPRESSION_THRESHOLD {
            *budget = budget.saturating_sub(raw_length);
            return Ok(self.uncompressed());
        }
        while *budget > 0 {
            let end = self.fed.saturating_add(STEP).min(raw_length);
            let step = self.raw.get(self.fed..end).unwrap_or_default();
            *budget = budget.saturating_sub(step.len());
            // Each body is sent once, so speed is worth more than a few percent of its size.
            let new = || Box::new(GzEncoder::new(Vec::new(), Compression::fast()));
            let encoder = self.encoder.get_or_insert_with(new);
            if encoder.write_all(step).is_err() {
                return Ok(self.uncompressed());
            }
            self.fed = end;
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

    /// Makes it a payload as it is.
    fn uncompressed(self) -> Payload {
        let raw_length = self.raw.len();
        Payload { key: self.key, body: self.raw, is_compressed: false, raw_length, data: self.data }
    }

    /// How many data it carries.
    pub fn data(&self) -> usize {
        self.data.len()
    }

    /// How many values it carries, in all data.
    pub fn samples(&self) -> u64 {
        samples(&self.data)
    }

    /// Returns whether some of its data were posted to a gateway.
    pub fn has_posted(&self) -> bool {
        has_posted(&self.data)
    }

    /// How many bytes of memory it takes, about.
    pub fn bytes(&self) -> usize {
        let compressed = self.encoder.as_ref().map_or(0, |encoder| encoder.get_ref().len());
        self.raw.len().saturating_add(compressed)
    }

    /// The draft with every datum moved by so many milliseconds, as far as that moves it into another period.
    pub fn shifted(self, millis: i64) -> Self {
        let Self { key, mut raw, data, .. } = self;
        for span in &data {
            if let Some(datum) = raw.get_mut(span.bytes.clone()) {
                shift_timestamp(datum, span.kind.correction(span.resolution, millis) / 1_000);
            }
        }
        Self::new(key, raw, data)
    }

    /// A draft of some of these data, under a key that may have no entity any more.
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
    /// The bytes to send.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether they are gzip.
    pub fn is_compressed(&self) -> bool {
        self.is_compressed
    }

    /// How many bytes they are uncompressed.
    pub fn raw_length(&self) -> usize {
        self.raw_length
    }

    /// How many data it carries.
    pub fn data(&self) -> usize {
        self.data.len()
    }

    /// How many values it carries, in all data.
    pub fn samples(&self) -> u64 {
        samples(&self.data)
    }

    /// Returns whether some of its data were posted to a gateway.
    pub fn has_posted(&self) -> bool {
        has_posted(&self.data)
    }

    /// A draft without the data at these places (0-based), and how many values those carried; none when nothing is
    /// left. Places that it does not have are left out of account.
    pub fn without(&self, places: &[usize]) -> (Option<Draft>, u64) {
        let mut dropped = 0u64;
        let mut kept = Vec::new();
        for (place, span) in self.data.iter().enumerate() {
            if places.contains(&place) {
                dropped = dropped.saturating_add(span.samples);
            } else {
                kept.push(span.clone());
            }
        }
        (self.draft().and_then(|draft| draft.only(Rc::clone(&self.key), &kept)), dropped)
    }

    /// Returns the series of the datum at this index, as the log names it.
    pub fn series(&self, index: usize) -> Option<String> {
        let span = self.data.get(index)?;
        let raw = self.raw()?;
        datum_name::name(&raw, raw.get(span.bytes.clone())?)
    }

    /// Drafts of its two halves; the second is absent when there is only one datum.
    pub fn split(&self) -> (Option<Draft>, Option<Draft>) {
        let Some(draft) = self.draft() else { return (None, None) };
        if draft.data.len() < 2 {
            return (Some(draft), None);
        }
        let (left, right) = draft.data.split_at(draft.data.len() / 2);
        (draft.only(Rc::clone(&self.key), left), draft.only(Rc::clone(&self.key), right))
    }

    /// Returns a draft of its data as those of no entity.
    pub fn without_entity(&self) -> Option<Draft> {
        let key = Rc::new(LaneKey { entity: None, namespace: self.key.namespace.clone() });
        self.draft().and_then(|draft| draft.only(key, &self.data))
    }

    /// Returns the namespace and entity that it is for.
    pub fn key(&self) -> &LaneKey {
        &self.key
    }

    /// It as a draft, to be changed.
    pub fn draft(&self) -> Option<Draft> {
        Some(Draft::new(Rc::clone(&self.key), self.raw()?, self.data.clone()))
    }

    /// The uncompressed body.
    pub(crate) fn raw(&self) -> Option<Vec<u8>> {
        if !self.is_compressed {
            return Some(self.body.clone());
        }
        let mut raw = Vec::with_capacity(self.raw_length);
        GzDecoder::new(self.body.as_slice()).read_to_end(&mut raw).ok()?;
        Some(raw)
    }
}

/// Overwrites the digits after a datum's first `"Timestamp":`, which stands before all text of strangers. The number of
/// digits stays the same from 2001 to 2286; a time outside of that is left as it is.
fn shift_timestamp(datum: &mut [u8], seconds: i64) {
    const KEY: &[u8] = b"\"Timestamp\":";
    const DIGITS: usize = 10;
    let Some(at) = datum.windows(KEY.len()).position(|window| window == KEY) else { return };
    let start = at.saturating_add(KEY.len());
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

    /// A payload of `count` data of `width` bytes of padding each; datum n carries n values.
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
    fn a_large_body_takes_several_steps_and_is_the_same() {
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
    fn data_are_taken_out_and_the_rest_stays_as_it_was() {
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
    fn halves_make_the_whole() {
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
    fn timestamps_move_and_nothing_else() {
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
