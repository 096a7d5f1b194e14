//! Bounds the work per tick.

use std::time::Duration;

use acpw_metric::{Distribution, Group};

/// The time between two refills. A tick works for a few milliseconds, after which Envoy's main thread has at least as
/// much time for everything else.
const INTERVAL: Duration = Duration::from_millis(15);

/// Returns the cost of merging a group, as [`merge_cost`].
pub(crate) fn group_cost(group: &Group) -> usize {
    merge_cost(group.distributions.iter().map(|(_, distribution)| distribution))
}

/// Returns the cost of merging or converting the distributions of a group, as the number of bytes that are encoded and
/// compressed in the same time.
pub(crate) fn merge_cost<'a>(distributions: impl Iterator<Item = &'a Distribution>) -> usize {
    const GROUP: usize = 48;
    const DISTRIBUTION: usize = 16;
    const BUCKETS_OF_A_BYTE: usize = 2;
    let cost =
        |distribution: &Distribution| DISTRIBUTION.saturating_add(distribution.bucket_count() / BUCKETS_OF_A_BYTE);
    distributions.map(cost).fold(GROUP, usize::saturating_add)
}

#[derive(Debug, Default)]
pub(crate) struct Budget {
    refilled: Option<Duration>,
    /// The number of bytes that may be encoded and compressed until the next refill.
    pub(crate) left: usize,
}

impl Budget {
    /// Refills the budget with `bytes` if the interval has passed, by the steady clock.
    pub(crate) fn refill(&mut self, bytes: usize, now: Duration) {
        if self.refilled.is_none_or(|last| now.saturating_sub(last) >= INTERVAL) {
            *self = Self { refilled: Some(now), left: bytes };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_costs_by_distributions_and_buckets() {
        let of = |values: &[u32]| {
            let mut distribution = Distribution::new();
            for value in values {
                distribution.record(f64::from(*value));
            }
            distribution
        };
        let count = of(&[1, 1, 1]);
        let times = of(&[1, 10, 100, 1_000, 10_000, 100_000]);
        assert_eq!(merge_cost([&count].into_iter()), 64);
        assert_eq!(merge_cost([&count, &times, &times].into_iter()), 48 + 16 + 2 * (16 + 3));
    }
}
