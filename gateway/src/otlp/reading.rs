//! The values of a data point, and the increase from one reading of a cumulative stream to the next.

use acpw_metric::{
    Distribution,
    bytes::{Malformed, Reader, put_f64, put_signed, put_varint},
};

/// The values of a data point: those of its period, or all since the start of its stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reading {
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// A histogram with explicit bounds.
    Histogram {
        /// The number of values.
        count: u64,
        /// The sum of the values, if it is known.
        sum: Option<f64>,
        /// The number of values in each bucket.
        buckets: Vec<u64>,
    },
    /// An exponential histogram.
    Exponential(Distribution),
    /// A summary.
    Summary {
        /// The number of values.
        count: u64,
        /// The sum of the values.
        sum: f64,
    },
}

impl Reading {
    const INT: u8 = 0;
    const DOUBLE: u8 = 1;
    const HISTOGRAM: u8 = 2;
    const HISTOGRAM_WITHOUT_SUM: u8 = 3;
    const EXPONENTIAL: u8 = 4;
    const EMPTY_EXPONENTIAL: u8 = 5;
    const SUMMARY: u8 = 6;

    /// Returns the increase since an earlier reading. Returns `None` if it is unknown because the stream has gone back.
    pub(super) fn since(&self, before: &Self) -> Option<Self> {
        match (self, before) {
            (Self::Int(now), Self::Int(then)) if now >= then => now.checked_sub(*then).map(Self::Int),
            // A client may add whole numbers first and fractions later.
            (Self::Int(_) | Self::Double(_), Self::Int(_) | Self::Double(_)) => {
                let (now, then) = (self.number()?, before.number()?);
                (now >= then).then_some(Self::Double(now - then))
            }
            (
                Self::Histogram { count, sum, buckets },
                Self::Histogram { count: count_then, sum: sum_then, buckets: buckets_then },
            ) if buckets.len() == buckets_then.len() => {
                let increases = buckets.iter().zip(buckets_then).map(|(now, then)| now.checked_sub(*then));
                Some(Self::Histogram {
                    count: count.checked_sub(*count_then)?,
                    sum: sum.zip(*sum_then).map(|(now, then)| now - then),
                    buckets: increases.collect::<Option<_>>()?,
                })
            }
            (Self::Exponential(now), Self::Exponential(then)) => now.since(then).map(Self::Exponential),
            (Self::Summary { count, sum }, Self::Summary { count: count_then, sum: sum_then }) => {
                Some(Self::Summary { count: count.checked_sub(*count_then)?, sum: sum - sum_then })
            }
            _ => None,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Double(number) => Some(*number),
            _ => None,
        }
    }

