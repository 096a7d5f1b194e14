//! Draws measurements as SVG for the documents: panels below or next to each other, each with a few lines.

mod axis;
mod chart;
mod panel;

pub use axis::Axis;
pub use chart::Chart;
pub use panel::{Line, Panel};
