//! What a container or a task has used in the time before a reading.

use std::{fmt, time::Duration};

use super::container_stats::ContainerStats;

/// The least time between two readings of which a rate is computed. Docker reads once a second at most; two readings that
/// are nearer are one, or their times are wrong.
const SHORTEST: Duration = Duration::from_millis(100);

/// By how much more than all processors a container may seem to use: time and counters are not read at the same moment.
const CPU_TOLERANCE: f64 = 1.1;

/// How much of the time of all processors a host has had: up to a half more, since time and counters are not read at the
/// same moment, and down to a twentieth, since Docker leaves out what other virtual machines have stolen.
const SYSTEM_SHARE: std::ops::RangeInclusive<f64> = 0.05..=1.5;

/// The most bytes a second that are believed, of network and storage. No instance has a tenth of it.
const MOST_BYTES_PER_SECOND: f64 = 1e13;

/// What was used in the time before a reading. What is not known is `None`, never zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// Percent of one of the host's processors, as `docker stats` computes it.
    pub docker_percent: Option<f64>,
    /// Processors.
    pub vcpu: Option<f64>,
    /// The host's processors, of which `vcpu` and `docker_percent` cannot be more.
    pub online: Option<f64>,
    /// Bytes of memory, without the page cache that the kernel can take back.
    pub memory: Option<f64>,
    /// Bytes received in a second.
    pub received: Option<f64>,
    /// Bytes sent in a second.
    pub sent: Option<f64>,
    /// Bytes read from storage since the reading before.
    pub storage_read: Option<f64>,
    /// Bytes written to storage since the reading before.
    pub storage_written: Option<f64>,
}

/// A reason why readings cannot be true.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Contradiction {
    /// Two readings are this near, in seconds.
    Near(f64),
    /// More CPU was used than the processors have.
    Cpu {
        /// Seconds of CPU.
        used: f64,
        /// Seconds between the readings.
        elapsed: f64,
        /// The processors of the host, or of the limit.
        processors: f64,
    },
    /// More CPU was used than the whole host has had.
    System {
        /// Seconds of CPU.
        used: f64,
        /// Seconds that all processors together have had.
        had: f64,
    },
    /// Neither the number of processors nor a limit is known.
    Unbounded,
}

impl Contradiction {
    /// The name of its kind.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Near(_) => "near",
            Self::Cpu { .. } => "cpu",
            Self::System { .. } => "system",
            Self::Unbounded => "unbounded",
        }
    }

    /// Says what is wrong with the readings of a container, or of the task without one.
    pub(super) fn describe(&self, container: &dyn fmt::Display) -> String {
        match self {
            Self::Near(seconds) => format!(
                "two readings of {container} are {seconds:.6} s apart, which is too near to compute rates; the second one \
                 has a gap"
            ),
            Self::Cpu { used, elapsed, processors } => format!(
                "{container} used {used:.3} s of CPU in {elapsed:.3} s on {processors} processors, which cannot be true; \
                 its CPU metrics have a gap"
            ),
            Self::System { used, had } => format!(
                "{container} used {used:.3} s of CPU while the host had {had:.3} s (system_cpu_usage), which cannot be \
                 true; its CPU metrics have a gap"
            ),
            Self::Unbounded => format!(
                "{container} has neither online_cpus nor a CPU limit, so its CPU cannot be checked, and its CPU metrics \
                 have no values. Set cpu in the task definition"
            ),
        }
    }
}

/// What is possible for a container.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Processors of the task's limit, or of the container's where the task has none. They count where the host's number
    /// of processors is not known.
    pub limit: Option<f64>,
    /// The longest time between two readings of which a rate is computed.
    pub longest: Duration,
}

