//! The distribution of one series over one window: exact count, sum, minimum and maximum, and buckets for percentiles.

use crate::{
    bytes::{Malformed, Reader, put_f64, put_signed, put_varint},
    quota::{MAX_VALUE, MAX_VALUES_PER_DATUM},
};

/// The finest scale: 32 buckets for each doubling, a relative error of at most 1.1 %.
const MAX_SCALE: i32 = 5;
/// The coarsest scale: every double there is falls into fewer buckets than a datum has values.
const MIN_SCALE: i32 = -6;
/// Keeps the keys of positive values positive and those of negative values negative, at every scale.
const OFFSET: i32 = 1 << 16;

/// A sparse base-2 exponential histogram, after OpenTelemetry's data model.
///
/// Count, minimum and maximum are exact, the sum up to the rounding of doubles. A value v > 0 lies in the bucket
/// (2^(i/2^s), 2^((i+1)/2^s)] at scale s; negative values mirror that, zeros have a bucket of their own. It starts at
/// scale 5 (values within 1.1 %) and never has more buckets than one datum has values (150): when it would, neighbours
/// are merged and the scale falls by one (4: values within 2.2 %, while they span less than 660×; 3: within 4.4 %).
///
/// What a distribution holds does not depend on the order in which values and distributions were put into it.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    scale: i32,
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    /// Grows with the values: 0 for zeros, the index plus [`OFFSET`] for positive values, its negative for negative ones.
    key: i32,
    count: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        Self::new()
    }
}

impl Distribution {
    /// A distribution of nothing; allocates nothing.
    pub const fn new() -> Self {
        Self { count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY, scale: MAX_SCALE, buckets: Vec::new() }
    }

    /// Adds one value. See [`Self::record_n`].
    pub fn record(&mut self, value: f64) -> bool {
        self.record_n(value, 1)
    }

    /// Adds a value `times` times, and tells whether that could be: a value that CloudWatch does not take (NaN, or beyond
    /// ±2^360) changes nothing.
    pub fn record_n(&mut self, value: f64, times: u64) -> bool {
        if value.is_nan() || value.abs() > MAX_VALUE {
            return false;
        }
        if times == 0 {
            return true;
        }
        self.count = self.count.saturating_add(times);
        self.sum += value * times as f64;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let key = key(value, self.scale);
        match self.buckets.binary_search_by_key(&key, |bucket| bucket.key) {
            Ok(at) => {
                if let Some(bucket) = self.buckets.get_mut(at) {
                    bucket.count = bucket.count.saturating_add(times);
                }
            }
            Err(at) => {
                self.buckets.insert(at, Bucket { key, count: times });
                self.fit();
            }
        }
        true
    }

    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.count = self.count.saturating_add(other.count);
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        while self.scale > other.scale {
            self.downscale();
        }
        let shift = other.scale.saturating_sub(self.scale);
        for bucket in &other.buckets {
            let key = coarser(bucket.key, shift);
            match self.buckets.binary_search_by_key(&key, |bucket| bucket.key) {
                Ok(at) => {
                    if let Some(known) = self.buckets.get_mut(at) {
                        known.count = known.count.saturating_add(bucket.count);
                    }
                }
                Err(at) => self.buckets.insert(at, Bucket { key, count: bucket.count }),
            }
        }
        self.fit();
    }

    /// Empties the distribution and keeps its memory.
    pub fn clear(&mut self) {
        let mut buckets = std::mem::take(&mut self.buckets);
        buckets.clear();
        *self = Self { buckets, ..Self::new() };
    }

    /// How many values it holds.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The sum of its values.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The smallest value; infinite when it is empty.
    pub fn min(&self) -> f64 {
        self.min
    }

    /// The largest value; negative infinite when it is empty.
    pub fn max(&self) -> f64 {
        self.max
    }

    /// How many buckets it has: the values of its datum.
    pub fn bucket_count(&self) -> usize {
        self.buckets.len()
    }

    /// One value for each bucket, with the number of values it stands for, in ascending order: CloudWatch's `Values` and
    /// `Counts`. The value is the one with the least relative error over its bucket, kept within minimum and maximum. A
    /// distribution of one value, or of only two far enough apart (0 and 1), is exact.
    pub fn values(&self) -> impl ExactSizeIterator<Item = (f64, u64)> {
        let last = self.buckets.len().saturating_sub(1);
        let has_two_values = self.has_two_values();
        self.buckets.iter().enumerate().map(move |(at, bucket)| {
            let is_extreme = has_two_values || bucket.count == 1;
            let value = match at {
                0 if is_extreme => self.min,
                at if at == last && is_extreme => self.max,
                _ => representative(bucket.key, self.scale).clamp(self.min, self.max),
            };
            (value, bucket.count)
        })
    }

    /// Two buckets whose values, taken as minimum and maximum, give the exact sum, hold nothing else.
    fn has_two_values(&self) -> bool {
        match self.buckets.as_slice() {
            [low, high] => self.sum == self.min * low.count as f64 + self.max * high.count as f64,
            _ => false,
        }
    }

    /// Merges neighbours until there are no more buckets than a datum has values.
    fn fit(&mut self) {
        while self.buckets.len() > MAX_VALUES_PER_DATUM && self.scale > MIN_SCALE {
            self.downscale();
        }
    }

    fn downscale(&mut self) {
        self.scale = self.scale.saturating_sub(1);
        self.buckets.dedup_by(|next, kept| {
            // The kept bucket has its new key already, or has it now.
            let same = coarser(next.key, 1) == coarser(kept.key, 1);
            if same {
                kept.count = kept.count.saturating_add(next.count);
            }
            same
        });
        for bucket in &mut self.buckets {
            bucket.key = coarser(bucket.key, 1);
        }
    }
}

