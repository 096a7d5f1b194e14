//! What a container has used, by Docker's stats of it.

use acpw_metric::datetime::parse_rfc_3339_nanos;
use serde_json::Value;

/// What Docker's stats tell of a container at one time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    /// When it was taken, in nanoseconds of the agent's clock.
    at: i64,
    cpu: Option<Cpu>,
    /// The reading before, with which Docker computes its percentage.
    before: Option<(i64, Cpu)>,
    memory: Option<u64>,
    received: Option<u64>,
    sent: Option<u64>,
    storage_read: Option<u64>,
    storage_written: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Cpu {
    /// Nanoseconds that the container has used.
    total: u64,
    /// Nanoseconds that the whole host has had, used or not.
    system: Option<u64>,
    /// The host's processors.
    online: Option<u64>,
}

/// What was used in the time before a reading. What is not known is nothing; it is never zero instead.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// In percent of one of the host's processors.
    pub docker_percent: Option<f64>,
    /// Processors.
    pub vcpu: Option<f64>,
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

impl Reading {
    /// Reads a container's part of `/task/stats`; nothing when it is `null`, empty, or does not say when it was taken, as in a
    /// container's first second.
    pub(super) fn read(stats: &Value) -> Option<Self> {
        let cpu = |key: &str| stats.get(key).and_then(Cpu::read);
        let io = |op: &str| storage(stats.get("blkio_stats")?.get("io_service_bytes_recursive")?, op);
        Some(Self {
            at: time(stats, "read")?,
            cpu: cpu("cpu_stats"),
            before: time(stats, "preread").zip(cpu("precpu_stats")),
            memory: stats.get("memory_stats").and_then(memory),
            received: network(stats, "rx_bytes"),
            sent: network(stats, "tx_bytes"),
            storage_read: io("read"),
            storage_written: io("write"),
        })
    }

    /// Whether it was taken later than another one.
    pub(super) fn is_after(&self, earlier: &Self) -> bool {
        self.at > earlier.at
    }
}

impl Cpu {
    fn read(stats: &Value) -> Option<Self> {
        let usage = stats.get("cpu_usage")?;
        let per_cpu = || Some(usage.get("percpu_usage")?.as_array()?.len() as u64);
        Some(Self {
            total: number(usage, "total_usage")?,
            system: number(stats, "system_cpu_usage"),
            online: number(stats, "online_cpus").filter(|count| *count > 0).or_else(per_cpu),
        })
    }
}

impl Usage {
    /// What was used up to a reading, after another one of the same container if there is one. Counters that have gone back
    /// and times that do not differ tell nothing.
    pub(super) fn new(earlier: Option<&Reading>, reading: &Reading) -> Self {
        if earlier.is_some_and(|earlier| !reading.is_after(earlier)) {
            return Self::default();
        }
        let (vcpu, docker_percent) = cpu(earlier, reading);
        let counted = |counter: fn(&Reading) -> Option<u64>| difference(counter(earlier?)?, counter(reading)?);
        let seconds = earlier.and_then(|earlier| difference(earlier.at, reading.at)).map(|nanos| nanos / 1e9);
        let rate = |counter| Some(counted(counter)? / seconds?);
        Self {
            docker_percent,
            vcpu,
            memory: reading.memory.map(|bytes| bytes as f64),
            received: rate(|reading| reading.received),
            sent: rate(|reading| reading.sent),
            storage_read: counted(|reading| reading.storage_read),
            storage_written: counted(|reading| reading.storage_written),
        }
    }

    /// Adds what another container of the task has used; what one of them does not tell is not known of both. Where they
    /// share a network, each tells the traffic of all.
    pub(super) fn add(&mut self, other: &Self, shares_network: bool) {
        let add = |sum: &mut Option<f64>, more: Option<f64>| *sum = sum.zip(more).map(|(sum, more)| sum + more);
        add(&mut self.docker_percent, other.docker_percent);
        add(&mut self.vcpu, other.vcpu);
        add(&mut self.memory, other.memory);
        add(&mut self.storage_read, other.storage_read);
        add(&mut self.storage_written, other.storage_written);
        if shares_network {
            self.received = self.received.or(other.received);
            self.sent = self.sent.or(other.sent);
        } else {
            add(&mut self.received, other.received);
            add(&mut self.sent, other.sent);
        }
    }
}

