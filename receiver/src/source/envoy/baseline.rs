//! Stores the last totals of stats and computes their increases.

use super::stats_response::StatBucket;
use crate::source::SourceCounts;

/// The totals of stats of one type in the last round. A counter is a histogram with one bucket.
///
/// A stat that was missing in the last round was created since, so its whole total is an increase. Envoy creates a
/// counter when it is first needed, and a counter that was evicted restarts at zero. There are two exceptions, in which
/// the increase is unknown: the first round of a receiver, because an earlier receiver may have published the total,
/// and a round after one in which not every stat could be stored.
#[derive(Debug)]
pub struct Baseline {
    /// The totals, ordered by name.
    last: Vec<Last>,
    round: u64,
    limit: usize,
    is_complete: bool,
    has_left_out: bool,
}

#[derive(Debug)]
struct Last {
    name: String,
    totals: Vec<StatBucket>,
    /// The last round in which the stat was present.
    round: u64,
}

impl Baseline {
    /// Creates an empty baseline for at most `limit` stats.
    pub fn new(limit: usize) -> Self {
        Self { last: Vec::new(), round: 0, limit, is_complete: false, has_left_out: false }
    }

    /// Treats unknown stats as new in the first round too.
    pub fn start_at_zero(&mut self) {
        self.is_complete = true;
    }

    /// Stores the totals of a stat and returns the increase of its buckets, or `None` if it is unknown.
    pub fn increase(
        &mut self,
        name: &str,
        totals: Vec<StatBucket>,
        counts: &mut SourceCounts,
    ) -> Option<Vec<StatBucket>> {
        let index = self.last.partition_point(|last| last.name.as_str() < name);
        if let Some(last) = self.last.get_mut(index).filter(|last| last.name == name) {
            last.round = self.round;
            let increase = increase(&totals, &last.totals);
            last.totals = totals;
            if increase.is_none() {
                // The increase between the last response and the restart is unknown.
                counts.gaps = counts.gaps.saturating_add(1);
            }
            return increase.or_else(|| Some(last.totals.clone()));
        }
        if self.last.len() >= self.limit {
            counts.over_limit = counts.over_limit.saturating_add(1);
            self.has_left_out = true;
            return None;
        }
        let whole = self.is_complete.then(|| totals.clone());
        if whole.is_none() {
            counts.gaps = counts.gaps.saturating_add(1);
        }
        self.last.insert(index, Last { name: name.to_owned(), totals, round: self.round });
        whole
    }

    /// Ends a round and removes stats that were missing in it.
    pub fn end_round(&mut self) {
        let round = self.round;
        self.last.retain(|last| last.round == round);
        self.round = round.wrapping_add(1);
        self.is_complete = !std::mem::take(&mut self.has_left_out);
    }
}

/// Returns the increase of buckets since `earlier`, or `None` if the stat has restarted.
fn increase(totals: &[StatBucket], earlier: &[StatBucket]) -> Option<Vec<StatBucket>> {
    let mut before = earlier.iter().peekable();
    let mut increase = Vec::new();
    for bucket in totals {
        let known = before.next_if(|known| known.lower_bound == bucket.lower_bound);
        let count = bucket.count.checked_sub(known.map_or(0, |known| known.count))?;
        if count > 0 {
            increase.push(StatBucket { count, ..*bucket });
        }
    }
    // Buckets ascend, and they are not removed during the life of a histogram.
    before.next().is_none().then_some(increase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(of: &[(f64, u64)]) -> Vec<StatBucket> {
        of.iter()
            .map(|(lower_bound, count)| StatBucket { lower_bound: *lower_bound, width: 1.0, count: *count })
            .collect()
    }

    /// Returns the increase of a counter.
    fn count(known: &mut Baseline, name: &str, total: u64, counts: &mut SourceCounts) -> Option<u64> {
        let increase = known.increase(name, StatBucket::of_counter(total), counts)?;
        Some(increase.iter().map(|bucket| bucket.count).sum())
    }

    #[test]
    fn buckets_increase_or_restart() {
        let last = buckets(&[(1.0, 2), (5.0, 1)]);
        let grown = buckets(&[(0.0, 1), (1.0, 2), (5.0, 4), (9.0, 1)]);
        assert_eq!(increase(&grown, &last), Some(buckets(&[(0.0, 1), (5.0, 3), (9.0, 1)])));
        assert_eq!(increase(&last, &last), Some(Vec::new()));
        assert_eq!(increase(&buckets(&[(1.0, 1), (5.0, 1)]), &last), None);
        assert_eq!(increase(&buckets(&[(1.0, 3)]), &last), None);
        assert_eq!(increase(&buckets(&[]), &last), None);
    }

    #[test]
    fn only_stats_created_since_the_last_round_count_in_full() {
        let mut counts = SourceCounts::default();
        let mut known = Baseline::new(10);
        assert_eq!(count(&mut known, "a", 5, &mut counts), None);
        known.end_round();
        assert_eq!(count(&mut known, "a", 7, &mut counts), Some(2));
        assert_eq!(count(&mut known, "b", 3, &mut counts), Some(3));
        known.end_round();
        assert_eq!(count(&mut known, "b", 3, &mut counts), Some(0));
        known.end_round();
        assert_eq!(counts.gaps, 1);
        // It was evicted and created again.
        assert_eq!(count(&mut known, "a", 1, &mut counts), Some(1));
        assert_eq!(counts.gaps, 1);
        // All counters were reset.
        assert_eq!(count(&mut known, "b", 2, &mut counts), Some(2));
        assert_eq!(counts.gaps, 2);
    }

    #[test]
    fn everything_counts_when_starting_at_zero() {
        let mut counts = SourceCounts::default();
        let mut known = Baseline::new(10);
        known.start_at_zero();
        assert_eq!(count(&mut known, "a", 5, &mut counts), Some(5));
        assert_eq!(counts, SourceCounts::default());
    }

    #[test]
    fn a_failed_round_keeps_the_baseline() {
        let mut counts = SourceCounts::default();
        let mut known = Baseline::new(10);
        count(&mut known, "a", 5, &mut counts);
        count(&mut known, "b", 5, &mut counts);
        known.end_round();
        assert_eq!(count(&mut known, "a", 6, &mut counts), Some(1));
        assert_eq!(count(&mut known, "a", 8, &mut counts), Some(2));
        assert_eq!(count(&mut known, "b", 9, &mut counts), Some(4));
    }

    #[test]
    fn a_stat_over_the_limit_does_not_count_in_full_later() {
        let mut counts = SourceCounts::default();
        for (stats, over_limit) in [(2, 0), (3, 0), (4, 1)] {
            counts = SourceCounts::default();
            let mut known = Baseline::new(3);
            known.start_at_zero();
            for stat in 0..stats {
                count(&mut known, &stat.to_string(), 1, &mut counts);
            }
            assert_eq!(counts.over_limit, over_limit);
            known.end_round();
            // One disappears, and another one takes its slot.
            (1..stats).for_each(|stat| _ = count(&mut known, &stat.to_string(), 1, &mut counts));
            known.end_round();
            let increase = count(&mut known, "3", 100, &mut counts);
            assert_eq!(increase, (over_limit == 0).then_some(100));
        }
        assert!(counts.over_limit >= 1);
    }
}