impl Usage {
    /// Computes what was used up to a reading since an earlier one of the same container. Counters that have gone back and
    /// times that are too near or too far give `None`, and what cannot be true gives `None` and a doubt.
    pub(super) fn new(
        earlier: Option<&ContainerStats>,
        reading: &ContainerStats,
        bounds: Bounds,
    ) -> (Self, Option<Contradiction>) {
        let level = Self { memory: reading.memory.map(|bytes| bytes as f64), ..Self::default() };
        let Some(earlier) = earlier else { return (level, None) };
        if reading.at <= earlier.at {
            return (Self::default(), None);
        }
        let elapsed = Duration::from_nanos(reading.at.abs_diff(earlier.at));
        if elapsed < SHORTEST {
            return (level, Some(Contradiction::Near(elapsed.as_secs_f64())));
        }
        if elapsed > bounds.longest {
            return (level, None);
        }
        let seconds = elapsed.as_secs_f64();
        let counted = |counter: fn(&ContainerStats) -> Option<u64>| {
            let grown = grown(counter(earlier)?, counter(reading)?)?;
            (grown / seconds <= MOST_BYTES_PER_SECOND).then_some(grown)
        };
        let rate = |counter| Some(counted(counter)? / seconds);
        let usage = Self {
            received: rate(|reading| reading.received),
            sent: rate(|reading| reading.sent),
            storage_read: counted(|reading| reading.storage_read),
            storage_written: counted(|reading| reading.storage_written),
            ..level
        };
        usage.with_cpu(earlier, reading, seconds, bounds)
    }

    /// Adds processors and Docker's percentage, unless they cannot be true.
    fn with_cpu(
        self,
        earlier: &ContainerStats,
        reading: &ContainerStats,
        elapsed: f64,
        bounds: Bounds,
    ) -> (Self, Option<Contradiction>) {
        let Some((before, now)) = earlier.cpu.zip(reading.cpu) else { return (self, None) };
        let Some(used) = grown(before.total, now.total).map(|nanos| nanos / 1e9) else { return (self, None) };
        // A number of processors that changes is uncertain: the smaller one bounds.
        let online = before.online.zip(now.online).map(|(before, now)| before.min(now) as f64);
        let Some(processors) = online.or(bounds.limit) else { return (self, Some(Contradiction::Unbounded)) };
        if used > elapsed * processors * CPU_TOLERANCE {
            return (self, Some(Contradiction::Cpu { used, elapsed, processors }));
        }
        let system =
            before.system.zip(now.system).and_then(|(before, now)| grown(before, now)).map(|nanos| nanos / 1e9);
        let system = system.filter(|had| SYSTEM_SHARE.contains(&(had / (elapsed * processors))));
        if let Some(had) = system.filter(|had| used > had * CPU_TOLERANCE) {
            return (self, Some(Contradiction::System { used, had }));
        }
        let online_now = online.filter(|_| before.online == now.online);
        let docker_percent = system.zip(online_now).map(|(had, online)| used / had * online * 100.0);
        (Self { docker_percent, vcpu: Some(used / elapsed), online, ..self }, None)
    }

    /// Adds up what the containers of a task have used; what one of them does not say is not known of all. Where they share
    /// a network, each one's traffic is that of all. CPU that is more than the host's processors, or the task's limit
    /// where their number is not known, gives `None` and a doubt.
    pub(super) fn total<'a>(
        containers: impl IntoIterator<Item = &'a Self>,
        shares_network: bool,
        limit: Option<f64>,
    ) -> (Self, Option<Contradiction>) {
        let mut containers = containers.into_iter();
        let Some(first) = containers.next() else { return (Self::default(), None) };
        let mut total = first.clone();
        for other in containers {
            total.add(other, shares_network);
        }
        let Some(processors) = total.online.or(limit) else { return (total, None) };
        let most = processors * CPU_TOLERANCE;
        let doubt =
            total.vcpu.filter(|used| *used > most).map(|used| Contradiction::Cpu { used, elapsed: 1.0, processors });
        if doubt.is_some() || total.docker_percent.is_some_and(|percent| percent > most * 100.0) {
            (total.docker_percent, total.vcpu) = (None, None);
        }
        (total, doubt)
    }

    fn add(&mut self, other: &Self, shares_network: bool) {
        let add = |sum: &mut Option<f64>, more: Option<f64>| *sum = sum.zip(more).map(|(sum, more)| sum + more);
        add(&mut self.docker_percent, other.docker_percent);
        add(&mut self.vcpu, other.vcpu);
        add(&mut self.memory, other.memory);
        add(&mut self.storage_read, other.storage_read);
        add(&mut self.storage_written, other.storage_written);
        self.online = match (self.online, other.online) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        if shares_network {
            self.received = self.received.or(other.received);
            self.sent = self.sent.or(other.sent);
        } else {
            add(&mut self.received, other.received);
            add(&mut self.sent, other.sent);
        }
    }
}

