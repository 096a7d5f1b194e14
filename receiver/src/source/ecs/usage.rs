//! Computes the resource usage of a container or a task between two stats.

use std::{fmt, time::Duration};

use super::container_stats::ContainerStats;

/// The minimum time between two stats for a rate. Docker reads stats at most once per second. Two that are closer are
/// the same, or their times are wrong.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// The factor by which the CPU time of a container may exceed that of all processors. The time and the counters are not
/// read at the same moment.
const CPU_TOLERANCE: f64 = 1.1;

/// The plausible range of a host's CPU time, as a fraction of the elapsed time of all processors. It may be half as
/// much more, because the time and the counters are not read at the same moment, and down to a twentieth, because
/// Docker excludes steal time of other virtual machines.
const SYSTEM_SHARE: std::ops::RangeInclusive<f64> = 0.05..=1.5;

/// The largest plausible throughput of network and storage. No instance has a tenth of it.
const MAX_BYTES_PER_SECOND: f64 = 1e13;

/// The usage between two stats. An unknown value is `None`, never zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// CPU time in percent of one of the host's processors, as `docker stats` computes it.
    pub docker_percent: Option<f64>,
    /// CPU time per time, in processors.
    pub vcpu: Option<f64>,
    /// The number of the host's processors, which bounds `vcpu` and `docker_percent`.
    pub online: Option<f64>,
    /// Bytes of memory in use, without the page cache that the kernel can reclaim.
    pub memory: Option<f64>,
    /// Bytes received per second.
    pub received: Option<f64>,
    /// Bytes sent per second.
    pub sent: Option<f64>,
    /// Bytes read from storage since the previous stats.
    pub storage_read: Option<f64>,
    /// Bytes written to storage since the previous stats.
    pub storage_written: Option<f64>,
}

/// A contradiction that makes stats implausible.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Contradiction {
    /// Two stats are too close to each other: this many seconds.
    TooClose(f64),
    /// The container used more CPU time than the processors have.
    Cpu {
        /// Seconds of CPU time.
        used: f64,
        /// Seconds between the stats.
        elapsed: f64,
        /// The number of the host's processors, or the CPU limit.
        processors: f64,
    },
    /// The container used more CPU time than the host had.
    System {
        /// Seconds of CPU time.
        used: f64,
        /// Seconds of CPU time of all processors together.
        had: f64,
    },
    /// Neither the number of processors nor a CPU limit is known.
    Unbounded,
}

impl Contradiction {
    /// Returns the kind of remark to make.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::TooClose(_) => "near",
            Self::Cpu { .. } => "cpu",
            Self::System { .. } => "system",
            Self::Unbounded => "unbounded",
        }
    }

    /// Describes the contradiction. `container` is the container or the task.
    pub(super) fn describe(&self, container: &dyn fmt::Display) -> String {
        match self {
            Self::TooClose(seconds) => format!(
                "two stats of {container} are {seconds:.6} s apart, too close to compute rates; the rates of the second have \
                 a gap"
            ),
            Self::Cpu { used, elapsed, processors } => format!(
                "{container} used {used:.3} s of CPU in {elapsed:.3} s on {processors} processors, which is impossible; \
                 its CPU metrics have a gap"
            ),
            Self::System { used, had } => format!(
                "{container} used {used:.3} s of CPU while the host had {had:.3} s (system_cpu_usage), which is \
                 impossible; its CPU metrics have a gap"
            ),
            Self::Unbounded => format!(
                "{container} has neither online_cpus nor a CPU limit, so its CPU time cannot be checked and its CPU metrics \
                 have no values. Set cpu in the task definition"
            ),
        }
    }
}

/// Bounds for plausible usage of a container.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The CPU limit of the task, or of the container if the task has none, in processors. It applies if the host's
    /// number of processors is unknown.
    pub limit: Option<f64>,
    /// The maximum time between two stats for a rate.
    pub max_interval: Duration,
}