/// Processors used, and Docker's percentage.
fn cpu(earlier: Option<&Reading>, reading: &Reading) -> (Option<f64>, Option<f64>) {
    let own = || earlier.and_then(|earlier| Some((earlier.at, earlier.cpu?)));
    let before = reading.before.filter(|(at, _)| *at < reading.at).or_else(own);
    let (Some((at, before)), Some(now)) = (before, reading.cpu) else { return (None, None) };
    let used = difference(before.total, now.total);
    let vcpu = used.zip(difference(at, reading.at)).map(|(used, nanos)| used / nanos);
    let percent = || {
        let system = difference(before.system?, now.system?).filter(|system| *system > 0.0)?;
        Some(used? / system * now.online? as f64 * 100.0)
    };
    (vcpu, percent())
}

/// How much a counter has grown; nothing when it has gone back.
fn difference<T: PartialOrd + std::ops::Sub<Output = T> + TryInto<u64>>(before: T, now: T) -> Option<f64> {
    // The difference of two times of this millennium or two counters fits, and nothing else is taken for one.
    if now < before { None } else { (now - before).try_into().ok().map(|grown: u64| grown as f64) }
}

fn number(object: &Value, key: &str) -> Option<u64> {
    object.get(key)?.as_u64()
}

fn time(stats: &Value, key: &str) -> Option<i64> {
    // Docker's zero time is in the year 1, which has no nanoseconds since 1970.
    let nanos = parse_rfc_3339_nanos(stats.get(key)?.as_str()?)?;
    (nanos > 0).then_some(nanos)
}

/// As ECS's agent has it: without the page cache, which cgroup v1 tells as `cache`, and without the part of it that is not in
/// use, `inactive_file`, with cgroup v2.
fn memory(memory: &Value) -> Option<u64> {
    let stats = memory.get("stats")?;
    let reclaimable = number(stats, "cache").or_else(|| number(stats, "inactive_file"))?;
    number(memory, "usage")?.checked_sub(reclaimable)
}

/// The sum over all interfaces; nothing without any, as in network mode `host`.
fn network(stats: &Value, key: &str) -> Option<u64> {
    let mut counters = stats.get("networks")?.as_object()?.values().map(|interface| number(interface, key));
    let first = counters.next()??;
    counters.try_fold(first, |sum, counter| sum.checked_add(counter?))
}

