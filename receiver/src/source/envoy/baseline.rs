//! What stats said last, so that what they say next is an increase.

use super::stats_response::StatBucket;
use crate::source::SourceCounts;

/// What the stats of one type said in the last round. A counter is a histogram of one bucket.
///
/// A stat that was not there in the last round has begun since, so all that it says counts: Envoy makes a counter when it is
/// first needed, and one that it has evicted begins anew. Only what nobody can tell from that is left out: in the first round
/// of a receiver, when an earlier one may have published it, and where not every stat could be kept.
#[derive(Debug)]
pub struct Baseline {
    /// By name, ascending.
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
    /// When it was there last.
    round: u64,
}

impl Baseline {
    /// Nothing is known of at most so many stats.
    pub fn new(limit: usize) -> Self {
        Self { last: Vec::new(), round: 0, limit, is_complete: false, has_left_out: false }
    }

    /// Takes what is not known as not having been before.
    pub fn begin_from_zero(&mut self) {
        self.is_complete = true;
    }

    /// By how much the buckets of a stat have grown, if that can be told.
    pub fn increase(
        &mut self,
        name: &str,
        totals: Vec<StatBucket>,
        counts: &mut SourceCounts,
    ) -> Option<Vec<StatBucket>> {
        let at = self.last.partition_point(|last| last.name.as_str() < name);
        if let Some(last) = self.last.get_mut(at).filter(|last| last.name == name) {
            last.round = self.round;
            let increase = since(&totals, &last.totals);
            last.totals = totals;
            if increase.is_none() {
                // What it had counted between the last answer and its new beginning is not known.
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
        self.last.insert(at, Last { name: name.to_owned(), totals, round: self.round });
        whole
    }

    /// An answer was read to its end: stats that were not in it are gone.
    pub fn end(&mut self) {
        let round = self.round;
        self.last.retain(|last| last.round == round);
        self.round = round.wrapping_add(1);
        self.is_complete = !std::mem::take(&mut self.has_left_out);
    }
}

/// By how much buckets have grown since `earlier`; nothing if they have begun anew meanwhile.
fn since(totals: &[StatBucket], earlier: &[StatBucket]) -> Option<Vec<StatBucket>> {
    let mut before = earlier.iter().peekable();
    let mut increase = Vec::new();
    for bucket in totals {
        let known = before.next_if(|known| known.lower_bound == bucket.lower_bound);
        let count = bucket.count.checked_sub(known.map_or(0, |known| known.count))?;
        if count > 0 {
            increase.push(StatBucket { count, ..*bucket });
        }
    }
    // Buckets are in ascending order and do not go away while the histogram lives.
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

    /// By how much a counter has grown.
    fn count(known: &mut Baseline, name: &str, total: u64, counts: &mut SourceCounts) -> Option<u64> {
        let increase = known.increase(name, StatBucket::of_counter(total), counts)?;
        Some(increase.iter().map(|bucket| bucket.count).sum())
    }

    #[test]
    fn buckets_grow_or_begin_anew() {
        let last = buckets(&[(1.0, 2), (5.0, 1)]);
        let grown = buckets(&[(0.0, 1), (1.0, 2), (5.0, 4), (9.0, 1)]);
        assert_eq!(since(&grown, &last), Some(buckets(&[(0.0, 1), (5.0, 3), (9.0, 1)])));
        assert_eq!(since(&last, &last), Some(Vec::new()));
        assert_eq!(since(&buckets(&[(1.0, 1), (5.0, 1)]), &last), None);
        assert_eq!(since(&buckets(&[(1.0, 3)]), &last), None);
        assert_eq!(since(&buckets(&[]), &last), None);
    }

    #[test]
    fn only_what_began_since_the_last_round_counts_in_full() {
        let mut counts = SourceCounts::default();
        let mut known = Baseline::new(10);
        assert_eq!(count(&mut known, "a", 5, &mut counts), None);
        known.end();
        assert_eq!(count(&mut known, "a", 7, &mut counts), Some(2));
        assert_eq!(count(&mut known, "b", 3, &mut counts), Some(3));
        known.end();
        assert_eq!(count(&mut known, "b", 3, &mut counts), Some(0));
        known.end();
        assert_eq!(counts.gaps, 1);
        // It was evicted, and is there again.
        assert_eq!(count(&mut known, "a", 1, &mut counts), Some(1));
        assert_eq!(counts.gaps, 1);
        // All counters were reset.
        assert_eq!(count(&mut known, "b", 2, &mut counts), Some(2));
        assert_eq!(counts.gaps, 2);
    }

    #[test]
    fn from_zero_everything_counts() {
        let mut counts = SourceCounts::default();
        let mut known = Baseline::new(10);
        known.begin_from_zero();
        assert_eq!(count(&mut known, "a", 5, &mut counts), Some(5));
        assert_eq!(counts, SourceCounts::default());
    }

    #[test]
    fn a_round_that_failed_leaves_what_is_known() {
        let mut counts = SourceCounts::default();
        let mut known = Baseline::new(10);
        count(&mut known, "a", 5, &mut counts);
        count(&mut known, "b", 5, &mut counts);
        known.end();
        assert_eq!(count(&mut known, "a", 6, &mut counts), Some(1));
        assert_eq!(count(&mut known, "a", 8, &mut counts), Some(2));
        assert_eq!(count(&mut known, "b", 9, &mut counts), Some(4));
    }

    #[test]
    fn what_is_over_the_limit_never_counts_in_full_later() {
        let mut counts = SourceCounts::default();
        for (stats, left_out) in [(2, 0), (3, 0), (4, 1)] {
            counts = SourceCounts::default();
            let mut known = Baseline::new(3);
            known.begin_from_zero();
            for stat in 0..stats {
                count(&mut known, &stat.to_string(), 1, &mut counts);
            }
            assert_eq!(counts.over_limit, left_out);
            known.end();
            // One goes, and another one has its room.
            (1..stats).for_each(|stat| _ = count(&mut known, &stat.to_string(), 1, &mut counts));
            known.end();
            let increase = count(&mut known, "3", 100, &mut counts);
            assert_eq!(increase, [Some(100), Some(99)][usize::from(left_out > 0)].filter(|_| left_out == 0));
        }
        assert!(counts.over_limit >= 1);
    }
}