impl Usage {
    /// Computes the usage between two stats of the same container. Counters that went back and times that are too close
    /// or too far apart give `None`. Impossible values give `None` and a contradiction.
    pub(super) fn new(
        earlier: Option<&ContainerStats>,
        stats: &ContainerStats,
        bounds: Bounds,
    ) -> (Self, Option<Contradiction>) {
        let gauges = Self { memory: stats.memory.map(|bytes| bytes as f64), ..Self::default() };
        let Some(earlier) = earlier else { return (gauges, None) };
        if stats.read_at <= earlier.read_at {
            return (Self::default(), None);
        }
        let elapsed = Duration::from_nanos(stats.read_at.abs_diff(earlier.read_at));
        if elapsed < MIN_INTERVAL {
            return (gauges, Some(Contradiction::TooClose(elapsed.as_secs_f64())));
        }
        if elapsed > bounds.max_interval {
            return (gauges, None);
        }
        let seconds = elapsed.as_secs_f64();
        let counted = |counter: fn(&ContainerStats) -> Option<u64>| {
            let grown = grown(counter(earlier)?, counter(stats)?)?;
            (grown / seconds <= MAX_BYTES_PER_SECOND).then_some(grown)
        };
        let rate = |counter| Some(counted(counter)? / seconds);
        let usage = Self {
            received: rate(|stats| stats.received),
            sent: rate(|stats| stats.sent),
            storage_read: counted(|stats| stats.storage_read),
            storage_written: counted(|stats| stats.storage_written),
            ..gauges
        };
        usage.with_cpu(earlier, stats, seconds, bounds)
    }

