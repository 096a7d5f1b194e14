//! Rules that need not be written: what Envoy keeps anyway, by groups.

use acpw_metric::Unit;

use super::rule::Kind;

/// A group of metrics, for the key `groups`.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Its name.
    pub name: &'static str,
    /// Its metrics.
    pub metrics: &'static [ReadyMetric],
}

/// The type of a stat, the pattern of its name, and the metric's name and unit.
pub type ReadyMetric = (Kind, &'static str, &'static str, Unit);

use Kind::{Counter, Gauge, Histogram};

/// All groups. The places of the patterns are the metrics' dimensions.
pub const GROUPS: [Group; 4] = [
    Group {
        name: "upstream",
        metrics: &[
            (Counter, "cluster.{Cluster}.upstream_rq_completed", "UpstreamRequestCount", Unit::COUNT),
            (Counter, "cluster.{Cluster}.upstream_rq_2xx", "UpstreamHTTPCode_2XX_Count", Unit::COUNT),
            (Counter, "cluster.{Cluster}.upstream_rq_3xx", "UpstreamHTTPCode_3XX_Count", Unit::COUNT),
            (Counter, "cluster.{Cluster}.upstream_rq_4xx", "UpstreamHTTPCode_4XX_Count", Unit::COUNT),
            (Counter, "cluster.{Cluster}.upstream_rq_5xx", "UpstreamHTTPCode_5XX_Count", Unit::COUNT),
            (Counter, "cluster.{Cluster}.upstream_rq_retry", "UpstreamRetryCount", Unit::COUNT),
            (Counter, "cluster.{Cluster}.upstream_rq_timeout", "UpstreamTimeoutCount", Unit::COUNT),
            (Counter, "cluster.{Cluster}.upstream_rq_pending_overflow", "UpstreamOverflowCount", Unit::COUNT),
            (Counter, "cluster.{Cluster}.upstream_cx_connect_fail", "UpstreamConnectionErrorCount", Unit::COUNT),
            (Gauge, "cluster.{Cluster}.upstream_rq_active", "UpstreamRequestsInProgress", Unit::COUNT),
            (Gauge, "cluster.{Cluster}.upstream_cx_active", "UpstreamConnections", Unit::COUNT),
            (Gauge, "cluster.{Cluster}.membership_healthy", "HealthyHostCount", Unit::COUNT),
            (Gauge, "cluster.{Cluster}.membership_total", "HostCount", Unit::COUNT),
            (Histogram, "cluster.{Cluster}.upstream_rq_time", "UpstreamResponseTime", Unit::MILLISECONDS),
        ],
    },
    Group {
        name: "downstream",
        metrics: &[
            (Counter, "http.{StatPrefix}.downstream_rq_completed", "DownstreamRequestCount", Unit::COUNT),
            (Counter, "http.{StatPrefix}.downstream_rq_2xx", "DownstreamHTTPCode_2XX_Count", Unit::COUNT),
            (Counter, "http.{StatPrefix}.downstream_rq_3xx", "DownstreamHTTPCode_3XX_Count", Unit::COUNT),
            (Counter, "http.{StatPrefix}.downstream_rq_4xx", "DownstreamHTTPCode_4XX_Count", Unit::COUNT),
            (Counter, "http.{StatPrefix}.downstream_rq_5xx", "DownstreamHTTPCode_5XX_Count", Unit::COUNT),
            (Gauge, "http.{StatPrefix}.downstream_rq_active", "DownstreamRequestsInProgress", Unit::COUNT),
            (Gauge, "http.{StatPrefix}.downstream_cx_active", "DownstreamConnections", Unit::COUNT),
            (Histogram, "http.{StatPrefix}.downstream_rq_time", "DownstreamLatency", Unit::MILLISECONDS),
        ],
    },
    Group {
        name: "virtual_host",
        metrics: &[
            (
                Counter,
                "vhost.{VirtualHost}.vcluster.{VirtualCluster}.upstream_rq_total",
                "VirtualHostRequestCount",
                Unit::COUNT,
            ),
            (
                Counter,
                "vhost.{VirtualHost}.vcluster.{VirtualCluster}.upstream_rq_2xx",
                "VirtualHostHTTPCode_2XX_Count",
                Unit::COUNT,
            ),
            (
                Counter,
                "vhost.{VirtualHost}.vcluster.{VirtualCluster}.upstream_rq_3xx",
                "VirtualHostHTTPCode_3XX_Count",
                Unit::COUNT,
            ),
            (
                Counter,
                "vhost.{VirtualHost}.vcluster.{VirtualCluster}.upstream_rq_4xx",
                "VirtualHostHTTPCode_4XX_Count",
                Unit::COUNT,
            ),
            (
                Counter,
                "vhost.{VirtualHost}.vcluster.{VirtualCluster}.upstream_rq_5xx",
                "VirtualHostHTTPCode_5XX_Count",
                Unit::COUNT,
            ),
            (
                Counter,
                "vhost.{VirtualHost}.vcluster.{VirtualCluster}.upstream_rq_retry",
                "VirtualHostRetryCount",
                Unit::COUNT,
            ),
            (
                Counter,
                "vhost.{VirtualHost}.vcluster.{VirtualCluster}.upstream_rq_timeout",
                "VirtualHostTimeoutCount",
                Unit::COUNT,
            ),
            (
                Histogram,
                "vhost.{VirtualHost}.vcluster.{VirtualCluster}.upstream_rq_time",
                "VirtualHostResponseTime",
                Unit::MILLISECONDS,
            ),
        ],
    },
    Group {
        name: "server",
        metrics: &[
            (Gauge, "server.memory_allocated", "MemoryAllocated", Unit::BYTES),
            (Gauge, "server.memory_heap_size", "MemoryHeapSize", Unit::BYTES),
            (Gauge, "server.memory_physical_size", "MemoryPhysicalSize", Unit::BYTES),
            (Gauge, "server.total_connections", "ServerConnections", Unit::COUNT),
            (Gauge, "server.uptime", "Uptime", Unit::SECONDS),
        ],
    },
];
