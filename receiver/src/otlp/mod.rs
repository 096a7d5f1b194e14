//! Publishes data to an OTLP endpoint: CloudWatch's, an OpenTelemetry Collector, or any other.
//!
//! The way of the data: record → pending → due, when their period has ended → a request, encoded and compressed in
//! steps → Envoy's callout → [`ExportAnswer`] → what it means. [`Exporter`] has its own data, schedule, back-off and
//! bounds, so that trouble of one service does not affect the other. It shares the clock, the credentials and the log
//! with the publisher of CloudWatch.

mod answer;
mod chunk;
mod config;
mod data_point;
mod exporter;
mod flush;
mod handle_answer;
mod held;
mod naming;
pub mod notice;
mod queue;
mod request;
mod request_group;
mod resource;
mod totals;
mod transmit;
mod window;

pub use answer::{ExportAnswer, PartialSuccess};
pub use config::{Authentication, OtlpConfig, RawOtlpEndpoint};
pub use exporter::{ExportContext, Exporter, ExporterSettings};
pub use naming::{CONVENTION_ATTRIBUTES, CONVENTION_METRICS, MetricMapping, NAMESPACE_ATTRIBUTE, Naming, PointForm};
pub use transmit::ExportId;
