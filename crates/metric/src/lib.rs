//! What the modules know of metrics, without knowing where they run: dimensions, units, series, distributions, quotas,
//! and the records in which a sender hands observations to the receiver.
//!
//! Everything here is a value. Nothing reads a clock, the environment or a log, and nothing panics: a record may come
//! from another version of the sender, and a dimension value from a stranger's request.

pub mod accumulator;
pub mod datetime;
pub mod dimension;
pub mod distribution;
pub mod map;
pub mod origin;
pub mod quota;
pub mod record;
pub mod series;
pub mod time;
pub mod unit;

mod bytes;
mod exact;
mod histogram;
mod request_metrics;
pub mod text;

pub use accumulator::{Accumulator, DataKind, Group, Keep, MergeRule, PeriodKey, Shrunk, TimeBasis};
pub use dimension::{DimensionName, DimensionValue, Dimensions};
pub use distribution::Distribution;
pub use map::{Map, RandomState, Set};
pub use origin::{Entity, EntityText, Origin};
pub use record::{Record, RecordError, RecordGroup};
pub use request_metrics::REQUEST_METRICS;
pub use series::{Metric, MetricName, Namespace, StorageResolution};
pub use time::{Now, Timestamp};
pub use unit::Unit;
