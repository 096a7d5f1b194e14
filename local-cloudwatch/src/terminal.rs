//! What the program says on standard output: a line per PutMetricData call and per series in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use crate::call::Call;
use crate::clock;
use crate::metric::Dimensions;
use crate::operation::put_metric_data::PutMetricData;
use crate::statistics::Statistics;

/// Series of one call that get a line of their own.
const SHOWN_SERIES: usize = 5;

/// Characters of a text that clients chose; the rest is cut.
const SHOWN_CHARS: usize = 240;

/// Where calls are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Terminal {
    Silent,
    Shown,
}

impl Terminal {
    /// Lines for the data of a call that are about to be stored.
    pub(crate) fn describe(self, put: &PutMetricData) -> String {
        match self {
            Self::Silent => String::new(),
            Self::Shown => series_lines(put),
        }
    }

    /// Prints a call, followed by `details`. A terminal that is gone is no reason to fail.
    pub(crate) fn print(self, call: &Call, details: &str) {
        let is_told = call.operation == "PutMetricData" || call.code.is_some();
        if self == Self::Shown && is_told {
            let _ = write!(std::io::stdout().lock(), "{}{details}", call_line(call));
        }
    }
}

fn call_line(call: &Call) -> String {
    let time = clock::date(call.time_millis).format("%H:%M:%S");
    let operation = if call.operation.is_empty() { "?" } else { &call.operation };
    let status = call.status.map_or("no answer".to_owned(), |status| status.to_string());
    let mut line = format!("{time} {operation} {} {status}", call.protocol.name());
    if call.data > 0 {
        let _ = write!(line, " {} · {} data · {} B", printable(&call.namespace), call.data, call.body_bytes);
    }
    if call.raw_bytes > call.body_bytes {
        let _ = write!(line, " ({} B raw)", call.raw_bytes);
    }
    if let Some(code) = &call.code {
        let message = call.message.as_deref().unwrap_or_default();
        let _ = write!(line, " {}: {}", printable(code), printable(message));
    }
    line.push('\n');
    line
}

fn series_lines(put: &PutMetricData) -> String {
    let mut series: BTreeMap<_, Statistics> = BTreeMap::new();
    for datum in &put.data {
        let key = (&datum.metric_name, &datum.dimensions, datum.unit);
        series.entry(key).or_insert(Statistics::EMPTY).merge(&datum.measurement.statistics);
    }
    let mut lines = String::new();
    for ((name, dimensions, unit), statistics) in series.iter().take(SHOWN_SERIES) {
        let Statistics { count, sum, min, max } = statistics;
        let (name, unit) = (printable(&format!("{name}{}", braces(dimensions))), unit.as_str());
        let _ = writeln!(lines, "         {name} {unit} n={count} sum={sum} min={min} max={max}");
    }
    if series.len() > SHOWN_SERIES {
        let _ = writeln!(lines, "         … and {} more", series.len() - SHOWN_SERIES);
    }
    lines
}

fn braces(dimensions: &Dimensions) -> String {
    let pairs: Vec<_> = dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(", ")) }
}

/// One line of bounded length without control characters: what clients send must not steer the terminal.
fn printable(text: &str) -> String {
    let line = text.replace('\n', " | ");
    let mut chars = line.chars().map(|c| if c.is_control() { '?' } else { c });
    let mut shown: String = chars.by_ref().take(SHOWN_CHARS).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::tests::call;
    use crate::datum::{Datum, Measurement, Resolution};
    use crate::metric::Unit;

    fn put(series: usize) -> PutMetricData {
        let datum = |n: usize| Datum {
            metric_name: format!("m{n}"),
            dimensions: [("d".to_owned(), "v".to_owned())].into(),
            unit: Unit::NONE,
            timestamp: 0,
            resolution: Resolution::Minute,
            measurement: Measurement { statistics: Statistics::of(2.0, 3.0), values: None },
        };
        PutMetricData { namespace: "n".into(), data: (0..series).map(datum).collect(), entity_failure: None }
    }

    #[test]
    fn few_series_are_told_and_the_rest_counted() {
        let lines = series_lines(&put(5));
        assert!(lines.starts_with("         m0{d=v} None n=3 sum=6 min=2 max=2\n"), "{lines}");
        assert_eq!((lines.lines().count(), lines.contains("more")), (5, false));
        assert!(series_lines(&put(6)).ends_with("… and 1 more\n"));
        assert_eq!(Terminal::Silent.describe(&put(1)), "");
    }

    #[test]
    fn a_long_text_is_cut() {
        let of = |n: usize| printable(&"x".repeat(n)).chars().count();
        assert_eq!([239, 240, 241, 1_000].map(of), [239, 240, 241, 241]);
    }

    #[test]
    fn a_call_is_one_line_without_control_characters() {
        let mut call = call(Some(400), false);
        call.code = Some("InvalidParameterValueException".into());
        call.message = Some("a\nb\u{1b}[2J".into());
        assert_eq!(
            call_line(&call),
            "00:00:00 PutMetricData json 400 n · 3 data · 10 B InvalidParameterValueException: a | b?[2J\n"
        );
    }
}
