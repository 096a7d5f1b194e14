//! Docker's stats of a container, as the ECS agent returns them.

use acpw_metric::datetime::parse_rfc_3339_nanos;
use serde_json::Value;

/// The largest plausible number of processors, which is Linux' maximum.
const MAX_PROCESSORS: u64 = 8_192;

/// The factor by which the memory of a container may exceed its limit. The kernel and the agent do not read them at the
/// same time.
const MEMORY_TOLERANCE: f64 = 1.1;

/// Counters and gauges of a container at one time.
///
/// `docker stats` computes its percentage from `preread` and `precpu_stats`. These are not used, because they can be
/// zero, belong to an earlier run of the container, or cover one second if the agent reads stats every ten.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ContainerStats {
    /// The time of the stats by the host's clock, in nanoseconds since the epoch.
    pub read_at: i64,
    /// CPU counters.
    pub cpu: Option<CpuCounters>,
    /// Bytes of memory in use, without the page cache that the kernel can reclaim.
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

/// The CPU counters of a container and its host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CpuCounters {
    /// Nanoseconds of CPU time that the container has used.
    pub total: u64,
    /// Nanoseconds of CPU time of the whole host, used or idle.
    pub system: Option<u64>,
    /// The number of the host's processors.
    pub online: Option<u64>,
}

impl ContainerStats {
    /// Reads the stats of one container in `/task/stats`. Returns `None` if they are `null`, empty, or without a time,
    /// as in the first second of a container.
    pub(super) fn read(stats: &Value) -> Option<Self> {
        let io = |op: &str| storage(stats.get("blkio_stats")?.get("io_service_bytes_recursive")?, op);
        Some(Self {
            read_at: time(stats, "read")?,
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
            // A running host has used CPU time, so 0 means unknown.
            system: number(cpu, "system_cpu_usage").filter(|nanos| *nanos > 0),
            // On Windows there is no `online_cpus`.
            online: online.or_else(|| number(stats, "num_procs").filter(is_possible)),
        })
    }
}

fn number(object: &Value, key: &str) -> Option<u64> {
    object.get(key)?.as_u64()
}

fn time(stats: &Value, key: &str) -> Option<i64> {
    // Docker's zero time is in the year 1, which is out of range.
    let nanos = parse_rfc_3339_nanos(stats.get(key)?.as_str()?)?;
    (nanos > 0).then_some(nanos)
}

/// Returns the memory in use as the ECS agent computes it. With cgroup v1 this excludes the page cache (`cache`), and
/// with cgroup v2 its inactive part (`inactive_file`). Returns `None` if it exceeds the container's limit.
fn memory(memory: &Value) -> Option<u64> {
    let stats = memory.get("stats")?;
    let reclaimable = number(stats, "cache").or_else(|| number(stats, "inactive_file"))?;
    let used = number(memory, "usage")?.checked_sub(reclaimable)?;
    let limit = number(memory, "limit").filter(|limit| *limit > 0);
    limit.is_none_or(|limit| used as f64 <= limit as f64 * MEMORY_TOLERANCE).then_some(used)
}

/// Adds up a counter of all interfaces. Returns `None` if there are none, as in network mode `host`.
fn network(stats: &Value, key: &str) -> Option<u64> {
    let mut counters = stats.get("networks")?.as_object()?.values().map(|interface| number(interface, key));
    let first = counters.next()??;
    counters.try_fold(first, |sum, counter| sum.checked_add(counter?))
}

/// Adds up an operation of all devices. Returns `None` for `null`, which means that there is no accounting.
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
    fn missing_values_are_unknown_and_not_zero() {
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
            read_at: _,
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
    fn counters_of_interfaces_and_devices_are_added_up() {
        let stats = ContainerStats::read(&json!({
            "read": "2026-11-20T10:00:00.5Z",
            "memory_stats": { "usage": 900, "stats": { "cache": 200, "inactive_file": 50 } },
            "networks": { "eth0": { "rx_bytes": 10, "tx_bytes": 1 }, "eth1": { "rx_bytes": 5, "tx_bytes": 1 } },
            "blkio_stats": { "io_service_bytes_recursive": [
                { "op": "Read", "value": 7 }, { "op": "read", "value": 1 }, { "op": "Total", "value": 99 },
            ] },
        }))
        .unwrap();
        assert_eq!((stats.memory, stats.received, stats.sent), (Some(700), Some(15), Some(2)));
        assert_eq!((stats.storage_read, stats.storage_written), (Some(8), Some(0)));
        assert_eq!(stats.read_at % 1_000_000_000, 500_000_000);
    }

    #[test]
    fn an_impossible_number_of_processors_is_unknown() {
        let online = |cpu: Value, processes: Value| {
            ContainerStats::read(&json!({ "read": "2026-11-20T10:00:00Z", "cpu_stats": cpu, "num_procs": processes }))
                .and_then(|stats| stats.cpu?.online)
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
    fn memory_above_the_containers_limit_is_unknown() {
        for (usage, limit, known) in [(100, 100, true), (110, 100, true), (111, 100, false), (111, 0, true)] {
            let memory = json!({ "usage": usage, "limit": limit, "stats": { "inactive_file": 0 } });
            assert_eq!(super::memory(&memory).is_some(), known, "{usage} {limit}");
        }
        assert_eq!(super::memory(&json!({ "usage": 9, "stats": { "inactive_file": 4 } })), Some(5));
    }
}
