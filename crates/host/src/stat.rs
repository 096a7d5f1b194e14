//! Counters and gauges in Envoy's statistics.
//!
//! Envoy keeps one number for all VMs and threads of the process and reports it as `wasmcustom.NAME`.

use proxy_wasm::{
    hostcalls,
    types::{MetricType, Status},
};

/// A counter in Envoy's statistics.
#[derive(Clone, Copy, Debug)]
pub struct Counter(u32);

impl Counter {
    /// Defines the counter. If another VM has already defined it, returns a handle to the same counter.
    ///
    /// # Errors
    /// Returns the host's status if it is not `Ok`.
    pub fn define(name: &str) -> Result<Self, Status> {
        hostcalls::define_metric(MetricType::Counter, name).map(Self)
    }

    /// Adds `count`. Makes no host call if it is zero.
    pub fn add(self, count: u64) {
        if count > 0 {
            let _ = hostcalls::increment_metric(self.0, i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Returns the current value, to which all VMs of the process contribute.
    pub fn value(self) -> u64 {
        hostcalls::get_metric(self.0).unwrap_or(0)
    }
}

/// A gauge in Envoy's statistics.
#[derive(Clone, Copy, Debug)]
pub struct Gauge(u32);

impl Gauge {
    /// Defines the gauge. If another VM has already defined it, returns a handle to the same gauge.
    ///
    /// # Errors
    /// Returns the host's status if it is not `Ok`.
    pub fn define(name: &str) -> Result<Self, Status> {
        hostcalls::define_metric(MetricType::Gauge, name).map(Self)
    }

    /// Sets the value. Use it only for a gauge that one VM writes.
    pub fn set(self, value: u64) {
        let _ = hostcalls::record_metric(self.0, value);
    }

    /// Adds `difference` to the value, for a gauge that several VMs write.
    pub fn shift(self, difference: i64) {
        if difference != 0 {
            let _ = hostcalls::increment_metric(self.0, difference);
        }
    }
}
