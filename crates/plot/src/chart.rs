//! A chart of panels, and its drawing.

use std::fmt::Display;

use plotters::{
    chart::{ChartBuilder, SeriesLabelPosition},
    drawing::{DrawingArea, IntoDrawingArea},
    element::{Circle, PathElement},
    prelude::SVGBackend,
    series::LineSeries,
    style::{Color, RGBColor, WHITE},
};

use crate::Panel;

/// The width and the height of a panel in pixels.
const PANEL: (u32, u32) = (420, 260);

/// The height of the title in pixels.
const TITLE: u32 = 34;

/// The room for the names of lines, as a part of the range of values.
const ROOM_FOR_NAMES: f64 = 0.4;

/// The colours of the lines, which people with colour blindness can distinguish too.
const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115), RGBColor(204, 121, 167)];

/// The font of all texts.
const FONT: &str = "sans-serif";

/// Panels in rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    title: String,
    columns: usize,
    panels: Vec<Panel>,
}

impl Chart {
    /// Creates a chart without panels, which will be in rows of `columns`.
    pub fn new(title: &str, columns: usize) -> Self {
        Self { title: title.to_owned(), columns: columns.max(1), panels: Vec::new() }
    }

    /// Adds a panel.
    #[must_use]
    pub fn panel(mut self, panel: Panel) -> Self {
        self.panels.push(panel);
        self
    }

    /// Draws the chart as SVG.
    ///
    /// # Errors
    /// Returns an error if a panel cannot be drawn, for example because there is too little space.
    pub fn to_svg(&self) -> Result<String, String> {
        let rows = self.panels.len().div_ceil(self.columns);
        let width = PANEL.0.saturating_mul(count(self.columns));
        let height = PANEL.1.saturating_mul(count(rows)).saturating_add(TITLE);
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
            root.fill(&WHITE).map_err(describe)?;
            let below = root.titled(&self.title, (FONT, 18)).map_err(describe)?;
            for (area, panel) in below.split_evenly((rows.max(1), self.columns)).iter().zip(&self.panels) {
                draw(area, panel)?;
            }
            root.present().map_err(describe)?;
        }
        Ok(svg)
    }
}

/// Draws a panel.
fn draw(area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>, panel: &Panel) -> Result<(), String> {
    let points = || panel.lines.iter().flat_map(|line| &line.points);
    let (left, right) = panel.x.range(points().map(|point| point.0));
    let (bottom, highest) = panel.y.range(points().map(|point| point.1));
    // The names of the lines are above all points.
    let top = if panel.lines.len() > 1 { highest + (highest - bottom) * ROOM_FOR_NAMES } else { highest };
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, (FONT, 14))
        .margin(8)
        .x_label_area_size(38)
        .y_label_area_size(58)
        .build_cartesian_2d(left..right, bottom..top)
        .map_err(describe)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_labels(6)
        .y_labels(6)
        .x_desc(&panel.x.label)
        .y_desc(&panel.y.label)
        .x_label_formatter(&|position| panel.x.format(*position))
        .y_label_formatter(&|position| panel.y.format(*position))
        .label_style((FONT, 11))
        .axis_desc_style((FONT, 12))
        .draw()
        .map_err(describe)?;
    for (line, colour) in panel.lines.iter().zip(COLOURS.iter().cycle()) {
        let positions: Vec<_> = line.points.iter().map(|(x, y)| (panel.x.position(*x), panel.y.position(*y))).collect();
        let series = chart.draw_series(LineSeries::new(positions.iter().copied(), colour.stroke_width(2)));
        let sample =
            move |(x, y): (i32, i32)| PathElement::new([(x, y), (x.saturating_add(14), y)], colour.stroke_width(2));
        series.map_err(describe)?.label(&line.name).legend(sample);
        if panel.has_points {
            let marks = positions.iter().map(|position| Circle::new(*position, 3, colour.filled()));
            chart.draw_series(marks).map_err(describe)?;
        }
    }
    if panel.lines.len() > 1 {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .label_font((FONT, 11))
            .draw()
            .map_err(describe)?;
    }
    Ok(())
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX).max(1)
}

fn describe(error: impl Display) -> String {
    format!("cannot draw the chart: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Axis;

    fn panel(points: &[(f64, f64)]) -> Panel {
        Panel::new("calls", Axis::linear("minute"), Axis::logarithmic("calls a second"))
            .line("sent", points.iter().copied())
            .line("quota", [(0.0, 500.0), (60.0, 500.0)])
            .with_points()
    }

    #[test]
    fn a_chart_has_its_title_its_labels_and_all_lines() {
        let svg = Chart::new("A fleet", 1).panel(panel(&[(0.0, 10.0), (60.0, 1_000.0)])).to_svg().unwrap();
        for text in ["A fleet", "calls", "minute", "calls a second", "sent", "quota"] {
            assert!(svg.contains(&format!("\n{text}\n")), "{text}: {svg}");
        }
        assert_eq!(svg.matches("<circle").count(), 4, "{svg}");
    }

    #[test]
    fn panels_are_in_rows() {
        let panels = (0..3).fold(Chart::new("", 2), |chart, _| chart.panel(panel(&[])));
        let svg = panels.to_svg().unwrap();
        assert!(svg.starts_with(r#"<svg width="840" height="554""#), "{}", &svg[..80]);
    }
}