/// How a distribution lies in a record.
impl Distribution {
    const GENERAL: u8 = 0;
    const CONSTANT: u8 = 1;

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        // Most series count requests: every value is 1.
        if self.min.to_bits() == self.max.to_bits() && self.sum == self.min * self.count as f64 {
            out.push(Self::CONSTANT);
            put_varint(out, self.count);
            put_f64(out, self.min);
            return;
        }
        out.push(Self::GENERAL);
        put_f64(out, self.sum);
        put_f64(out, self.min);
        put_f64(out, self.max);
        put_signed(out, i64::from(self.scale));
        put_varint(out, self.buckets.len() as u64);
        let mut previous = 0i64;
        for bucket in &self.buckets {
            let key = i64::from(bucket.key);
            put_signed(out, key.saturating_sub(previous));
            put_varint(out, bucket.count);
            previous = key;
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        match reader.byte()? {
            Self::CONSTANT => {
                let count = reader.varint()?;
                let mut distribution = Self::new();
                let is_recorded = distribution.record_n(reader.f64()?, count);
                if is_recorded && count > 0 { Ok(distribution) } else { Err(Malformed) }
            }
            Self::GENERAL => Self::decode_general(reader),
            _ => Err(Malformed),
        }
    }

    fn decode_general(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (sum, min, max) = (reader.f64()?, reader.f64()?, reader.f64()?);
        let scale = i32::try_from(reader.signed()?).map_err(|_| Malformed)?;
        let length = reader.length()?;
        let is_sound = sum.is_finite()
            && min <= max
            && min.abs() <= MAX_VALUE
            && max.abs() <= MAX_VALUE
            && (MIN_SCALE..=MAX_SCALE).contains(&scale)
            && (1..=MAX_VALUES_PER_DATUM).contains(&length);
        if !is_sound {
            return Err(Malformed);
        }
        let mut count = 0u64;
        let mut previous = None;
        let mut buckets = Vec::with_capacity(length);
        for _ in 0..length {
            let step = reader.signed()?;
            let key = i64::from(previous.unwrap_or(0)).checked_add(step).ok_or(Malformed)?;
            let key = i32::try_from(key).map_err(|_| Malformed)?;
            let values = reader.varint()?;
            let is_ascending = previous.is_none_or(|previous| previous < key);
            if !is_ascending || values == 0 || key.abs() > 2 * OFFSET {
                return Err(Malformed);
            }
            count = count.saturating_add(values);
            buckets.push(Bucket { key, count: values });
            previous = Some(key);
        }
        Ok(Self { count, sum, min, max, scale, buckets })
    }
}

