//! Publishes the receiver's own counters as metrics, for alarms in CloudWatch.

use std::time::Duration;

use acpw_metric::{
    Accumulator, DimensionName, DimensionValue, Dimensions, Distribution, Metric, MetricName, StorageResolution,
    Timestamp, Unit,
};

use crate::Counts;

/// The state of the receiver at one time.
#[derive(Clone, Copy, Debug)]
pub struct SelfMeasurement {
    /// The counters since the start.
    pub counts: Counts,
    /// The memory of unpublished data in bytes.
    pub held_bytes: usize,
    /// The time since CloudWatch last accepted a request.
    pub since_success: Duration,
}

/// Creates data from the changes, once per interval.
#[derive(Debug)]
pub struct SelfMetrics {
    interval: Duration,
    last: Option<(Duration, Counts)>,
}

impl SelfMetrics {
    /// Creates metrics with this interval.
    pub fn new(interval: Duration) -> Self {
        Self { interval, last: None }
    }

    /// Returns data for the time since the last one, if the interval has passed. `steady` is the steady clock, and
    /// `time` the timestamp of the data.
    pub fn poll(&mut self, steady: Duration, time: Timestamp, measurement: SelfMeasurement) -> Option<Accumulator> {
        let since = match &self.last {
            Some((last, _)) if steady.saturating_sub(*last) < self.interval => return None,
            Some((_, counts)) => *counts,
            None => Counts::default(),
        };
        let SelfMeasurement { counts, held_bytes, since_success } = measurement;
        self.last = Some((steady, counts));
        let values = [
            ("ValuesReceived", Unit::COUNT, counts.received.saturating_sub(since.received) as f64),
            ("ValuesPublished", Unit::COUNT, counts.published.saturating_sub(since.published) as f64),
            ("ValuesDropped", Unit::COUNT, counts.dropped().saturating_sub(since.dropped()) as f64),
            ("RequestsRetried", Unit::COUNT, counts.retried.saturating_sub(since.retried) as f64),
            ("RequestsThrottled", Unit::COUNT, counts.throttled.saturating_sub(since.throttled) as f64),
            ("HeldBytes", Unit::BYTES, held_bytes as f64),
            ("SecondsSinceSuccess", Unit::SECONDS, since_success.as_secs() as f64),
        ];
        let mut data = Accumulator::default();
        let name = DimensionName::new("component").ok()?;
        let dimensions = Dimensions::new(vec![(name, DimensionValue::new("acpw").ok()?)]).ok()?;
        for (name, unit, value) in values {
            let metric = Metric { name: MetricName::new(name).ok()?, unit, resolution: StorageResolution::Standard };
            let mut distribution = Distribution::new();
            distribution.record(value);
            data.add(time, None, &dimensions, &metric, &distribution);
        }
        Some(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_published_once_per_interval() {
        let mut metrics = SelfMetrics::new(Duration::from_secs(60));
        let mut published = Vec::new();
        for second in 0..130 {
            let counts = Counts { received: second * 10, dropped_invalid: second, ..Counts::default() };
            let measurement = SelfMeasurement { counts, held_bytes: 5, since_success: Duration::from_secs(second) };
            if let Some(mut data) =
                metrics.poll(Duration::from_secs(second), Timestamp::from_secs(1_787_400_000), measurement)
            {
                let (_, group) = data.pop().unwrap();
                let sum = |name: &str| {
                    let found = group.distributions.iter().find(|(metric, _)| metric.name.as_str() == name);
                    found.map(|(_, distribution)| distribution.sum()).unwrap()
                };
                published.push([sum("ValuesReceived"), sum("ValuesDropped"), sum("SecondsSinceSuccess")]);
                assert_eq!(group.distributions.len(), 7);
            }
        }
        assert_eq!(published, [[0.0, 0.0, 0.0], [600.0, 60.0, 60.0], [600.0, 60.0, 120.0]]);
    }
}