/// Returns how much a counter has grown, and `None` when it has gone back.
fn grown(before: u64, now: u64) -> Option<f64> {
    now.checked_sub(before).map(|grown| grown as f64)
}

#[cfg(test)]
mod tests {
    use super::{super::container_stats::CpuCounters, *};

    const BOUNDS: Bounds = Bounds { limit: None, longest: Duration::from_secs(30) };

    /// A reading at a millisecond, of a host with two processors.
    fn reading(millis: i64, total: u64) -> ContainerStats {
        let count = millis as u64;
        ContainerStats {
            at: millis * 1_000_000,
            cpu: Some(CpuCounters { total, system: Some(2_000_000 * (1_000_000 + count)), online: Some(2) }),
            memory: Some(700),
            received: Some(10 * count),
            sent: Some(1),
            storage_read: Some(7 * count),
            storage_written: Some(1),
        }
    }

    fn used(earlier: &ContainerStats, reading: &ContainerStats) -> Usage {
        Usage::new(Some(earlier), reading, BOUNDS).0
    }

    #[test]
    fn rates_are_over_the_time_since_the_earlier_reading() {
        let (first, second) = (reading(10_000, 3_000_000), reading(12_000, 503_000_000));
        let usage = used(&first, &second);
        assert_eq!((usage.docker_percent, usage.vcpu, usage.online), (Some(25.0), Some(0.25), Some(2.0)));
        assert_eq!((usage.received, usage.sent), (Some(10_000.0), Some(0.0)));
        assert_eq!((usage.storage_read, usage.storage_written, usage.memory), (Some(14_000.0), Some(0.0), Some(700.0)));
        let alone = Usage { memory: Some(700.0), ..Usage::default() };
        assert_eq!(Usage::new(None, &first, BOUNDS), (alone.clone(), None));
        for (millis, has_rates) in
            [(99, false), (100, true), (101, true), (29_999, true), (30_000, true), (30_001, false)]
        {
            let usage = used(&first, &reading(10_000 + millis, 3_000_000));
            assert_eq!(usage.vcpu.is_some() && usage.received.is_some(), has_rates, "{millis}");
            assert!(has_rates || usage == alone, "{millis}");
        }
    }

    #[test]
    fn what_has_gone_back_or_stood_still_says_nothing() {
        let (first, later) = (reading(10_000, 3_000), reading(11_000, 2_999));
        assert_eq!((used(&first, &later).vcpu, used(&first, &later).received), (None, Some(10_000.0)));
        for (earlier, now) in [(&first, &first), (&later, &first)] {
            assert_eq!(used(earlier, now), Usage::default());
        }
    }

    #[test]
    fn a_sum_of_which_a_part_is_not_known_is_not_known() {
        let known = Usage { vcpu: Some(0.25), memory: Some(5.0), sent: Some(7.0), ..Usage::default() };
        let other = Usage { vcpu: Some(0.5), sent: Some(8.0), ..Usage::default() };
        let (sum, _) = Usage::total([&other, &known], false, None);
        assert_eq!(sum, Usage { vcpu: Some(0.75), sent: Some(15.0), ..Usage::default() });
        let (shared, _) = Usage::total([&other, &known], true, None);
        assert_eq!((shared.received, shared.sent), (None, Some(8.0)));
    }

    #[test]
    fn a_sum_is_bounded_by_the_processors_else_by_the_limit() {
        let one = |online| Usage { vcpu: Some(1.1), docker_percent: Some(110.0), online, ..Usage::default() };
        for (online, limit, is_known) in [
            (Some(2.0), None, true),
            (Some(1.9), None, false),
            (Some(2.0), Some(1.0), true),
            (None, Some(1.9), false),
            (None, None, true),
        ] {
            let (sum, doubt) = Usage::total([&one(online), &one(None)], false, limit);
            assert_eq!(
                (sum.vcpu.is_some(), sum.docker_percent.is_some()),
                (is_known, is_known),
                "{online:?} {limit:?}"
            );
            assert_eq!(doubt.is_none(), is_known);
        }
    }
}