/// The key of a value's bucket at a scale.
fn key(value: f64, scale: i32) -> i32 {
    // Nothing that is measured lies between zero and the smallest normal double.
    if value.abs() < f64::MIN_POSITIVE {
        return 0;
    }
    let bits = value.abs().to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32 - 1023;
    let fraction = bits & ((1 << 52) - 1);
    // The upper bound belongs to the bucket, so the boundaries below the value are counted.
    let below = BOUNDARIES.partition_point(|boundary| *boundary < fraction) as i32;
    let index = (exponent * (1 << MAX_SCALE) + below - 1) >> (MAX_SCALE - scale);
    let magnitude = index + OFFSET;
    if value < 0.0 { -magnitude } else { magnitude }
}

/// The key, `shift` scales down, of the bucket that takes in the bucket of this key.
fn coarser(key: i32, shift: i32) -> i32 {
    let shift = shift.clamp(0, MAX_SCALE - MIN_SCALE);
    match key.signum() {
        0 => 0,
        sign => sign.saturating_mul(((key.saturating_abs() - OFFSET) >> shift) + OFFSET),
    }
}

/// The value with the least relative error, (u − l) / (u + l), over the bucket (l, u].
fn representative(key: i32, scale: i32) -> f64 {
    if key == 0 {
        return 0.0;
    }
    let index = f64::from(key.saturating_abs() - OFFSET);
    let width = f64::exp2(-f64::from(scale));
    let lower = f64::exp2(index * width);
    let ratio = f64::exp2(width);
    let value = lower * (2.0 * ratio / (1.0 + ratio));
    if key < 0 { -value } else { value }
}

