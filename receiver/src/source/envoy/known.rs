//! What stats said last, so that what they say next is an increase.

use std::collections::HashMap;

use super::answer::Bucket;
use crate::source::SourceCounts;

/// A value that only grows, until it begins anew.
pub trait Total: Sized {
    /// What an increase of it is.
    type Increase;

    /// By how much it has grown since `earlier`; nothing if it has begun anew meanwhile.
    fn since(&self, earlier: &Self) -> Option<Self::Increase>;

    /// By how much it has grown since it began.
    fn whole(&self) -> Self::Increase;
}

impl Total for u64 {
    type Increase = u64;

    fn since(&self, earlier: &u64) -> Option<u64> {
        self.checked_sub(*earlier)
    }

    fn whole(&self) -> u64 {
        *self
    }
}

impl Total for Vec<Bucket> {
    type Increase = Vec<Bucket>;

    fn since(&self, earlier: &Self) -> Option<Self> {
        let mut before = earlier.iter().peekable();
        let mut increase = Vec::new();
        for bucket in self {
            let known = before.next_if(|known| known.lower_bound == bucket.lower_bound);
            let count = bucket.count.checked_sub(known.map_or(0, |known| known.count))?;
            if count > 0 {
                increase.push(Bucket { count, ..*bucket });
            }
        }
        // Buckets are in ascending order and do not go away while the histogram lives.
        before.next().is_none().then_some(increase)
    }

    fn whole(&self) -> Self {
        self.clone()
    }
}

/// What the stats of one type said in the last round.
///
/// A stat that was not there in the last round has begun since, so all that it says counts: Envoy makes a counter when it is
/// first needed, and one that it has evicted begins anew. Only what nobody can tell from that is left out: in the first round
/// of a receiver, when an earlier one may have published it, and where not every stat could be kept.
#[derive(Debug)]
pub struct Known<T> {
    last: HashMap<String, (T, u64)>,
    round: u64,
    limit: usize,
    is_complete: bool,
    has_left_out: bool,
}

impl<T: Total> Known<T> {
    /// Nothing is known of at most so many stats.
    pub fn new(limit: usize) -> Self {
        Self { last: HashMap::new(), round: 0, limit, is_complete: false, has_left_out: false }
    }

    /// Takes what is not known as not having been before.
    pub fn begin_from_zero(&mut self) {
        self.is_complete = true;
    }

    /// By how much a stat has grown, if that can be told.
    pub fn increase(&mut self, name: &str, total: T, counts: &mut SourceCounts) -> Option<T::Increase> {
        if let Some((last, round)) = self.last.get_mut(name) {
            let increase = total.since(last);
            if increase.is_none() {
                // What it had counted between the last answer and its new beginning is not known.
                counts.gaps = counts.gaps.saturating_add(1);
            }
            let increase = increase.unwrap_or_else(|| total.whole());
            (*last, *round) = (total, self.round);
            return Some(increase);
        }
        if self.last.len() >= self.limit {
            counts.over_limit = counts.over_limit.saturating_add(1);
            self.has_left_out = true;
            return None;
        }
        let whole = self.is_complete.then(|| total.whole());
        if whole.is_none() {
            counts.gaps = counts.gaps.saturating_add(1);
        }
        self.last.insert(name.to_owned(), (total, self.round));
        whole
    }

    /// An answer was read to its end: stats that were not in it are gone.
    pub fn end(&mut self) {
        let round = self.round;
        self.last.retain(|_, (_, seen)| *seen == round);
        self.round = round.wrapping_add(1);
        self.is_complete = !std::mem::take(&mut self.has_left_out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(of: &[(f64, u64)]) -> Vec<Bucket> {
        of.iter().map(|(lower_bound, count)| Bucket { lower_bound: *lower_bound, width: 1.0, count: *count }).collect()
    }

    #[test]
    fn buckets_grow_or_begin_anew() {
        let last = buckets(&[(1.0, 2), (5.0, 1)]);
        let grown = buckets(&[(0.0, 1), (1.0, 2), (5.0, 4), (9.0, 1)]);
        assert_eq!(grown.since(&last), Some(buckets(&[(0.0, 1), (5.0, 3), (9.0, 1)])));
        assert_eq!(last.since(&last), Some(Vec::new()));
        assert_eq!(buckets(&[(1.0, 1), (5.0, 1)]).since(&last), None);
        assert_eq!(buckets(&[(1.0, 3)]).since(&last), None);
        assert_eq!(buckets(&[]).since(&last), None);
    }

    #[test]
    fn only_what_began_since_the_last_round_counts_in_full() {
        let mut counts = SourceCounts::default();
        let mut known = Known::new(10);
        assert_eq!(known.increase("a", 5u64, &mut counts), None);
        known.end();
        assert_eq!(known.increase("a", 7, &mut counts), Some(2));
        assert_eq!(known.increase("b", 3, &mut counts), Some(3));
        known.end();
        assert_eq!(known.increase("b", 3, &mut counts), Some(0));
        known.end();
        assert_eq!(counts.gaps, 1);
        // It was evicted, and is there again.
        assert_eq!(known.increase("a", 1, &mut counts), Some(1));
        assert_eq!(counts.gaps, 1);
        // All counters were reset.
        assert_eq!(known.increase("b", 2, &mut counts), Some(2));
        assert_eq!(counts.gaps, 2);
    }

    #[test]
    fn from_zero_everything_counts() {
        let mut counts = SourceCounts::default();
        let mut known = Known::new(10);
        known.begin_from_zero();
        assert_eq!(known.increase("a", 5u64, &mut counts), Some(5));
        assert_eq!(counts, SourceCounts::default());
    }

    #[test]
    fn a_round_that_failed_leaves_what_is_known() {
        let mut counts = SourceCounts::default();
        let mut known = Known::new(10);
        known.increase("a", 5u64, &mut counts);
        known.increase("b", 5, &mut counts);
        known.end();
        assert_eq!(known.increase("a", 6, &mut counts), Some(1));
        assert_eq!(known.increase("a", 8, &mut counts), Some(2));
        assert_eq!(known.increase("b", 9, &mut counts), Some(4));
    }

    #[test]
    fn what_is_over_the_limit_never_counts_in_full_later() {
        let mut counts = SourceCounts::default();
        for (stats, left_out) in [(2, 0), (3, 0), (4, 1)] {
            counts = SourceCounts::default();
            let mut known = Known::new(3);
            known.begin_from_zero();
            for stat in 0..stats {
                known.increase(&stat.to_string(), 1u64, &mut counts);
            }
            assert_eq!(counts.over_limit, left_out);
            known.end();
            // One goes, and another one has its room.
            (1..stats).for_each(|stat| _ = known.increase(&stat.to_string(), 1, &mut counts));
            known.end();
            let increase = known.increase("3", 100, &mut counts);
            assert_eq!(increase, [Some(100), Some(99)][usize::from(left_out > 0)].filter(|_| left_out == 0));
        }
        assert!(counts.over_limit >= 1);
    }
}
