//! Envoy's own statistics: one number for all VMs and threads, shown as `wasmcustom.NAME`.

use crate::{HostError, abi, number::StatKind};

/// A counter.
#[derive(Clone, Copy, Debug)]
pub struct Counter(u32);

impl Counter {
    /// Defines it, or finds it where another VM has defined it.
    ///
    /// # Errors
    /// What the host says.
    pub fn define(name: &str) -> Result<Self, HostError> {
        abi::define_metric(StatKind::Counter, name).map(Self)
    }

    /// Counts up. Nothing is asked of the host for zero, which it refuses.
    pub fn add(self, count: u64) {
        if count > 0 {
            let _ = abi::increment_metric(self.0, i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// What all VMs of this process have counted; zero when the host does not say.
    pub fn value(self) -> u64 {
        abi::metric(self.0).unwrap_or(0)
    }
}

/// A gauge.
#[derive(Clone, Copy, Debug)]
pub struct Gauge(u32);

impl Gauge {
    /// Defines it, or finds it where another VM has defined it.
    ///
    /// # Errors
    /// What the host says.
    pub fn define(name: &str) -> Result<Self, HostError> {
        abi::define_metric(StatKind::Gauge, name).map(Self)
    }

    /// Sets it; for a gauge that only one VM sets.
    pub fn set(self, value: u64) {
        let _ = abi::record_metric(self.0, value);
    }

    /// Moves it; for a gauge that several VMs share.
    pub fn shift(self, difference: i64) {
        if difference != 0 {
            let _ = abi::increment_metric(self.0, difference);
        }
    }
}
