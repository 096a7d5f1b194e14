//! CloudWatch's `MetricDatum` in JSON: one series over one period.

use acpw_metric::{DataKind, Dimensions, Distribution, Metric, StorageResolution, Timestamp, quota::within_range};
use serde::{Serialize, Serializer, ser::SerializeStruct};

/// A datum, serialized as the API expects it.
///
/// `Values` and `Counts` contain the distribution. If sum, minimum or maximum of the rounded values differ from the
/// exact ones, the datum also has `StatisticValues`, from which CloudWatch takes the statistics; it takes percentiles
/// from the values. A statistic set has only `StatisticValues`.
#[derive(Clone, Copy, Debug)]
pub struct MetricDatum<'a> {
    /// The name under which the datum is published.
    pub name: &'a str,
    /// The unit and resolution.
    pub metric: &'a Metric,
    /// The dimensions.
    pub dimensions: &'a Dimensions,
    /// The start of the period.
    pub timestamp: Timestamp,
    /// The kind, which determines whether the timestamp moves with a correction of the clock.
    pub kind: DataKind,
    /// The measured values.
    pub distribution: &'a Distribution,
}

impl Serialize for MetricDatum<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut datum = serializer.serialize_struct("MetricDatum", 8)?;
        datum.serialize_field("MetricName", self.name)?;
        // The timestamp precedes all text that a client can choose, so that a payload can find it again.
        datum.serialize_field("Timestamp", &self.timestamp.as_secs())?;
        if !self.dimensions.is_empty() {
            let dimensions: Vec<_> = self.dimensions.iter().map(|(name, value)| Dimension { name, value }).collect();
            datum.serialize_field("Dimensions", &dimensions)?;
        }
        if !self.distribution.values_imply_statistics() {
            datum.serialize_field("StatisticValues", &StatisticSet::of(self.distribution))?;
        }
        if !self.distribution.is_statistic_set() {
            let (values, counts): (Vec<Number>, Vec<u64>) =
                self.distribution.values().map(|(value, count)| (Number(value), count)).unzip();
            datum.serialize_field("Values", &values)?;
            if counts.iter().any(|count| *count != 1) {
                datum.serialize_field("Counts", &counts)?;
            }
        }
        datum.serialize_field("Unit", self.metric.unit.as_str())?;
        if self.metric.resolution == StorageResolution::High {
            datum.serialize_field("StorageResolution", &self.metric.resolution.seconds())?;
        }
        datum.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Dimension<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StatisticSet {
    sample_count: Number,
    sum: Number,
    minimum: Number,
    maximum: Number,
}

impl StatisticSet {
    fn of(distribution: &Distribution) -> Self {
        Self {
            sample_count: Number(distribution.sample_count()),
            sum: Number(distribution.sum()),
            minimum: Number(distribution.min()),
            maximum: Number(distribution.max()),
        }
    }
}

/// A number within the range that CloudWatch accepts. Sums and sample counts of merged data may exceed it, so they are
/// clamped. Whole numbers are written without a fraction, which saves two bytes each.
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let number = within_range(self.0);
        if number.fract() == 0.0 && number.abs() <= EXACT {
            serializer.serialize_i64(number as i64)
        } else {
            serializer.serialize_f64(number)
        }
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::{DimensionName, DimensionValue, MetricName, Unit, quota};

    use super::*;

    fn json(values: &[f64], resolution: StorageResolution) -> serde_json::Value {
        let mut distribution = Distribution::new();
        for value in values {
            distribution.record(*value);
        }
        json_of(&distribution, resolution)
    }

    fn json_of(distribution: &Distribution, resolution: StorageResolution) -> serde_json::Value {
        let name = MetricName::new("Latency").unwrap();
        let metric = Metric { name, unit: Unit::MILLISECONDS, resolution };
        let pair = (DimensionName::new("path").unwrap(), DimensionValue::new("/\"Timestamp\":1").unwrap());
        let datum = MetricDatum {
            name: "Renamed",
            metric: &metric,
            dimensions: &Dimensions::new(vec![pair]).unwrap(),
            timestamp: Timestamp::from_secs(1_787_402_160),
            kind: DataKind::OBSERVED,
            distribution,
        };
        serde_json::to_value(datum).unwrap()
    }

    #[test]
    fn statistic_values_are_omitted_if_the_values_imply_them() {
        let expected = serde_json::json!({
            "MetricName": "Renamed",
            "Dimensions": [{"Name": "path", "Value": "/\"Timestamp\":1"}],
            "Timestamp": 1_787_402_160,
            "Values": [0, 1],
            "Counts": [2, 1],
            "Unit": "Milliseconds",
        });
        assert_eq!(json(&[0.0, 1.0, 0.0], StorageResolution::Standard), expected);
    }

    #[test]
    fn counts_of_one_are_omitted_and_high_resolution_is_written() {
        let datum = json(&[2.5], StorageResolution::High);
        assert_eq!(datum["Values"], serde_json::json!([2.5]));
        assert!(datum.get("Counts").is_none() && datum.get("StatisticValues").is_none());
        assert_eq!(datum["StorageResolution"], 1);
    }

    #[test]
    fn rounded_values_have_exact_statistic_values() {
        let datum = json(&[1.0, 100.0, 100.5, 1000.0], StorageResolution::Standard);
        let expected = serde_json::json!({"SampleCount": 4, "Sum": 1201.5, "Minimum": 1, "Maximum": 1000});
        assert_eq!(datum["StatisticValues"], expected);
        assert_eq!(datum["Values"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn exact_values_have_no_statistic_values_and_a_statistic_set_has_no_values() {
        let mut exact = Distribution::exact(10);
        [0.1, 0.2, 0.1].iter().for_each(|value| assert!(exact.record(*value)));
        let datum = json_of(&exact, StorageResolution::Standard);
        assert_eq!((&datum["Values"], &datum["Counts"]), (&serde_json::json!([0.1, 0.2]), &serde_json::json!([2, 1])));
        assert!(datum.get("StatisticValues").is_none());
        let set = Distribution::statistic_set(2.5, 5.0, 1.0, 3.0).unwrap();
        let datum = json_of(&set, StorageResolution::Standard);
        let expected = serde_json::json!({"SampleCount": 2.5, "Sum": 5, "Minimum": 1, "Maximum": 3});
        assert_eq!(datum["StatisticValues"], expected);
        assert!(datum.get("Values").is_none() && datum.get("Counts").is_none());
    }

    #[test]
    fn merged_statistics_stay_within_the_range_of_cloudwatch() {
        let max = quota::MAX_VALUE;
        for sign in [1.0, -1.0] {
            let mut set = Distribution::statistic_set(max, sign * max, sign, sign).unwrap();
            set.merge(&set.clone());
            let datum = json_of(&set, StorageResolution::Standard);
            let expected = serde_json::json!({"SampleCount": max, "Sum": sign * max, "Minimum": sign as i64, "Maximum": sign as i64});
            assert_eq!(datum["StatisticValues"], expected);
            let mut values = Distribution::new();
            values.record_n(sign * max, 3);
            let datum = json_of(&values, StorageResolution::Standard);
            assert_eq!(
                (&datum["StatisticValues"]["Sum"], &datum["Values"][0]),
                (&(sign * max).into(), &(sign * max).into())
            );
        }
    }

    #[test]
    fn numbers_keep_their_value() {
        for value in [0.0, -3.0, 1e15, 2f64.powi(53), 2f64.powi(60), 1e100, 0.1, -1e-7] {
            let text = serde_json::to_string(&Number(value)).unwrap();
            assert_eq!(text.parse::<f64>().unwrap(), value, "{text}");
        }
    }
}