/// The 52 fraction bits of 2^(k/32), k = 0 … 31: the lower bounds of the buckets between 1 and 2 at the finest scale.
#[rustfmt::skip]
const BOUNDARIES: [u64; 32] = [
    0x0000000000000, 0x059b0d3158574, 0x0b5586cf9890f, 0x11301d0125b51,
    0x172b83c7d517b, 0x1d4873168b9aa, 0x2387a6e756238, 0x29e9df51fdee1,
    0x306fe0a31b715, 0x371a7373aa9cb, 0x3dea64c123422, 0x44e086061892d,
    0x4bfdad5362a27, 0x5342b569d4f82, 0x5ab07dd485429, 0x6247eb03a5585,
    0x6a09e667f3bcd, 0x71f75e8ec5f74, 0x7a11473eb0187, 0x82589994cce13,
    0x8ace5422aa0db, 0x93737b0cdc5e5, 0x9c49182a3f090, 0xa5503b23e255d,
    0xae89f995ad3ad, 0xb7f76f2fb5e47, 0xc199bdd85529c, 0xcb720dcef9069,
    0xd5818dcfba487, 0xdfc97337b9b5f, 0xea4afa2a490da, 0xf50765b6e4540,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f64]) -> Distribution {
        let mut distribution = Distribution::new();
        for value in values {
            assert!(distribution.record(*value));
        }
        distribution
    }

    /// Whole numbers, so that sums do not depend on the order of additions.
    fn values() -> impl Strategy<Value = Vec<f64>> {
        let value = prop_oneof![
            4 => (0u32..2_000_000).prop_map(f64::from),
            1 => Just(0.0),
            1 => (1i32..1_000).prop_map(|n| -f64::from(n)),
            1 => (0u32..40).prop_map(|n| f64::exp2(f64::from(n))),
        ];
        prop::collection::vec(value, 0..600)
    }

    proptest! {
        #[test]
        fn merging_is_recording_in_any_order(a in values(), b in values(), c in values()) {
            let all = of(&[a.as_slice(), &b, &c].concat());
            let mut left = of(&a);
            left.merge(&of(&b));
            left.merge(&of(&c));
            prop_assert_eq!(&left, &all);
            let mut right = of(&c);
            right.merge(&of(&b));
            let mut last = of(&a);
            last.merge(&right);
            prop_assert_eq!(&last, &all);
        }

        #[test]
        fn nothing_is_lost_and_a_datum_can_hold_it(values in values()) {
            let distribution = of(&values);
            prop_assert_eq!(distribution.count(), values.len() as u64);
            prop_assert_eq!(distribution.sum(), values.iter().sum::<f64>());
            prop_assert_eq!(distribution.values().map(|(_, count)| count).sum::<u64>(), distribution.count());
            prop_assert!(distribution.bucket_count() <= MAX_VALUES_PER_DATUM);
            for (value, _) in distribution.values() {
                prop_assert!(distribution.min() <= value && value <= distribution.max());
            }
            let representatives: Vec<f64> = distribution.values().map(|(value, _)| value).collect();
            prop_assert!(representatives.windows(2).all(|pair| pair[0] < pair[1]));
        }

        #[test]
        fn a_value_stays_within_the_error_of_the_finest_scale(value in 1e-9f64..1e12) {
            let mut distribution = of(&[value, value]);
            distribution.merge(&of(&[1e-10, 1e-10, 1e13, 1e13]));
            let near = distribution.values().map(|(kept, _)| (kept / value - 1.0).abs()).fold(f64::INFINITY, f64::min);
            prop_assert!(near <= 0.0109, "{}", near);
        }

        #[test]
        fn what_is_encoded_is_decoded(values in values()) {
            prop_assume!(!values.is_empty());
            let distribution = of(&values);
            let mut bytes = Vec::new();
            distribution.encode(&mut bytes);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(Distribution::decode(&mut reader), Ok(distribution));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
            if let Ok(mut distribution) = Distribution::decode(&mut Reader::new(&bytes)) {
                distribution.merge(&of(&[1.0, -3.0, 0.0]));
                prop_assert!(distribution.values().len() <= MAX_VALUES_PER_DATUM);
            }
        }
    }

    #[test]
    fn buckets_have_the_bounds_of_opentelemetry() {
        // At scale 0 the buckets are (1, 2], (2, 4], …; a power of two is the upper bound of its bucket.
        for (value, index) in [(1.0, -1), (1.5, 0), (2.0, 0), (2.1, 1), (4.0, 1), (0.5, -2), (0.6, -1)] {
            assert_eq!(key(value, 0) - OFFSET, index, "{value}");
            assert_eq!(-key(-value, 0) - OFFSET, index, "-{value}");
        }
        for k in -300..300 {
            let boundary = f64::exp2(f64::from(k) / 32.0);
            assert!((key(boundary * (1.0 + 1e-12), 5) - OFFSET - k).abs() == 0, "{k}");
            assert!((key(boundary * (1.0 - 1e-12), 5) - OFFSET - k + 1).abs() == 0, "{k}");
        }
    }

    #[test]
    fn every_double_falls_into_a_datum() {
        let mut distribution = Distribution::new();
        for exponent in -1022..=360 {
            distribution.record(2f64.powi(exponent));
            distribution.record(-2f64.powi(exponent));
        }
        assert!(distribution.bucket_count() <= MAX_VALUES_PER_DATUM);
        assert_eq!(distribution.count(), 2 * 1383);
    }

    #[test]
    fn values_that_cloudwatch_refuses_change_nothing() {
        let mut distribution = of(&[1.0]);
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, MAX_VALUE * 2.0, -MAX_VALUE * 2.0] {
            assert!(!distribution.record(value));
        }
        assert_eq!(distribution, of(&[1.0]));
        assert!(distribution.record(MAX_VALUE) && distribution.record(-MAX_VALUE));
    }

    #[test]
    fn one_value_and_zero_or_one_are_exact() {
        let mut counts = Distribution::new();
        counts.record_n(1.0, 12_345);
        assert_eq!(counts.values().collect::<Vec<_>>(), [(1.0, 12_345)]);
        let errors = of(&[0.0, 1.0, 0.0, 0.0, 1.0]);
        assert_eq!(errors.values().collect::<Vec<_>>(), [(0.0, 3), (1.0, 2)]);
        assert_eq!((errors.sum(), errors.count()), (2.0, 5));
    }

    #[test]
    fn the_scale_is_the_finest_that_fits() {
        for (buckets, scale) in [(149, 5), (150, 5), (151, 4)] {
            let values: Vec<f64> = (0..buckets).map(|k| f64::exp2((f64::from(k) + 0.5) / 32.0)).collect();
            assert_eq!(of(&values).scale, scale, "{buckets}");
        }
    }

    #[test]
    fn clearing_keeps_memory_and_nothing_else() {
        let mut distribution = of(&[1.0, 2.0, 3.0]);
        let capacity = distribution.buckets.capacity();
        distribution.clear();
        assert_eq!(distribution, Distribution::new());
        assert_eq!(distribution.buckets.capacity(), capacity);
    }
}