    /// Appends the reading to the value in shared data.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Int(number) => {
                out.push(Self::INT);
                put_signed(out, *number);
            }
            Self::Double(number) => {
                out.push(Self::DOUBLE);
                put_f64(out, *number);
            }
            Self::Histogram { count, sum, buckets } => {
                out.push(if sum.is_some() { Self::HISTOGRAM } else { Self::HISTOGRAM_WITHOUT_SUM });
                sum.iter().for_each(|sum| put_f64(out, *sum));
                put_varint(out, *count);
                put_varint(out, buckets.len() as u64);
                buckets.iter().for_each(|count| put_varint(out, *count));
            }
            // An empty distribution has no encoding.
            Self::Exponential(values) if values.is_empty() => out.push(Self::EMPTY_EXPONENTIAL),
            Self::Exponential(values) => {
                out.push(Self::EXPONENTIAL);
                values.encode(out);
            }
            Self::Summary { count, sum } => {
                out.push(Self::SUMMARY);
                put_varint(out, *count);
                put_f64(out, *sum);
            }
        }
    }

    /// Decodes a reading.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match reader.byte()? {
            Self::INT => Self::Int(reader.signed()?),
            Self::DOUBLE => Self::Double(reader.f64()?),
            kind @ (Self::HISTOGRAM | Self::HISTOGRAM_WITHOUT_SUM) => {
                let sum = if kind == Self::HISTOGRAM { Some(reader.f64()?) } else { None };
                let count = reader.varint()?;
                let buckets = (0..reader.length()?).map(|_| reader.varint()).collect::<Result<_, _>>()?;
                Self::Histogram { count, sum, buckets }
            }
            Self::EXPONENTIAL => Self::Exponential(Distribution::decode(reader)?),
            Self::EMPTY_EXPONENTIAL => Self::Exponential(Distribution::new()),
            Self::SUMMARY => Self::Summary { count: reader.varint()?, sum: reader.f64()? },
            _ => return Err(Malformed),
        })
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::ExponentialBuckets;
    use proptest::prelude::*;

    use super::*;

    fn exponential(counts: &[u64]) -> Reading {
        let nothing = ExponentialBuckets::default();
        let positive = ExponentialBuckets { offset: -1, counts };
        Reading::Exponential(Distribution::exponential(2, 0, positive, nothing).unwrap())
    }

    fn histogram(buckets: &[u64], sum: Option<f64>) -> Reading {
        Reading::Histogram { count: buckets.iter().sum(), sum, buckets: buckets.to_vec() }
    }

    fn readings() -> impl Strategy<Value = Reading> {
        let counts = || prop::collection::vec(0u64..1 << 40, 0..20);
        prop_oneof![
            any::<i64>().prop_map(Reading::Int),
            (-1e9f64..1e9).prop_map(Reading::Double),
            (counts(), prop::option::of(-1e9f64..1e9)).prop_map(|(counts, sum)| histogram(&counts, sum)),
            counts().prop_map(|counts| exponential(&counts)),
            (any::<u64>(), -1e9f64..1e9).prop_map(|(count, sum)| Reading::Summary { count, sum }),
        ]
    }

    proptest! {
        #[test]
        fn a_reading_survives_a_round_trip(readings in prop::collection::vec(readings(), 0..5)) {
            let mut bytes = Vec::new();
            readings.iter().for_each(|reading| reading.encode(&mut bytes));
            let mut reader = Reader::new(&bytes);
            for reading in readings {
                prop_assert_eq!(Reading::decode(&mut reader), Ok(reading));
            }
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn arbitrary_bytes_are_refused_or_become_a_reading(bytes: Vec<u8>) {
            let _ = Reading::decode(&mut Reader::new(&bytes));
        }
    }

    #[test]
    fn an_increase_is_the_difference_and_unknown_if_a_stream_goes_back() {
        use Reading::{Double, Int, Summary};
        // A difference of doubles would lose these units.
        let large = 1 << 60;
        assert_eq!(Int(large + 3).since(&Int(large)), Some(Int(3)));
        assert_eq!(Int(i64::MAX).since(&Int(i64::MIN)), None);
        assert_eq!(Int(2).since(&Int(3)), None);
        assert_eq!(Double(2.5).since(&Double(0.5)), Some(Double(2.0)));
        assert_eq!(Double(2.5).since(&Double(3.5)), None);
        assert_eq!(Double(2.5).since(&Int(1)), Some(Double(1.5)));
        assert_eq!(Int(2).since(&Double(2.5)), None);
        let then = histogram(&[1, 2], Some(3.0));
        assert_eq!(histogram(&[1, 4], Some(9.0)).since(&then), Some(histogram(&[0, 2], Some(6.0))));
        assert_eq!(histogram(&[1, 4], None).since(&then), Some(histogram(&[0, 2], None)));
        assert_eq!(histogram(&[0, 4], Some(9.0)).since(&then), None);
        assert_eq!(histogram(&[1, 4, 0], Some(9.0)).since(&then), None);
        let Some(Reading::Exponential(increase)) = exponential(&[1, 2, 5]).since(&exponential(&[1, 1])) else {
            panic!()
        };
        assert_eq!(increase.count(), 6);
        assert_eq!(exponential(&[1]).since(&exponential(&[1, 1])), None);
        let Some(Reading::Exponential(all)) = exponential(&[3]).since(&exponential(&[])) else { panic!() };
        assert_eq!(all.count(), 3);
        let summary = |count, sum| Summary { count, sum };
        assert_eq!(summary(5, 9.0).since(&summary(3, 4.0)), Some(summary(2, 5.0)));
        assert_eq!(summary(2, 9.0).since(&summary(3, 4.0)), None);
    }
}
