//! Prints calls to standard output: one line for each PutMetricData call and one for each of its series.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use crate::call::ApiCall;
use crate::clock;
use crate::fault::WriteOperation;
use crate::metric::DimensionMap;
use crate::operation::put_metric_data::PutMetricDataRequest;
use crate::statistics::StatisticSet;

/// Maximum number of series lines for one call.
const SHOWN_SERIES: usize = 5;

/// Maximum number of characters of a text from a client.
const SHOWN_CHARS: usize = 240;

/// Prints calls, or suppresses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Terminal {
    Silent,
    Shown,
}

impl Terminal {
    /// Returns the lines that describe the data of a call.
    pub(crate) fn describe(self, request: &PutMetricDataRequest) -> String {
        match self {
            Self::Silent => String::new(),
            Self::Shown => series_lines(request),
        }
    }

    /// Prints a call, followed by `details`. Ignores write errors, for example when the terminal was closed.
    pub(crate) fn print(self, call: &ApiCall, details: &str) {
        let writes = [WriteOperation::PutMetricData, WriteOperation::ExportMetrics];
        let is_printed = writes.iter().any(|write| call.operation == write.name()) || call.code.is_some();
        if self == Self::Shown && is_printed {
            let _ = write!(std::io::stdout().lock(), "{}{details}", call_line(call));
        }
    }
}

fn call_line(call: &ApiCall) -> String {
    let time = clock::date(call.time_millis).format("%H:%M:%S");
    let operation = if call.operation.is_empty() { "?" } else { &call.operation };
    let status = call.status.map_or("no response".to_owned(), |status| status.to_string());
    let mut line = format!("{time} {operation} {} {status}", call.protocol.name());
    if call.data > 0 {
        let namespace = printable(&call.namespace);
        let separator = if namespace.is_empty() { "" } else { " " };
        let _ = write!(line, "{separator}{namespace} · {} data · {} B", call.data, call.body_bytes);
    }
    if call.raw_bytes > call.body_bytes {
        let _ = write!(line, " ({} B raw)", call.raw_bytes);
    }
    if let Some(code) = &call.code {
        let message = call.message.as_deref().unwrap_or_default();
        let _ = write!(line, " {}: {}", printable(code), printable(message));
    } else if call.rejected_data > 0 {
        let message = call.message.as_deref().unwrap_or_default();
        let _ = write!(line, " {} rejected: {}", call.rejected_data, printable(message));
    }
    line.push('\n');
    line
}

fn series_lines(request: &PutMetricDataRequest) -> String {
    let mut series: BTreeMap<_, StatisticSet> = BTreeMap::new();
    for datum in &request.data {
        let key = (&datum.metric_name, &datum.dimensions, datum.unit);
        series.entry(key).or_insert(StatisticSet::EMPTY).merge(&datum.measurement.statistics);
    }
    let mut lines = String::new();
    for ((name, dimensions, unit), statistics) in series.iter().take(SHOWN_SERIES) {
        let StatisticSet { count, sum, min, max } = statistics;
        let (name, unit) = (printable(&format!("{name}{}", braces(dimensions))), unit.as_str());
        let _ = writeln!(lines, "         {name} {unit} n={count} sum={sum} min={min} max={max}");
    }
    if series.len() > SHOWN_SERIES {
        let _ = writeln!(lines, "         … and {} more", series.len() - SHOWN_SERIES);
    }
    lines
}

fn braces(dimensions: &DimensionMap) -> String {
    let pairs: Vec<_> = dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(", ")) }
}

/// Returns `text` as one line of bounded length. Replaces control characters, so that a client cannot control the
/// terminal.
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
    use crate::datum::{Measurement, MetricDatum, StorageResolution};
    use crate::unit::StandardUnit;

    fn put(series: usize) -> PutMetricDataRequest {
        let datum = |n: usize| MetricDatum {
            metric_name: format!("m{n}"),
            dimensions: [("d".to_owned(), "v".to_owned())].into(),
            unit: StandardUnit::NONE,
            timestamp: 0,
            resolution: StorageResolution::Minute,
            measurement: Measurement { statistics: StatisticSet::repeated(2.0, 3.0), values: None },
        };
        PutMetricDataRequest { namespace: "n".into(), data: (0..series).map(datum).collect(), entity_failure: None }
    }

    #[test]
    fn at_most_five_series_are_printed() {
        let lines = series_lines(&put(5));
        assert!(lines.starts_with("         m0{d=v} None n=3 sum=6 min=2 max=2\n"), "{lines}");
        assert_eq!((lines.lines().count(), lines.contains("more")), (5, false));
        assert!(series_lines(&put(6)).ends_with("… and 1 more\n"));
        assert_eq!(Terminal::Silent.describe(&put(1)), "");
    }

    #[test]
    fn a_long_text_is_shortened() {
        let of = |n: usize| printable(&"x".repeat(n)).chars().count();
        assert_eq!([239, 240, 241, 1_000].map(of), [239, 240, 241, 241]);
    }

    #[test]
    fn rejected_data_points_are_printed() {
        let message = Some("a point has no value".to_owned());
        let call = ApiCall { namespace: String::new(), rejected_data: 1, message, ..call(Some(200), true) };
        assert_eq!(
            call_line(&call),
            "00:00:00 PutMetricData json 200 · 3 data · 10 B 1 rejected: a point has no value\n"
        );
    }

    #[test]
    fn a_call_is_printed_on_one_line_without_control_characters() {
        let mut call = call(Some(400), false);
        call.code = Some("InvalidParameterValueException".into());
        call.message = Some("a\nb\u{1b}[2J".into());
        assert_eq!(
            call_line(&call),
            "00:00:00 PutMetricData json 400 n · 3 data · 10 B InvalidParameterValueException: a | b?[2J\n"
        );
    }
}