/// The sum over all devices; `null` says that nothing counts.
fn storage(devices: &Value, op: &str) -> Option<u64> {
    let is_op =
        |device: &&Value| device.get("op").and_then(Value::as_str).is_some_and(|name| name.eq_ignore_ascii_case(op));
    devices.as_array()?.iter().filter(is_op).try_fold(0u64, |sum, device| sum.checked_add(number(device, "value")?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A container's stats at a second, with the reading before unless it is left out.
    fn stats(second: u64, total: u64, with_before: bool) -> Value {
        let time = |second: u64| format!("2026-11-20T10:00:{second:02}.5Z");
        let cpu = |total: u64, system: u64| json!({ "cpu_usage": { "total_usage": total }, "system_cpu_usage": system, "online_cpus": 2 });
        let mut stats = json!({
            "read": time(second), "cpu_stats": cpu(total, 1_000 * second),
            "memory_stats": { "usage": 900, "stats": { "cache": 200, "inactive_file": 50 } },
            "networks": { "eth0": { "rx_bytes": 10 * second, "tx_bytes": 1 }, "eth1": { "rx_bytes": 5, "tx_bytes": 1 } },
            "blkio_stats": { "io_service_bytes_recursive": [
                { "op": "Read", "value": 7 * second }, { "op": "read", "value": 1 }, { "op": "Total", "value": 99 * second },
            ] },
        });
        stats["preread"] = if with_before { time(second - 1).into() } else { "0001-01-01T00:00:00Z".into() };
        stats["precpu_stats"] = if with_before { cpu(total - 500, 1_000 * (second - 1)) } else { cpu(0, 0) };
        stats
    }

    fn reading(stats: &Value) -> Reading {
        Reading::read(stats).unwrap()
    }

    #[test]
    fn the_reading_before_is_the_documents_else_the_last_one() {
        let (first, second) = (reading(&stats(10, 3_000, true)), reading(&stats(12, 4_500, true)));
        let used = Usage::new(Some(&first), &second);
        assert_eq!((used.docker_percent, used.vcpu), (Some(100.0), Some(500.0 / 1e9)));
        let second = reading(&stats(12, 4_500, false));
        let used = Usage::new(Some(&first), &second);
        assert_eq!((used.docker_percent, used.vcpu), (Some(150.0), Some(1_500.0 / 2e9)));
        assert_eq!((used.received, used.sent), (Some(10.0), Some(0.0)));
        assert_eq!((used.storage_read, used.storage_written), (Some(14.0), Some(0.0)));
        assert_eq!(used.memory, Some(700.0));
        let alone = Usage::new(None, &second);
        assert_eq!(alone, Usage { memory: Some(700.0), ..Usage::default() });
        assert_eq!(Usage::new(None, &first).docker_percent, Some(100.0));
    }

    #[test]
    fn what_has_gone_back_or_stood_still_tells_nothing() {
        let (first, later) = (reading(&stats(10, 3_000, false)), reading(&stats(11, 2_999, false)));
        let used = Usage::new(Some(&first), &later);
        assert_eq!((used.docker_percent, used.vcpu, used.received), (None, None, Some(10.0)));
        for (earlier, now) in [(&first, &first), (&later, &first)] {
            assert_eq!(Usage::new(Some(earlier), now), Usage::default());
        }
        let mut still = stats(11, 3_500, false);
        still["cpu_stats"]["system_cpu_usage"] = 10_000.into();
        let used = Usage::new(Some(&first), &reading(&still));
        assert_eq!((used.docker_percent, used.vcpu), (None, Some(500.0 / 1e9)));
        let mut zero = stats(11, 3_500, true);
        zero["preread"] = zero["read"].clone();
        assert_eq!(Usage::new(None, &reading(&zero)).vcpu, None);
    }

    #[test]
    fn what_is_missing_is_nothing_and_never_zero() {
        for nothing in
            [json!(null), json!({}), json!([]), json!({ "read": "0001-01-01T00:00:00Z" }), json!({ "read": 5 })]
        {
            assert_eq!(Reading::read(&nothing), None, "{nothing}");
        }
        let bare = reading(&json!({ "read": "2026-11-20T10:00:00Z" }));
        assert_eq!(Usage::new(None, &bare), Usage::default());
        for (key, value) in [
            ("memory_stats", json!({ "usage": 5, "stats": {} })),
            ("memory_stats", json!({ "usage": 5, "stats": { "cache": 6 } })),
            ("memory_stats", json!({})),
            ("networks", json!({})),
            ("networks", json!({ "eth0": { "rx_bytes": u64::MAX, "tx_bytes": -1 }, "eth1": { "rx_bytes": 1 } })),
            ("blkio_stats", json!({ "io_service_bytes_recursive": null })),
            ("cpu_stats", json!({ "cpu_usage": {} })),
            ("cpu_stats", json!({ "cpu_usage": { "total_usage": 1.5 } })),
        ] {
            let mut later = stats(11, 3_500, true);
            later[key] = value;
            let used = Usage::new(Some(&reading(&stats(10, 3_000, true))), &reading(&later));
            let missing = match key {
                "memory_stats" => used.memory.is_none(),
                "networks" => used.received.is_none() && used.sent.is_none(),
                "blkio_stats" => used.storage_read.is_none() && used.storage_written.is_none(),
                _ => used.vcpu.is_none() && used.docker_percent.is_none(),
            };
            assert!(missing, "{later} {used:?}");
        }
        let mut two = stats(11, 3_500, true);
        two["memory_stats"] = json!({ "usage": 900, "stats": { "inactive_file": 50 } });
        two["cpu_stats"] =
            json!({ "cpu_usage": { "total_usage": 3_500, "percpu_usage": [1, 2, 3] }, "system_cpu_usage": 11_000 });
        let used = Usage::new(None, &reading(&two));
        assert_eq!((used.memory, used.docker_percent), (Some(850.0), Some(150.0)));
    }

    #[test]
    fn a_sum_of_which_a_part_is_not_known_is_not_known() {
        let known = Usage { vcpu: Some(0.25), memory: Some(5.0), sent: Some(7.0), ..Usage::default() };
        let mut sum = Usage { vcpu: Some(0.5), sent: Some(8.0), ..Usage::default() };
        let mut shared = sum.clone();
        sum.add(&known, false);
        assert_eq!(sum, Usage { vcpu: Some(0.75), sent: Some(15.0), ..Usage::default() });
        shared.add(&known, true);
        assert_eq!((shared.received, shared.sent), (None, Some(8.0)));
    }
}
