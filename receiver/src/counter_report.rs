//! The increments of Envoy's counters that are not reported yet.

use crate::Counts;

/// Turns the counts of one receiver into increments of Envoy's counters, which outlive the receiver.
#[derive(Debug, Default)]
pub struct CounterReport {
    reported: Counts,
    /// Values that earlier receivers lost, until they are reported.
    lost: u64,
    has_accounted: bool,
}

impl CounterReport {
    /// Accounts for values that earlier receivers of the process had received, but neither published nor dropped, when
    /// they failed. Only the first call has an effect, and must be made before this receiver has reported anything.
    /// `totals` returns the values of Envoy's counters.
    pub fn account_for_earlier_receivers(&mut self, totals: impl FnOnce() -> Counts) {
        if !std::mem::replace(&mut self.has_accounted, true) {
            self.lost = totals().unaccounted();
        }
    }

    /// Returns the increments since the last call.
    pub fn poll(&mut self, counts: &Counts) -> Counts {
        let mut increments = counts.since(&self.reported);
        self.reported = *counts;
        increments.dropped_restart = increments.dropped_restart.saturating_add(std::mem::take(&mut self.lost));
        increments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lost_by_an_earlier_receiver_are_reported_once_as_dropped() {
        let totals = Counts { received: 10, published: 3, dropped_invalid: 2, ..Counts::default() };
        let mut report = CounterReport::default();
        report.account_for_earlier_receivers(|| totals);
        report.account_for_earlier_receivers(|| Counts { received: 1_000, ..Counts::default() });
        let counts = Counts { received: 4, ..Counts::default() };
        assert_eq!(report.poll(&counts), Counts { received: 4, dropped_restart: 5, ..Counts::default() });
        assert_eq!(report.poll(&counts), Counts::default());
        let counts = Counts { published: 1, ..counts };
        assert_eq!(report.poll(&counts), Counts { published: 1, ..Counts::default() });
    }
}
