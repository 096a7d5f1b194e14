//! Docker's stats of a container, as the agent hands them over.

use acpw_metric::datetime::parse_rfc_3339_nanos;
use serde_json::Value;

/// The most processors that a host is believed to have, which is what Linux can count.
const MAX_PROCESSORS: u64 = 8_192;

/// How far above its limit the memory of a container may be: the kernel and the agent do not read at the same moment.
const MEMORY_TOLERANCE: f64 = 1.1;

/// Counters and levels of a container at one time.
///
/// `preread` and `precpu_stats`, with which `docker stats` computes its percentage, are not read: they can be zero, be of
/// another container's life, or be of one second where the agent reads every ten.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ContainerStats {
    /// When Docker took it, in nanoseconds of the host's clock since the Unix epoch.
    pub at: i64,
    /// CPU counters.
    pub cpu: Option<CpuCounters>,
    /// Bytes of memory in use, without the page cache that the kernel can take back.
    pub memory: Option<u64>,
    /// Bytes received since the container started.
    pub received: Option<u64>,
    /// Bytes sent since the container started.
    pub sent: Option<u64>,
    /// Bytes read from storage since the container started.
    pub storage_read: Option<u64>,
    /// Bytes written to storage since the container started.
    pub storage_written: Option<u64>,
}

/// The CPU counters of a reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CpuCounters {
    /// Nanoseconds that the container has used.
    pub total: u64,
    /// Nanoseconds that the whole host has had, used or not.
    pub system: Option<u64>,
    /// The host's processors.
    pub online: Option<u64>,
}

impl ContainerStats {
    /// Reads a container's part of `/task/stats`. Returns `None` when it is `null`, empty, or without a time, as in a
    /// container's first second.
    pub(super) fn read(stats: &Value) -> Option<Self> {
        let io = |op: &str| storage(stats.get("blkio_stats")?.get("io_service_bytes_recursive")?, op);
        Some(Self {
            at: time(stats, "read")?,
            cpu: CpuCounters::read(stats),
            memory: stats.get("memory_stats").and_then(memory),
            received: network(stats, "rx_bytes"),
            sent: network(stats, "tx_bytes"),
            storage_read: io("read"),
            storage_written: io("write"),
        })
    }
}

impl CpuCounters {
    fn read(stats: &Value) -> Option<Self> {
        let cpu = stats.get("cpu_stats")?;
        let usage = cpu.get("cpu_usage")?;
        let per_cpu = || Some(usage.get("percpu_usage")?.as_array()?.len() as u64);
        let is_possible = |count: &u64| (1..=MAX_PROCESSORS).contains(count);
        let online = number(cpu, "online_cpus").or_else(per_cpu).filter(is_possible);
        Some(Self {
            total: number(usage, "total_usage")?,
            // A host that answers has been up for a while.
            system: number(cpu, "system_cpu_usage").filter(|nanos| *nanos > 0),
            // Windows has no `online_cpus`.
            online: online.or_else(|| number(stats, "num_procs").filter(is_possible)),
        })
    }
}

fn number(object: &Value, key: &str) -> Option<u64> {
    object.get(key)?.as_u64()
}

fn time(stats: &Value, key: &str) -> Option<i64> {
    // Docker's zero time is in the year 1, which has no nanoseconds since 1970.
    let nanos = parse_rfc_3339_nanos(stats.get(key)?.as_str()?)?;
    (nanos > 0).then_some(nanos)
}

/// Returns the memory in use as ECS's agent computes it: without the page cache, which is `cache` with cgroup v1, and
/// without the part of it that is not in use, `inactive_file`, with cgroup v2. More than the container's limit allows is
/// not true.
fn memory(memory: &Value) -> Option<u64> {
    let stats = memory.get("stats")?;
    let reclaimable = number(stats, "cache").or_else(|| number(stats, "inactive_file"))?;
    let used = number(memory, "usage")?.checked_sub(reclaimable)?;
    let limit = number(memory, "limit").filter(|limit| *limit > 0);
    limit.is_none_or(|limit| used as f64 <= limit as f64 * MEMORY_TOLERANCE).then_some(used)
}

