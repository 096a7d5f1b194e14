//! A sparse base-2 exponential histogram.

use crate::{
    bytes::{Malformed, Reader, put_signed, put_varint},
    quota::MAX_VALUES_PER_DATUM,
};

/// The finest scale: 32 buckets per doubling, which gives a relative error of at most 1.1 %.
pub(crate) const MAX_SCALE: i32 = 5;
/// The coarsest scale of OpenTelemetry's histograms. At scale -6, all doubles together need fewer buckets than a datum
/// may have values, so merging buckets never leads to a coarser one.
const MIN_SCALE: i32 = -10;
/// The offset between index and key of a bucket. At every scale, it makes the keys of positive values positive and the
/// keys of negative values negative.
pub(crate) const OFFSET: i32 = 1 << 16;

/// A base-2 exponential histogram as in OpenTelemetry's data model.
///
/// At scale s, a positive value belongs to a bucket (2^(i/2^s), 2^((i+1)/2^s)]. The buckets of negative values mirror
/// those of positive ones, and zeros have a separate bucket. The number of buckets never exceeds the number of values
/// that CloudWatch accepts in one datum: before it would, neighbouring buckets are merged and the scale is decremented.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Histogram {
    scale: i32,
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    /// The sort key: 0 for zeros, index + [`OFFSET`] for positive values, and -(index + [`OFFSET`]) for negative ones.
    key: i32,
    count: u64,
}

impl Histogram {
    pub(crate) const fn new() -> Self {
        Self { scale: MAX_SCALE, buckets: Vec::new() }
    }

    pub(crate) fn scale(&self) -> i32 {
        self.scale
    }

    /// Removes all values and keeps the allocated memory.
    pub(crate) fn clear(&mut self) {
        self.scale = MAX_SCALE;
        self.buckets.clear();
    }