    /// Adds `vcpu` and `docker_percent`, unless they are impossible.
    fn with_cpu(
        self,
        earlier: &ContainerStats,
        stats: &ContainerStats,
        elapsed: f64,
        bounds: Bounds,
    ) -> (Self, Option<Contradiction>) {
        let Some((before, now)) = earlier.cpu.zip(stats.cpu) else { return (self, None) };
        let Some(used) = grown(before.total, now.total).map(|nanos| nanos / 1e9) else { return (self, None) };
        // If the number of processors changes, the smaller one is the bound.
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

    /// Adds up the usage of a task's containers. A value that is unknown for one container is unknown for the task. If
    /// they share a network, the traffic of each is that of the task. CPU time above that of the host's processors, or
    /// above the task's limit if their number is unknown, gives `None` and a contradiction.
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
        let limit = processors * CPU_TOLERANCE;
        let contradiction =
            total.vcpu.filter(|used| *used > limit).map(|used| Contradiction::Cpu { used, elapsed: 1.0, processors });
        if contradiction.is_some() || total.docker_percent.is_some_and(|percent| percent > limit * 100.0) {
            (total.docker_percent, total.vcpu) = (None, None);
        }
        (total, contradiction)
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

/// Returns the increase of a counter, or `None` if it has gone back.
fn grown(before: u64, now: u64) -> Option<f64> {
    now.checked_sub(before).map(|grown| grown as f64)
}

#[cfg(test)]
mod tests {
    use super::{super::container_stats::CpuCounters, *};

    const BOUNDS: Bounds = Bounds { limit: None, max_interval: Duration::from_secs(30) };

    /// Returns stats at a time in milliseconds, of a host with two processors.
    fn stats_at(millis: i64, total: u64) -> ContainerStats {
        let count = millis as u64;
        ContainerStats {
            read_at: millis * 1_000_000,
            cpu: Some(CpuCounters { total, system: Some(2_000_000 * (1_000_000 + count)), online: Some(2) }),
            memory: Some(700),
            received: Some(10 * count),
            sent: Some(1),
            storage_read: Some(7 * count),
            storage_written: Some(1),
        }
    }

    fn used(earlier: &ContainerStats, stats: &ContainerStats) -> Usage {
        Usage::new(Some(earlier), stats, BOUNDS).0
    }

    #[test]
    fn rates_are_over_the_time_since_the_earlier_stats() {
        let (first, second) = (stats_at(10_000, 3_000_000), stats_at(12_000, 503_000_000));
        let usage = used(&first, &second);
        assert_eq!((usage.docker_percent, usage.vcpu, usage.online), (Some(25.0), Some(0.25), Some(2.0)));
        assert_eq!((usage.received, usage.sent), (Some(10_000.0), Some(0.0)));
        assert_eq!((usage.storage_read, usage.storage_written, usage.memory), (Some(14_000.0), Some(0.0), Some(700.0)));
        let alone = Usage { memory: Some(700.0), ..Usage::default() };
        assert_eq!(Usage::new(None, &first, BOUNDS), (alone.clone(), None));
        for (millis, has_rates) in
            [(99, false), (100, true), (101, true), (29_999, true), (30_000, true), (30_001, false)]
        {
            let usage = used(&first, &stats_at(10_000 + millis, 3_000_000));
            assert_eq!(usage.vcpu.is_some() && usage.received.is_some(), has_rates, "{millis}");
            assert!(has_rates || usage == alone, "{millis}");
        }
    }

    #[test]
    fn counters_and_times_that_go_back_give_no_usage() {
        let (first, later) = (stats_at(10_000, 3_000), stats_at(11_000, 2_999));
        assert_eq!((used(&first, &later).vcpu, used(&first, &later).received), (None, Some(10_000.0)));
        for (earlier, now) in [(&first, &first), (&later, &first)] {
            assert_eq!(used(earlier, now), Usage::default());
        }
    }

    #[test]
    fn contradictions_are_described() {
        let cpu = Contradiction::Cpu { used: 3.0, elapsed: 1.0, processors: 2.0 };
        for (contradiction, expected) in [
            (
                Contradiction::TooClose(0.05),
                "two stats of web are 0.050000 s apart, too close to compute rates; the rates of the second have a gap",
            ),
            (
                cpu,
                "web used 3.000 s of CPU in 1.000 s on 2 processors, which is impossible; its CPU metrics have a gap",
            ),
            (
                Contradiction::System { used: 3.0, had: 2.0 },
                "web used 3.000 s of CPU while the host had 2.000 s (system_cpu_usage), which is impossible; its CPU \
                 metrics have a gap",
            ),
            (
                Contradiction::Unbounded,
                "web has neither online_cpus nor a CPU limit, so its CPU time cannot be checked and its CPU metrics have \
                 no values. Set cpu in the task definition",
            ),
        ] {
            assert_eq!(contradiction.describe(&"web"), expected);
        }
    }

    #[test]
    fn a_sum_with_an_unknown_part_is_unknown() {
        let known = Usage { vcpu: Some(0.25), memory: Some(5.0), sent: Some(7.0), ..Usage::default() };
        let other = Usage { vcpu: Some(0.5), sent: Some(8.0), ..Usage::default() };
        let (sum, _) = Usage::total([&other, &known], false, None);
        assert_eq!(sum, Usage { vcpu: Some(0.75), sent: Some(15.0), ..Usage::default() });
        let (shared, _) = Usage::total([&other, &known], true, None);
        assert_eq!((shared.received, shared.sent), (None, Some(8.0)));
    }

    #[test]
    fn a_sum_is_bounded_by_the_processors_or_else_by_the_limit() {
        let one = |online| Usage { vcpu: Some(1.1), docker_percent: Some(110.0), online, ..Usage::default() };
        for (online, limit, is_known) in [
            (Some(2.0), None, true),
            (Some(1.9), None, false),
            (Some(2.0), Some(1.0), true),
            (None, Some(1.9), false),
            (None, None, true),
        ] {
            let (sum, contradiction) = Usage::total([&one(online), &one(None)], false, limit);
            assert_eq!(
                (sum.vcpu.is_some(), sum.docker_percent.is_some()),
                (is_known, is_known),
                "{online:?} {limit:?}"
            );
            assert_eq!(contradiction.is_none(), is_known);
        }
    }
}
