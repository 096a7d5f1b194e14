//! Metrics, independent of the host: dimensions, units, series, distributions, CloudWatch's quotas, and the records in
//! which senders and gateways pass data to the receiver.
//!
//! Nothing in this crate reads a clock or the environment, and nothing panics: a record may come from another version
//! of the sender, and a dimension value from an untrusted request.

pub mod accumulator;
pub mod buckets;
pub mod bytes;
pub mod datetime;
pub mod dimension;
pub mod distribution;
pub mod large_map;
pub mod map;
pub mod origin;
pub mod publish_to;
pub mod quota;
pub mod record;
pub mod series;
pub mod time;
pub mod unit;

mod exact;
mod histogram;
mod memory;
mod request_metrics;
pub mod text;

pub use accumulator::{Accumulator, DataKind, Group, Keep, MergeRule, PeriodKey, Shrunk, TimeBasis};
pub use dimension::{DimensionName, DimensionValue, Dimensions};
pub use distribution::{BucketRange, DenseBuckets, Distribution, ExponentialBuckets};
pub use large_map::LargeMap;
pub use map::{Map, RandomState, Set};
pub use origin::{Entity, EntityText, Origin};
pub use publish_to::PublishTo;
pub use record::{Record, RecordError, RecordGroup};
pub use request_metrics::REQUEST_METRICS;
pub use series::{Metric, MetricName, Namespace, StorageResolution};
pub use time::{Now, Timestamp};
pub use unit::Unit;
