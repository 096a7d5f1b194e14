//! What can be measured of a task or a container, and how it follows from what was used.

use acpw_metric::Unit;

use super::{
    task::{Limits, MIB},
    usage::Usage,
};

/// A metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EcsMetric {
    /// Docker's CPU percentage: of one of the host's processors.
    CpuUsage,
    /// Processor time in percent of the task's limit.
    CpuUtilization,
    /// Memory in percent of the task's limit.
    MemoryUtilization,
    /// Processor time in CPU units: 1,024 are one processor.
    CpuUtilized,
    /// The limit of processor time, in CPU units.
    CpuReserved,
    /// Memory, in MiB.
    MemoryUtilized,
    /// The limit of memory, in MiB.
    MemoryReserved,
    /// Bytes received in a second.
    NetworkRxBytes,
    /// Bytes sent in a second.
    NetworkTxBytes,
    /// Bytes read from storage since the last reading.
    StorageReadBytes,
    /// Bytes written to storage since the last reading.
    StorageWriteBytes,
}

/// Every metric with its name and unit. CPUUsage is that of `docker stats`, CPUUtilization and MemoryUtilization are those of
/// `AWS/ECS`, and the others those of Container Insights.
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
    /// The unit of its values.
    pub fn unit(self) -> Unit {
        let row = METRICS.iter().find(|(_, _, measure)| *measure == self);
        row.and_then(|(_, unit, _)| Unit::from_name(unit)).unwrap_or_default()
    }

    /// The value, if there is one: of what was used by a container or a task with these limits, in a task with `task`'s.
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
        for (name, unit, measure) in METRICS {
            assert_eq!(measure.unit().as_str(), unit, "{name}");
        }
    }

    #[test]
    fn what_is_not_known_has_no_value() {
        let (nothing, unlimited) = (Usage::default(), Limits::default());
        for (_, _, measure) in METRICS {
            assert_eq!(measure.value(&nothing, &unlimited, &unlimited), None);
        }
        let used = Usage { vcpu: Some(1.0), ..Usage::default() };
        assert_eq!(EcsMetric::CpuUtilization.value(&used, &unlimited, &unlimited), None);
        let half = Limits { vcpu: Some(0.5), memory_mib: None };
        assert_eq!(EcsMetric::CpuUtilization.value(&used, &unlimited, &half), Some(200.0));
    }
}
