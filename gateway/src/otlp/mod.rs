//! OTLP metrics: `POST /v1/metrics`, to which OpenTelemetry SDKs export.
//!
//! An export takes this path: body → [`decode`](decode::decode) → [`Export::read`], which checks every data point →
//! [`Export::settle`], which takes the increases of cumulative data points → records → queue → 200.
//! What is left out of an export is part of the answer, as the OTLP specification defines it.

mod attributes;
mod export;
mod identity;
mod json;
mod point;
mod reading;
mod rejections;
mod streams;
mod unit;
mod weight;

pub mod decode;
pub mod encoding;
pub mod rules;

pub use export::{Export, ExportContext, SettledExport};
pub use streams::STREAMS_KEY;

/// Returns the streams after a settled export was not enqueued: those that it has changed are as they were before.
/// Arguments and result are values of [`STREAMS_KEY`]. Also returns the number of streams that another export has
/// changed since, whose increase is lost.
pub fn undo(before: Option<&[u8]>, written: &[u8], current: Option<&[u8]>) -> (u64, Vec<u8>) {
    streams::undo(before, written, current)
}
