//! Exact values with their counts.

use crate::{
    bytes::{Malformed, Reader, put_f64, put_varint},
    quota::MAX_VALUE,
};

/// Distinct values in ascending order, each with its count, up to a limit. The limit is part of the encoding, so it
/// stays with the values when they are merged elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ExactValues {
    limit: u32,
    values: Vec<(f64, u64)>,
}

impl ExactValues {
    pub(crate) const fn new(limit: u32) -> Self {
        Self { limit, values: Vec::new() }
    }

    pub(crate) fn clear(&mut self) {
        self.values.clear();
    }

    /// Lowers the limit. Afterwards, [`Self::is_over`] may return true.
    pub(crate) fn limit_to(&mut self, limit: u32) {
        self.limit = self.limit.min(limit);
    }

    /// Returns whether the number of distinct values exceeds the limit.
    pub(crate) fn is_over(&self) -> bool {
        self.values.len() > self.limit as usize
    }

    pub(crate) fn record_n(&mut self, value: f64, times: u64) {
        // CloudWatch does not distinguish -0.0 from 0.0.
        let value = if value == 0.0 { 0.0 } else { value };
        match self.values.binary_search_by(|(known, _)| known.total_cmp(&value)) {
            Ok(index) => {
                if let Some((_, count)) = self.values.get_mut(index) {
                    *count = count.saturating_add(times);
                }
            }
            Err(index) => self.values.insert(index, (value, times)),
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.limit_to(other.limit);
        if other.values.len() == 1 {
            other.values.iter().for_each(|(value, count)| self.record_n(*value, *count));
            return;
        }
        let mut merged = Vec::with_capacity(self.values.len().saturating_add(other.values.len()));
        let (mut left, mut right) = (self.values.iter().copied().peekable(), other.values.iter().copied().peekable());
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some((a, count)), Some((b, more))) if a == b => {
                    let both = (*a, count.saturating_add(*more));
                    left.next();
                    right.next();
                    Some(both)
                }
                (Some((a, _)), Some((b, _))) if a < b => left.next(),
                (Some(_), None) => left.next(),
                (_, Some(_)) => right.next(),
                (None, None) => None,
            };
            match next {
                Some(pair) => merged.push(pair),
                None => break,
            }
        }
        self.values = merged;
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn values(&self) -> &[(f64, u64)] {
        &self.values
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.limit));
        put_varint(out, self.values.len() as u64);
        for (value, count) in &self.values {
            put_f64(out, *value);
            put_varint(out, *count);
        }
    }

    /// Decodes values. Returns them with the sum of their counts.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<(Self, u64), Malformed> {
        let limit = u32::try_from(reader.varint()?).map_err(|_| Malformed)?;
        let length = reader.length()?;
        if length == 0 || length > limit as usize {
            return Err(Malformed);
        }
        let mut exact = Self { limit, values: Vec::with_capacity(length) };
        let mut samples = 0u64;
        for _ in 0..length {
            let (value, count) = (reader.f64()?, reader.varint()?);
            let is_ascending = exact.values.last().is_none_or(|(last, _)| *last < value);
            let is_value = value.abs() <= MAX_VALUE;
            if !is_ascending || !is_value || count == 0 {
                return Err(Malformed);
            }
            samples = samples.saturating_add(count);
            exact.values.push((value, count));
        }
        Ok((exact, samples))
    }
}
