//! Envoy's statistics: one number for all VMs and threads, shown as `wasmcustom.NAME`.

use proxy_wasm::{
    hostcalls,
    types::{MetricType, Status},
};

/// A counter.
#[derive(Clone, Copy, Debug)]
pub struct Counter(u32);

impl Counter {
    /// Defines the counter, or finds it where another VM has defined it.
    ///
    /// # Errors
    /// Any status of the host but `Ok`.
    pub fn define(name: &str) -> Result<Self, Status> {
        hostcalls::define_metric(MetricType::Counter, name).map(Self)
    }

    /// Adds `count`. Zero costs no host call.
    pub fn add(self, count: u64) {
        if count > 0 {
            let _ = hostcalls::increment_metric(self.0, i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Returns the sum over all VMs of this process.
    pub fn value(self) -> u64 {
        hostcalls::get_metric(self.0).unwrap_or(0)
    }
}

/// A gauge.
#[derive(Clone, Copy, Debug)]
pub struct Gauge(u32);

impl Gauge {
    /// Defines the gauge, or finds it where another VM has defined it.
    ///
    /// # Errors
    /// Any status of the host but `Ok`.
    pub fn define(name: &str) -> Result<Self, Status> {
        hostcalls::define_metric(MetricType::Gauge, name).map(Self)
    }

    /// Sets a gauge that only one VM sets.
    pub fn set(self, value: u64) {
        let _ = hostcalls::record_metric(self.0, value);
    }

    /// Adds `difference` to a gauge that several VMs share.
    pub fn shift(self, difference: i64) {
        if difference != 0 {
            let _ = hostcalls::increment_metric(self.0, difference);
        }
    }
}
