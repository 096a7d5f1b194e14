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

/// Counters in Envoy's statistics with a common prefix, in the order of their names.
#[derive(Debug)]
pub struct Counters(Vec<Counter>);

impl Counters {
    /// Defines a counter for each name.
    ///
    /// # Errors
    /// Returns the host's status if it is not `Ok`.
    pub fn define(prefix: &str, names: &[&str]) -> Result<Self, Status> {
        names.iter().map(|name| Counter::define(&format!("{prefix}{name}"))).collect::<Result<_, _>>().map(Self)
    }

    /// Adds a count to each counter.
    pub fn add(&self, counts: impl IntoIterator<Item = u64>) {
        self.0.iter().zip(counts).for_each(|(counter, count)| counter.add(count));
    }

    /// Returns the current values, to which all VMs of the process contribute.
    pub fn values(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|counter| counter.value())
    }
}

/// Gauges in Envoy's statistics with a common prefix, in the order of their names.
#[derive(Debug)]
pub struct Gauges(Vec<Gauge>);

impl Gauges {
    /// Defines a gauge for each name.
    ///
    /// # Errors
    /// Returns the host's status if it is not `Ok`.
    pub fn define(prefix: &str, names: &[&str]) -> Result<Self, Status> {
        names.iter().map(|name| Gauge::define(&format!("{prefix}{name}"))).collect::<Result<_, _>>().map(Self)
    }

    /// Sets the value of each gauge. Use it only for gauges that one VM writes.
    pub fn set(&self, values: impl IntoIterator<Item = u64>) {
        self.0.iter().zip(values).for_each(|(gauge, value)| gauge.set(value));
    }
}