    pub(crate) fn record_n(&mut self, value: f64, times: u64) {
        let key = key(value, self.scale);
        match self.buckets.binary_search_by_key(&key, |bucket| bucket.key) {
            Ok(index) => {
                if let Some(bucket) = self.buckets.get_mut(index) {
                    bucket.count = bucket.count.saturating_add(times);
                }
            }
            Err(index) => {
                self.buckets.insert(index, Bucket { key, count: times });
                self.fit();
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        while self.scale > other.scale {
            self.downscale();
        }
        let shift = other.scale.saturating_sub(self.scale);
        for bucket in &other.buckets {
            let key = coarser(bucket.key, shift);
            match self.buckets.binary_search_by_key(&key, |bucket| bucket.key) {
                Ok(index) => {
                    if let Some(known) = self.buckets.get_mut(index) {
                        known.count = known.count.saturating_add(bucket.count);
                    }
                }
                Err(index) => self.buckets.insert(index, Bucket { key, count: bucket.count }),
            }
        }
        self.fit();
    }

    /// Returns the number of zeros.
    pub(crate) fn zero_count(&self) -> u64 {
        self.buckets.iter().filter(|bucket| bucket.key == 0).map(|bucket| bucket.count).sum()
    }

    /// Returns the OpenTelemetry index and the count of each bucket with positive values, or with negative ones.
    pub(crate) fn buckets(&self, is_negative: bool) -> impl Iterator<Item = (i32, u64)> {
        let has_sign = move |bucket: &&Bucket| bucket.key != 0 && (bucket.key < 0) == is_negative;
        let index = |bucket: &Bucket| (bucket.key.saturating_abs().saturating_sub(OFFSET), bucket.count);
        self.buckets.iter().filter(has_sign).map(index)
    }

    /// Returns the smallest and the largest index of the buckets with this sign.
    pub(crate) fn indices(&self, is_negative: bool) -> Option<(i32, i32)> {
        let indices = || self.buckets(is_negative).map(|(index, _)| index);
        Some((indices().min()?, indices().max()?))
    }

    /// Returns the number of buckets in the dense form of the sign that needs more.
    pub(crate) fn widest_range(&self) -> usize {
        let width = |is_negative| {
            let (first, last) = self.indices(is_negative)?;
            usize::try_from(last.saturating_sub(first)).ok()?.checked_add(1)
        };
        width(false).max(width(true)).unwrap_or(0)
    }

    /// Merges neighbouring buckets once. Returns false if the scale is the coarsest.
    pub(crate) fn downscale_once(&mut self) -> bool {
        let may_downscale = self.scale > MIN_SCALE;
        if may_downscale {
            self.downscale();
        }
        may_downscale
    }

    /// Creates a histogram from OpenTelemetry's buckets: the number of zeros, and for positive and negative values the
    /// index of the first bucket with the counts of consecutive buckets. Returns it with the number of its values.
    ///
    /// Values below 2^-360 become zeros, as CloudWatch does not accept them. Returns `None` if the scale is below -10,
    /// if a bucket has only values above 2^360, or if there are more values than 64 bits can count.
    pub(crate) fn from_buckets(
        scale: i32,
        zeros: u64,
        positive: (i32, &[u64]),
        negative: (i32, &[u64]),
    ) -> Option<(Self, u64)> {
        let shift = scale.saturating_sub(MAX_SCALE).max(0);
        let mut histogram = Self { scale: scale.min(MAX_SCALE), buckets: Vec::new() };
        if histogram.scale < MIN_SCALE {
            return None;
        }
        // A bucket of a finer scale lies within one bucket of the finest scale that is supported.
        let key = |offset: i32, position: usize| {
            let index = i64::from(offset).checked_add(i64::try_from(position).ok()?)?;
            i32::try_from(index.checked_shr(shift.unsigned_abs()).unwrap_or(index >> 63)).ok()
        };
        let least = first_in_range(histogram.scale);
        let (mut total, mut zeros) = (zeros, zeros);
        let mut add = |sign: i32, (offset, counts): (i32, &[u64]), kept: &mut Vec<Bucket>| {
            for (position, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                total = total.checked_add(*count)?;
                let index = key(offset, position)?;
                match index {
                    index if index < least => zeros = zeros.checked_add(*count)?,
                    index if index >= least.saturating_neg() => return None,
                    index => {
                        let key = sign.saturating_mul(index.saturating_add(OFFSET));
                        match kept.last_mut().filter(|last| last.key == key) {
                            Some(last) => last.count = last.count.checked_add(*count)?,
                            None => kept.push(Bucket { key, count: *count }),
                        }
                    }
                }
            }
            Some(())
        };
        let mut above = Vec::new();
        add(-1, negative, &mut histogram.buckets)?;
        add(1, positive, &mut above)?;
        histogram.buckets.reverse();
        if zeros > 0 {
            histogram.buckets.push(Bucket { key: 0, count: zeros });
        }
        histogram.buckets.append(&mut above);
        histogram.fit();
        Some((histogram, total))
    }

    /// Returns the values that were added since an earlier state of this histogram, with their number. Returns `None`
    /// if a bucket has lost values.
    pub(crate) fn since(&self, before: &Self) -> Option<(Self, u64)> {
        let mut added = self.clone();
        let mut before = before.clone();
        while added.scale > before.scale {
            added.downscale();
        }
        while before.scale > added.scale {
            before.downscale();
        }
        let mut total = 0u64;
        for bucket in &before.buckets {
            let index = added.buckets.binary_search_by_key(&bucket.key, |known| known.key).ok()?;
            let known = added.buckets.get_mut(index)?;
            known.count = known.count.checked_sub(bucket.count)?;
        }
        added.buckets.retain(|bucket| bucket.count > 0);
        for bucket in &added.buckets {
            total = total.checked_add(bucket.count)?;
        }
        Some((added, total))
    }

    /// Returns whether this is the histogram of recording only this value. Buckets that OpenTelemetry has counted may
    /// be coarser.
    pub(crate) fn is_recorded(&self, value: f64) -> bool {
        let key = key(value, MAX_SCALE);
        self.scale == MAX_SCALE && matches!(self.buckets.as_slice(), [only] if only.key == key)
    }

    pub(crate) fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Returns the representative value and the count of each bucket, in ascending order.
    pub(crate) fn values(&self) -> impl ExactSizeIterator<Item = (f64, u64)> {
        self.buckets.iter().map(|bucket| (representative(bucket.key, self.scale), bucket.count))
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
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

    /// Decodes a histogram. Returns it with the number of its values.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<(Self, u64), Malformed> {
        let scale = i32::try_from(reader.signed()?).map_err(|_| Malformed)?;
        let length = reader.length()?;
        if !(MIN_SCALE..=MAX_SCALE).contains(&scale) || !(1..=MAX_VALUES_PER_DATUM).contains(&length) {
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
        Ok((Self { scale, buckets }, count))
    }

    /// Merges neighbouring buckets until their number is at most that of the values in a datum.
    fn fit(&mut self) {
        while self.buckets.len() > MAX_VALUES_PER_DATUM && self.scale > MIN_SCALE {
            self.downscale();
        }
    }

    fn downscale(&mut self) {
        self.scale = self.scale.saturating_sub(1);
        self.buckets.dedup_by(|next, kept| {
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

/// Returns the key of the bucket that contains a value at a scale.
pub(crate) fn key(value: f64, scale: i32) -> i32 {
    // Subnormal numbers are treated as zero; measurements are never that small.
    if value.abs() < f64::MIN_POSITIVE {
        return 0;
    }
    let bits = value.abs().to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32 - 1023;
    let fraction = bits & ((1 << 52) - 1);
    // A bucket includes its upper bound, so only boundaries strictly below the value count.
    let below = BOUNDARIES.partition_point(|boundary| *boundary < fraction) as i32;
    let index = (exponent * (1 << MAX_SCALE) + below - 1) >> (MAX_SCALE - scale);
    let magnitude = index + OFFSET;
    if value < 0.0 { -magnitude } else { magnitude }
}

/// Returns the index of the first bucket that contains values above 2^-360, at a scale between -10 and 5. The bucket
/// with the negated index is the first whose values are all above 2^360.
fn first_in_range(scale: i32) -> i32 {
    const EXPONENT: i32 = -360;
    if scale < 0 { EXPONENT >> -scale } else { EXPONENT << scale }
}

/// Returns the key of the bucket that contains the bucket `key` at a scale that is lower by `shift`.
fn coarser(key: i32, shift: i32) -> i32 {
    let shift = shift.clamp(0, MAX_SCALE - MIN_SCALE);
    match key.signum() {
        0 => 0,
        sign => sign.saturating_mul(((key.saturating_abs() - OFFSET) >> shift) + OFFSET),
    }
}

/// Returns the value that minimises the relative error, (u − l) / (u + l), for the bucket (l, u].
fn representative(key: i32, scale: i32) -> f64 {
    if key == 0 {
        return 0.0;
    }
    let lower = boundary(key.saturating_abs().saturating_sub(OFFSET), scale);
    let ratio = boundary(1, scale);
    let value = lower * (2.0 * ratio / (1.0 + ratio));
    if key < 0 { -value } else { value }
}

/// Returns 2^(index / 2^scale), the lower bound of the bucket with this index, correctly rounded. Outside of the range
/// of normal doubles, returns a number near the end of the range.
fn boundary(index: i32, scale: i32) -> f64 {
    let finest = index.saturating_mul(1 << (MAX_SCALE - scale));
    let exponent = finest.div_euclid(1 << MAX_SCALE).saturating_add(1023).clamp(0, 2046);
    let fraction = BOUNDARIES.get(finest.rem_euclid(1 << MAX_SCALE) as usize).copied().unwrap_or_default();
    f64::from_bits((exponent as u64) << 52 | fraction)
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
    use super::*;

    #[test]
    fn boundaries_are_powers_of_two() {
        for scale in MIN_SCALE..=MAX_SCALE {
            for index in -1_000..1_000 {
                let exponent = f64::from(index) * f64::exp2(f64::from(-scale));
                let lower = boundary(index, scale);
                if (-1_022.0..1_023.0).contains(&exponent) {
                    let expected = f64::exp2(exponent);
                    assert!(
                        (lower / expected - 1.0).abs() <= f64::EPSILON,
                        "{index} at {scale}: {lower} instead of {expected}"
                    );
                }
                assert!(
                    lower.is_finite() && lower < boundary(index + 1, scale) || exponent.abs() >= 1_022.0,
                    "{index} at {scale}"
                );
            }
        }
        // No value has such an index, but a record may contain it.
        assert!([i32::MIN, i32::MAX].iter().all(|index| boundary(*index, MIN_SCALE).is_finite()));
    }

    #[test]
    fn buckets_have_the_bounds_that_opentelemetry_defines() {
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
}
