//! The encoding of a distribution in a record.

use super::{Distribution, Shape, is_value};
use crate::{
    bytes::{Malformed, Reader, put_f64, put_varint},
    exact::ExactValues,
    histogram::Histogram,
};

impl Distribution {
    const HISTOGRAM: u8 = 0;
    const CONSTANT: u8 = 1;
    const EXACT: u8 = 2;
    const EXACT_CONSTANT: u8 = 3;
    const SET: u8 = 4;

    /// Appends the distribution to a record or another encoded value.
    pub fn encode(&self, out: &mut Vec<u8>) {
        // Most series count requests, so all of their values are 1.
        let is_constant = self.min.to_bits() == self.max.to_bits()
            && self.sum == self.min * self.count as f64
            && self.bucket_count() == 1;
        match &self.shape {
            Shape::Histogram(histogram) if is_constant && histogram.is_recorded(self.min) => {
                out.push(Self::CONSTANT);
                put_varint(out, self.count);
                put_f64(out, self.min);
            }
            Shape::Exact(exact) if is_constant && exact.values().iter().all(|(value, _)| *value == self.min) => {
                out.push(Self::EXACT_CONSTANT);
                put_varint(out, u64::from(exact.limit()));
                put_varint(out, self.count);
                put_f64(out, self.min);
            }
            Shape::Histogram(histogram) => {
                self.encode_statistics(Self::HISTOGRAM, out);
                histogram.encode(out);
            }
            Shape::Exact(exact) => {
                self.encode_statistics(Self::EXACT, out);
                exact.encode(out);
            }
            Shape::Set(samples) => {
                self.encode_statistics(Self::SET, out);
                put_varint(out, self.count);
                put_f64(out, *samples);
            }
        }
    }

    fn encode_statistics(&self, shape: u8, out: &mut Vec<u8>) {
        out.push(shape);
        put_f64(out, self.sum);
        put_f64(out, self.min);
        put_f64(out, self.max);
    }

    /// Decodes a distribution.
    ///
    /// # Errors
    /// The bytes are not a valid distribution.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        match reader.byte()? {
            Self::CONSTANT => Self::new().decode_constant(reader),
            Self::EXACT_CONSTANT => {
                let limit = u32::try_from(reader.varint()?).map_err(|_| Malformed)?;
                Self::exact(limit.max(1)).decode_constant(reader)
            }
            shape => Self::decode_general(shape, reader),
        }
    }

    fn decode_constant(mut self, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = reader.varint()?;
        let is_recorded = self.record_n(reader.f64()?, count);
        if is_recorded && count > 0 { Ok(self) } else { Err(Malformed) }
    }

    fn decode_general(shape: u8, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (sum, min, max) = (reader.f64()?, reader.f64()?, reader.f64()?);
        if !sum.is_finite() || !is_value(min) || !is_value(max) || min > max {
            return Err(Malformed);
        }
        let (shape, count) = match shape {
            Self::HISTOGRAM => {
                Histogram::decode(reader).map(|(histogram, count)| (Shape::Histogram(histogram), count))?
            }
            Self::EXACT => ExactValues::decode(reader).map(|(exact, count)| (Shape::Exact(exact), count))?,
            Self::SET => {
                let count = reader.varint()?;
                let samples = reader.f64()?;
                if count == 0 || !samples.is_finite() || samples <= 0.0 {
                    return Err(Malformed);
                }
                (Shape::Set(samples), count)
            }
            _ => return Err(Malformed),
        };
        Ok(Self { count, sum, min, max, shape })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        distribution::tests::{any_shape, histogram, values},
        quota::{MAX_VALUE, MAX_VALUES_PER_DATUM},
    };

    proptest! {
        #[test]
        fn histograms_survive_a_round_trip(values in values()) {
            prop_assume!(!values.is_empty());
            let distribution = histogram(&values);
            let mut bytes = Vec::new();
            distribution.encode(&mut bytes);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(Distribution::decode(&mut reader), Ok(distribution));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn arbitrary_bytes_are_refused_or_decode_to_a_valid_distribution(bytes: Vec<u8>) {
            if let Ok(mut distribution) = Distribution::decode(&mut Reader::new(&bytes)) {
                distribution.merge(&histogram(&[1.0, -3.0, 0.0]));
                prop_assert!(distribution.values().len() <= MAX_VALUES_PER_DATUM);
            }
        }

        #[test]
        fn every_shape_survives_a_round_trip_and_the_split_into_data(distribution in any_shape(400)) {
            prop_assume!(!distribution.is_empty());
            let mut bytes = Vec::new();
            distribution.encode(&mut bytes);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(&Distribution::decode(&mut reader).unwrap(), &distribution);
            prop_assert!(reader.is_empty());
            let mut merged = Distribution::exact(400);
            for part in distribution.clone().into_data() {
                prop_assert!(part.bucket_count() <= MAX_VALUES_PER_DATUM);
                merged.merge(&part);
            }
            prop_assert_eq!(merged, distribution);
        }

        #[test]
        fn arbitrary_bytes_after_a_shape_are_refused_or_decode_to_values_in_range(shape in 0u8..6, bytes: Vec<u8>) {
            let bytes = [vec![shape], bytes].concat();
            if let Ok(mut distribution) = Distribution::decode(&mut Reader::new(&bytes)) {
                distribution.merge(&histogram(&[1.0, -3.0, 0.0]));
                prop_assert!(distribution.values().all(|(value, _)| value.abs() <= MAX_VALUE));
            }
        }
    }
}
