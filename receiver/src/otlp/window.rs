//! The start and end of data points.

use acpw_metric::{Metric, PeriodKey, Timestamp};

/// The time of a release, by which the periods of its data begin and end.
///
/// The data points of a series must not overlap. A period that has not ended is released up to this moment, and its
/// rest begins there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    /// The time of the last release before this one that took periods which had not ended.
    pub(super) cut: Option<Timestamp>,
    /// The time of the release.
    pub(super) until: Timestamp,
}

impl Window {
    /// Returns start and end of the data point of a metric in a period.
    pub(super) fn of(self, key: &PeriodKey, metric: &Metric) -> (Timestamp, Timestamp) {
        let (start, end) = (key.start, key.end(metric));
        let is_inside = |time: &Timestamp| start < *time && *time < end;
        let since = self.cut.filter(is_inside).unwrap_or(start);
        let until = Some(self.until).filter(|until| is_inside(until) && since < *until).unwrap_or(end);
        (since, until)
    }

    /// Moves the window by `millis`, as a correction of the clock moves the data.
    pub(super) fn shifted(self, millis: i64) -> Self {
        Self { cut: self.cut.map(|cut| cut.shifted(millis)), until: self.until.shifted(millis) }
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::{DataKind, MetricName, Origin, StorageResolution, Unit};

    use super::*;

    const START: u64 = 1_787_402_160;

    fn window(cut: Option<u64>, until: u64) -> Window {
        Window { cut: cut.map(at), until: at(until) }
    }

    fn at(second: u64) -> Timestamp {
        Timestamp::from_secs(START + second)
    }

    #[test]
    fn the_parts_of_a_period_do_not_overlap() {
        let name = MetricName::new("RequestCount").unwrap();
        let metric = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::Standard };
        let key = PeriodKey::new(at(5), DataKind::OBSERVED, Origin::default(), &metric);
        for (window, expected) in [
            (window(None, 65), (0, 60)),
            (window(None, 20), (0, 20)),
            (window(Some(20), 40), (20, 40)),
            (window(Some(40), 65), (40, 60)),
            (window(Some(70), 130), (0, 60)),
            // The clock was set back.
            (window(Some(40), 30), (40, 60)),
        ] {
            assert_eq!(window.of(&key, &metric), (at(expected.0), at(expected.1)), "{window:?}");
        }
    }
}
