//! Widgets of a CloudWatch dashboard.

use serde_json::{Value, json};

use crate::{
    publication::{MetricNames, PublishedSet},
    search,
};

/// The width of a dashboard in grid units.
const COLUMNS: u64 = 24;

/// The height of a graph in grid units.
const GRAPH_HEIGHT: u64 = 6;

/// The height of a heading in grid units.
const HEADING_HEIGHT: u64 = 1;

/// Widgets in rows.
#[derive(Debug, Default)]
pub struct Grid {
    widgets: Vec<Value>,
    x: u64,
    y: u64,
}

/// A graph with its lines.
#[derive(Debug)]
pub struct Graph {
    title: String,
    lines: Vec<Value>,
    unit: &'static str,
    is_stacked: bool,
    next_id: usize,
}

impl Grid {
    /// Starts a section with a heading.
    pub fn heading(&mut self, text: &str) {
        self.end_row();
        self.widgets.push(json!({
            "type": "text", "x": 0, "y": self.y, "width": COLUMNS, "height": HEADING_HEIGHT,
            "properties": { "markdown": format!("## {}", markdown(text)) },
        }));
        self.y = self.y.saturating_add(HEADING_HEIGHT);
    }

    /// Adds a row of graphs of equal width. Graphs without a line are left out. A row has at most four graphs.
    pub fn row(&mut self, graphs: Vec<Graph>, region: &str, period: u64) {
        let graphs: Vec<_> = graphs.into_iter().filter(|graph| !graph.lines.is_empty()).collect();
        for row in graphs.chunks(4) {
            self.end_row();
            let width = COLUMNS.checked_div(row.len() as u64).unwrap_or(COLUMNS);
            for graph in row {
                let mut properties = json!({
                    "title": graph.title, "view": "timeSeries", "stacked": graph.is_stacked, "region": region,
                    "period": period, "metrics": graph.lines,
                });
                if let Some(properties) = properties.as_object_mut() {
                    let axis = json!({ "left": { "min": 0, "label": graph.unit, "showUnits": false } });
                    properties.insert("yAxis".to_owned(), axis);
                }
                self.widgets.push(json!({
                    "type": "metric", "x": self.x, "y": self.y, "width": width, "height": GRAPH_HEIGHT,
                    "properties": properties,
                }));
                self.x = self.x.saturating_add(width);
            }
        }
    }

    /// Returns the body of a dashboard.
    pub fn into_body(self) -> Value {
        json!({ "widgets": self.widgets })
    }

    fn end_row(&mut self) {
        if self.x > 0 {
            (self.x, self.y) = (0, self.y.saturating_add(GRAPH_HEIGHT));
        }
    }
}

impl Graph {
    /// Creates a graph whose left axis has a label.
    pub fn new(title: impl Into<String>, unit: &'static str) -> Self {
        Self { title: title.into(), lines: Vec::new(), unit, is_stacked: false, next_id: 1 }
    }

    /// Stacks the lines.
    pub fn stacked(mut self) -> Self {
        self.is_stacked = true;
        self
    }

    /// Adds the one series of a set. The caller checks [`PublishedSet::is_one_series`].
    pub fn series(&mut self, set: &PublishedSet, statistic: &str, label: &str) {
        let line = json!({ "stat": statistic, "label": label });
        self.add_series(set, line);
    }

    /// Adds an average of zeros and ones as a percentage.
    pub fn rate(&mut self, set: &PublishedSet, period: u64, label: &str) {
        let id = self.id("m");
        if set.is_one_series() {
            self.add_series(set, json!({ "stat": "Average", "id": id, "visible": false }));
            self.expression(&format!("100 * {id}"), label);
        } else {
            // An average of averages would weigh series with few requests like those with many.
            let sum = search::expression(set, "Sum", period);
            let count = search::expression(set, "SampleCount", period);
            self.expression(&format!("100 * SUM({sum}) / SUM({count})"), label);
        }
    }

    /// Adds the sum over all series of a set, whether there is one or more.
    pub fn total(&mut self, set: &PublishedSet, period: u64, label: &str) {
        if set.is_one_series() {
            self.series(set, "Sum", label);
        } else {
            self.expression(&format!("SUM({})", search::expression(set, "Sum", period)), label);
        }
    }

    /// Adds the series of a set: the only one, or the ten with the highest values by `order`.
    pub fn top(&mut self, set: &PublishedSet, statistic: &str, period: u64, order: &str, label: &str) {
        if set.is_one_series() {
            self.series(set, statistic, label);
        } else if matches!(set.name, MetricNames::Matching(_)) {
            self.expression(&search::expression(set, statistic, period), "");
        } else {
            self.expression(&search::top(set, statistic, period, order), "");
        }
    }

    fn add_series(&mut self, set: &PublishedSet, options: Value) {
        let mut line = vec![json!(set.namespace), json!(set.name.as_str())];
        for dimension in &set.dimensions {
            line.extend([json!(dimension.name), json!(dimension.value().unwrap_or_default())]);
        }
        line.push(options);
        self.lines.push(Value::Array(line));
    }

    /// Adds an expression. CloudWatch labels the series of a search itself if `label` is empty.
    fn expression(&mut self, expression: &str, label: &str) {
        let id = self.id("e");
        let mut line = json!({ "expression": expression, "id": id });
        if let Some(line) = line.as_object_mut().filter(|_| !label.is_empty()) {
            line.insert("label".to_owned(), json!(label));
        }
        self.lines.push(json!([line]));
    }

    fn id(&mut self, prefix: &str) -> String {
        let id = format!("{prefix}{}", self.next_id);
        self.next_id = self.next_id.saturating_add(1);
        id
    }
}

/// Escapes the characters that Markdown gives a meaning.
fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if "\\`*_{}[]()#+!|<>".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
