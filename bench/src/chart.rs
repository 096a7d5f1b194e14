//! A bar chart of the CPU time that each variant adds, as SVG with a light and a dark colour scheme.

use std::fmt::Write as _;

use crate::row::Row;

const WIDTH: f64 = 760.0;
const LABELS: f64 = 200.0;
const NUMBERS: f64 = 70.0;
const BAR: f64 = 18.0;
const STEP: f64 = 26.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 34.0;

const STYLE: &str = "
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 15px; font-weight: 600; }
  .note { fill: #59636e; font-size: 12px; }
  .bar { fill: #8c959f; }
  .own { fill: #0969da; }
  .floor { fill: #54aeff; }
  .grid { stroke: #d1d9e0; }
  .spread { stroke: #1f2328; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .note { fill: #9198a1; }
    .bar { fill: #656c76; }
    .own { fill: #4493f8; }
    .floor { fill: #1f4f8f; }
    .grid { stroke: #3d444d; }
    .spread { stroke: #f0f6fc; }
  }
";

/// Returns a chart of the variants with an empty body.
pub(crate) fn chart(rows: &[Row]) -> String {
    let rows: Vec<&Row> =
        rows.iter().filter(|row| !row.name.ends_with(" B") && !row.name.ends_with(" MB")).skip(1).collect();
    let max = rows.iter().map(|row| row.added + row.spread).fold(1.0, f64::max);
    let scale = (WIDTH - LABELS - NUMBERS) / max;
    let height = TOP + STEP * rows.len() as f64 + BOTTOM;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
         <title>CPU that each variant adds to a request</title>\n<style>{STYLE}</style>\n\
         <text class=\"title\" x=\"8\" y=\"22\">CPU µs that each variant adds to a request</text>\n\
         <text class=\"note\" x=\"8\" y=\"41\">One worker, direct responses without a body; median of the rounds; \
         the line is the middle half of them</text>\n"
    );
    let bottom = TOP + STEP * rows.len() as f64;
    for microseconds in (0..).step_by(5).map(f64::from).take_while(|microseconds| *microseconds <= max) {
        let x = LABELS + microseconds * scale;
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>\
             <text class=\"note\" x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{microseconds}</text>",
            bottom + 18.0
        );
    }
    for (row, top) in rows.iter().zip((0..).map(|index| TOP + STEP * f64::from(index))) {
        let class = match row.name.split(' ').next() {
            Some("sender" | "native") => "own",
            Some("floor") => "floor",
            _ => "bar",
        };
        let (end, half, middle) = (LABELS + row.added.max(0.0) * scale, row.spread * scale / 2.0, top + STEP / 2.0);
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect class=\"{class}\" x=\"{LABELS}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"2\"/>\
             <line class=\"spread\" x1=\"{:.1}\" y1=\"{middle}\" x2=\"{:.1}\" y2=\"{middle}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{:.1}</text>",
            LABELS - 10.0,
            middle + 4.5,
            row.name,
            middle - BAR / 2.0,
            end - LABELS,
            end - half,
            end + half,
            end + half + 8.0,
            middle + 4.5,
            row.added
        );
    }
    svg.push_str("</svg>\n");
    svg
}