/// Adds up all interfaces. Returns `None` without any, as in network mode `host`.
fn network(stats: &Value, key: &str) -> Option<u64> {
    let mut counters = stats.get("networks")?.as_object()?.values().map(|interface| number(interface, key));
    let first = counters.next()??;
    counters.try_fold(first, |sum, counter| sum.checked_add(counter?))
}

/// Adds up all devices. Returns `None` for `null`, which says that nothing counts.
fn storage(devices: &Value, op: &str) -> Option<u64> {
    let is_op =
        |device: &&Value| device.get("op").and_then(Value::as_str).is_some_and(|name| name.eq_ignore_ascii_case(op));
    devices.as_array()?.iter().filter(is_op).try_fold(0u64, |sum, device| sum.checked_add(number(device, "value")?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_is_unknown_and_never_zero() {
        for nothing in
            [json!(null), json!({}), json!([]), json!({ "read": "0001-01-01T00:00:00Z" }), json!({ "read": 5 })]
        {
            assert_eq!(ContainerStats::read(&nothing), None, "{nothing}");
        }
        let with = |key: &str, value: Value| {
            ContainerStats::read(&json!({ "read": "2026-11-20T10:00:00Z", key: value })).unwrap()
        };
        let bare = with("other", json!(1));
        let ContainerStats {
            at: _,
            cpu: None,
            memory: None,
            received: None,
            sent: None,
            storage_read: None,
            storage_written: None,
        } = bare
        else {
            panic!("{bare:?}")
        };
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
            assert_eq!(with(key, value.clone()), bare, "{key} {value}");
        }
    }

    #[test]
    fn counters_of_interfaces_and_devices_add_up() {
        let reading = ContainerStats::read(&json!({
            "read": "2026-11-20T10:00:00.5Z",
            "memory_stats": { "usage": 900, "stats": { "cache": 200, "inactive_file": 50 } },
            "networks": { "eth0": { "rx_bytes": 10, "tx_bytes": 1 }, "eth1": { "rx_bytes": 5, "tx_bytes": 1 } },
            "blkio_stats": { "io_service_bytes_recursive": [
                { "op": "Read", "value": 7 }, { "op": "read", "value": 1 }, { "op": "Total", "value": 99 },
            ] },
        }))
        .unwrap();
        assert_eq!((reading.memory, reading.received, reading.sent), (Some(700), Some(15), Some(2)));
        assert_eq!((reading.storage_read, reading.storage_written), (Some(8), Some(0)));
        assert_eq!(reading.at % 1_000_000_000, 500_000_000);
    }

    #[test]
    fn the_number_of_processors_is_one_that_a_host_can_have() {
        let online = |cpu: Value, processes: Value| {
            ContainerStats::read(&json!({ "read": "2026-11-20T10:00:00Z", "cpu_stats": cpu, "num_procs": processes }))
                .and_then(|reading| reading.cpu?.online)
        };
        let usage = json!({ "total_usage": 1, "percpu_usage": [1, 2, 3] });
        let of = |count: Value| json!({ "cpu_usage": { "total_usage": 1 }, "online_cpus": count });
        assert_eq!(online(json!({ "cpu_usage": usage }), json!(0)), Some(3));
        assert_eq!(online(json!({ "cpu_usage": usage, "online_cpus": 2 }), json!(8)), Some(2));
        assert_eq!(online(of(json!(null)), json!(8)), Some(8));
        for (count, known) in [(0, None), (1, Some(1)), (8_192, Some(8_192)), (8_193, None), (u64::MAX, None)] {
            assert_eq!(online(of(json!(count)), json!(0)), known);
        }
    }

    #[test]
    fn memory_is_within_the_containers_limit() {
        for (usage, limit, known) in [(100, 100, true), (110, 100, true), (111, 100, false), (111, 0, true)] {
            let memory = json!({ "usage": usage, "limit": limit, "stats": { "inactive_file": 0 } });
            assert_eq!(super::memory(&memory).is_some(), known, "{usage} {limit}");
        }
        assert_eq!(super::memory(&json!({ "usage": 9, "stats": { "inactive_file": 4 } })), Some(5));
    }
}
