//! A bar chart of the cost that each variant adds, as SVG with a light and a dark colour scheme.

use std::fmt::Write as _;

use crate::{
    row::{Cost, Row},
    traffic::BROWSER,
};

const WIDTH: f64 = 760.0;
const LABELS: f64 = 240.0;
const NUMBERS: f64 = 70.0;
const BAR: f64 = 18.0;
const STEP: f64 = 26.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 34.0;
const THOUSAND: f64 = 1_000.0;

const STYLE: &str = "
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 15px; font-weight: 600; }
  .note { fill: #59636e; font-size: 12px; }
  .bar { fill: #8c959f; }
  .own { fill: #0969da; }
  .floor { fill: #54aeff; }
  .grid { stroke: #d1d9e0; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .note { fill: #9198a1; }
    .bar { fill: #656c76; }
    .own { fill: #4493f8; }
    .floor { fill: #1f4f8f; }
    .grid { stroke: #3d444d; }
  }
";

/// Returns a chart of the thousands of instructions that each variant adds to a request with 20 headers.
pub(crate) fn chart(rows: &[Row]) -> String {
    let is_compared = |row: &&Row| !row.name.ends_with(" B") && !row.name.ends_with(" MB");
    let bars: Vec<(&str, &Cost)> =
        rows.iter().filter(is_compared).skip(1).filter_map(|row| Some((row.name, row.cost(&BROWSER)?))).collect();
    let max = bars.iter().map(|(_, cost)| cost.added / THOUSAND).fold(1.0, f64::max);
    let scale = (WIDTH - LABELS - NUMBERS) / max;
    let height = TOP + STEP * bars.len() as f64 + BOTTOM;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
         <title>Instructions that each variant adds to a request</title>\n<style>{STYLE}</style>\n\
         <text class=\"title\" x=\"8\" y=\"22\">Thousands of instructions that each variant adds to a request</text>\n\
         <text class=\"note\" x=\"8\" y=\"41\">A request with 20 headers over HTTP/1.1, which Envoy answers itself; \
         counted on the worker thread</text>\n"
    );
    let bottom = TOP + STEP * bars.len() as f64;
    for thousands in (0..).step_by(20).map(f64::from).take_while(|thousands| *thousands <= max) {
        let x = LABELS + thousands * scale;
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>\
             <text class=\"note\" x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{thousands}</text>",
            bottom + 18.0
        );
    }
    for ((name, cost), top) in bars.iter().zip((0..).map(|index| TOP + STEP * f64::from(index))) {
        let class = match name.split(' ').next() {
            Some("sender") => "own",
            Some("floor") => "floor",
            _ => "bar",
        };
        let added = cost.added / THOUSAND;
        let (width, middle) = (added.max(0.0) * scale, top + STEP / 2.0);
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>\
             <rect class=\"{class}\" x=\"{LABELS}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{added:.1}</text>",
            LABELS - 10.0,
            middle + 4.5,
            middle - BAR / 2.0,
            LABELS + width + 8.0,
            middle + 4.5,
        );
    }
    svg.push_str("</svg>\n");
    svg
}
