//! Metrics of a task or a container, and how they are computed from its usage.

use acpw_metric::Unit;

use super::{
    task::{Limits, MIB},
    usage::Usage,
};

/// A metric of a task or a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EcsMetric {
    /// CPU time in percent of one of the host's processors, as `docker stats` shows it.
    CpuUsage,
    /// CPU time in percent of the task's limit.
    CpuUtilization,
    /// Memory in percent of the task's limit.
    MemoryUtilization,
    /// CPU time in CPU units; 1,024 units are one processor.
    CpuUtilized,
    /// The CPU limit, in CPU units.
    CpuReserved,
    /// Memory, in MiB.
    MemoryUtilized,
    /// The memory limit, in MiB.
    MemoryReserved,
    /// Bytes received per second.
    NetworkRxBytes,
    /// Bytes sent per second.
    NetworkTxBytes,
    /// Bytes read from storage since the previous stats.
    StorageReadBytes,
    /// Bytes written to storage since the previous stats.
    StorageWriteBytes,
}

/// All metrics with their names and units. CPUUsage is defined as in `docker stats`, CPUUtilization and
/// MemoryUtilization as in `AWS/ECS`, and the others as in Container Insights.
pub const METRICS: [(&str, &str, EcsMetric); 11] = [
    ("CPUUsage", "Percent", EcsMetric::CpuUsage),
    ("CPUUtilization", "Percent", EcsMetric::CpuUtilization),
    ("MemoryUtilization", "Percent", EcsMetric::MemoryUtilization),
    ("CpuUtilized", "None", EcsMetric::CpuUtilized),
    ("CpuReserved", "None", EcsMetric::CpuReserved),
    ("MemoryUtilized", "Megabytes", EcsMetric::MemoryUtilized),
    ("MemoryReserved", "Megabytes", EcsMetric::MemoryReserved),
    ("NetworkRxBytes", "Bytes/Second", EcsMetric::NetworkRxBytes),
    ("NetworkTxBytes", "Bytes/Second", EcsMetric::NetworkTxBytes),
    ("StorageReadBytes", "Bytes", EcsMetric::StorageReadBytes),
    ("StorageWriteBytes", "Bytes", EcsMetric::StorageWriteBytes),
];

const CPU_UNITS: f64 = 1_024.0;

impl EcsMetric {
    /// Returns the unit of the values.
    pub fn unit(self) -> Unit {
        let row = METRICS.iter().find(|(_, _, metric)| *metric == self);
        row.and_then(|(_, unit, _)| Unit::from_name(unit)).unwrap_or_default()
    }

    /// Computes the value from the usage of a container or a task. `limits` are its limits, and `task` those of the
    /// task. Returns `None` if the value is unknown.
    pub(super) fn value(self, usage: &Usage, limits: &Limits, task: &Limits) -> Option<f64> {
        let value = match self {
            Self::CpuUsage => usage.docker_percent?,
            Self::CpuUtilization => usage.vcpu? / task.vcpu? * 100.0,
            Self::MemoryUtilization => usage.memory? / (task.memory_mib? * MIB) * 100.0,
            Self::CpuUtilized => usage.vcpu? * CPU_UNITS,
            Self::CpuReserved => limits.vcpu? * CPU_UNITS,
            Self::MemoryUtilized => usage.memory? / MIB,
            Self::MemoryReserved => limits.memory_mib?,
            Self::NetworkRxBytes => usage.received?,
            Self::NetworkTxBytes => usage.sent?,
            Self::StorageReadBytes => usage.storage_read?,
            Self::StorageWriteBytes => usage.storage_written?,
        };
        value.is_finite().then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_unit_that_cloudwatch_knows() {
        for (name, unit, metric) in METRICS {
            assert_eq!(metric.unit().as_str(), unit, "{name}");
        }
    }

    #[test]
    fn unknown_usage_and_limits_give_no_value() {
        let (nothing, unlimited) = (Usage::default(), Limits::default());
        for (_, _, metric) in METRICS {
            assert_eq!(metric.value(&nothing, &unlimited, &unlimited), None);
        }
        let used = Usage { vcpu: Some(1.0), ..Usage::default() };
        assert_eq!(EcsMetric::CpuUtilization.value(&used, &unlimited, &unlimited), None);
        let half = Limits { vcpu: Some(0.5), memory_mib: None };
        assert_eq!(EcsMetric::CpuUtilization.value(&used, &unlimited, &half), Some(200.0));
    }
}
