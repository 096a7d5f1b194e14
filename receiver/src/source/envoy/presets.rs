//! Groups of preset rules for stats that every Envoy has.

use acpw_metric::Unit;

use super::rule::StatType;

/// A group of preset metrics, for the key `groups`.
#[derive(Clone, Copy, Debug)]
pub struct PresetGroup {
    /// The name of the group.
    pub name: &'static str,
    /// The prefix of the stats' names. Its placeholders are the dimensions of the metrics.
    pub stats: &'static str,
    /// The prefix of metric names that start with `+`.
    pub prefix: &'static str,
    /// The metrics of the group.
    pub metrics: &'static [PresetMetric],
}

/// A preset metric: the type of the stat, the end of its name, the metric's name (after the group's prefix if it starts
/// with
/// `+`), and its unit.
pub type PresetMetric = (StatType, &'static str, &'static str, Unit);

impl PresetGroup {
    /// Returns the pattern of a metric's stats and the metric's name.
    pub fn names(&self, metric: &PresetMetric) -> (String, String) {
        let (_, stat, name, _) = metric;
        let name = name.strip_prefix('+').map_or_else(|| (*name).to_owned(), |end| [self.prefix, end].concat());
        ([self.stats, stat].concat(), name)
    }
}

use StatType::{Counter, Gauge, Histogram};

/// All groups of preset metrics.
pub const GROUPS: [PresetGroup; 4] = [
    PresetGroup {
        name: "upstream",
        stats: "cluster.{Cluster}.",
        prefix: "Upstream",
        metrics: &[
            (Counter, "upstream_rq_completed", "+RequestCount", Unit::COUNT),
            (Counter, "upstream_rq_2xx", "+HTTPCode_2XX_Count", Unit::COUNT),
            (Counter, "upstream_rq_3xx", "+HTTPCode_3XX_Count", Unit::COUNT),
            (Counter, "upstream_rq_4xx", "+HTTPCode_4XX_Count", Unit::COUNT),
            (Counter, "upstream_rq_5xx", "+HTTPCode_5XX_Count", Unit::COUNT),
            (Counter, "upstream_rq_retry", "+RetryCount", Unit::COUNT),
            (Counter, "upstream_rq_timeout", "+TimeoutCount", Unit::COUNT),
            (Counter, "upstream_rq_pending_overflow", "+OverflowCount", Unit::COUNT),
            (Counter, "upstream_cx_connect_fail", "+ConnectionErrorCount", Unit::COUNT),
            (Gauge, "upstream_rq_active", "+RequestsInProgress", Unit::COUNT),
            (Gauge, "upstream_cx_active", "+Connections", Unit::COUNT),
            (Gauge, "membership_healthy", "HealthyHostCount", Unit::COUNT),
            (Gauge, "membership_total", "HostCount", Unit::COUNT),
            (Histogram, "upstream_rq_time", "+ResponseTime", Unit::MILLISECONDS),
        ],
    },
    PresetGroup {
        name: "downstream",
        stats: "http.{StatPrefix}.downstream_",
        prefix: "Downstream",
        metrics: &[
            (Counter, "rq_completed", "+RequestCount", Unit::COUNT),
            (Counter, "rq_2xx", "+HTTPCode_2XX_Count", Unit::COUNT),
            (Counter, "rq_3xx", "+HTTPCode_3XX_Count", Unit::COUNT),
            (Counter, "rq_4xx", "+HTTPCode_4XX_Count", Unit::COUNT),
            (Counter, "rq_5xx", "+HTTPCode_5XX_Count", Unit::COUNT),
            (Gauge, "rq_active", "+RequestsInProgress", Unit::COUNT),
            (Gauge, "cx_active", "+Connections", Unit::COUNT),
            (Histogram, "rq_time", "+Latency", Unit::MILLISECONDS),
        ],
    },
    PresetGroup {
        name: "virtual_host",
        // Names of virtual hosts usually contain dots. Here they may, because no other stats have similar names; a
        // cluster has
        // `cluster.x.canary.upstream_rq_2xx` too.
        stats: "vhost.{VirtualHost*}.vcluster.{VirtualCluster*}.",
        prefix: "VirtualHost",
        metrics: &[
            (Counter, "upstream_rq_completed", "+RequestCount", Unit::COUNT),
            (Counter, "upstream_rq_2xx", "+HTTPCode_2XX_Count", Unit::COUNT),
            (Counter, "upstream_rq_3xx", "+HTTPCode_3XX_Count", Unit::COUNT),
            (Counter, "upstream_rq_4xx", "+HTTPCode_4XX_Count", Unit::COUNT),
            (Counter, "upstream_rq_5xx", "+HTTPCode_5XX_Count", Unit::COUNT),
            (Counter, "upstream_rq_retry", "+RetryCount", Unit::COUNT),
            (Counter, "upstream_rq_timeout", "+TimeoutCount", Unit::COUNT),
            (Histogram, "upstream_rq_time", "+ResponseTime", Unit::MILLISECONDS),
        ],
    },
    PresetGroup {
        name: "server",
        stats: "server.",
        prefix: "",
        metrics: &[
            (Gauge, "memory_allocated", "MemoryAllocated", Unit::BYTES),
            (Gauge, "memory_heap_size", "MemoryHeapSize", Unit::BYTES),
            (Gauge, "memory_physical_size", "MemoryPhysicalSize", Unit::BYTES),
            (Gauge, "total_connections", "ServerConnections", Unit::COUNT),
            (Gauge, "uptime", "Uptime", Unit::SECONDS),
        ],
    },
];
