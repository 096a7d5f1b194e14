//! A panel of a chart.

use crate::Axis;

/// A diagram with two axes and a few lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
    pub(crate) has_points: bool,
}

/// A line through points.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Panel {
    /// Creates a panel without lines.
    pub fn new(title: &str, x: Axis, y: Axis) -> Self {
        Self { title: title.to_owned(), x, y, lines: Vec::new(), has_points: false }
    }

    /// Adds a line.
    #[must_use]
    pub fn line(mut self, name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.lines.push(Line { name: name.to_owned(), points: points.into_iter().collect() });
        self
    }

    /// Marks each point of the lines, for few measurements.
    #[must_use]
    pub fn with_points(mut self) -> Self {
        self.has_points = true;
        self
    }
}
