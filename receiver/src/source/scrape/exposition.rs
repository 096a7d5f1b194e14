//! Parses a text in Prometheus' text format or OpenMetrics in steps.

use std::borrow::Cow;

use super::{
    family::{Families, MAX_FAMILIES, Owner, Role},
    line::{Line, SampleError, SampleLine},
    number::number,
};
use crate::source::reading::{CumulativeBucket, Label, Part, Reading, Sink, Skipped, Wanted};

/// The maximum number of characters of a line in a message.
const MAX_SHOWN: usize = 80;

/// The metric that client libraries publish for the start time of their process.
const PROCESS_START: &str = "process_start_time_seconds";

/// The number of bytes that can be searched for types in the time that it takes to parse one byte of samples.
const SCAN_SPEED: usize = 8;

/// The cost of adding a type, as the number of bytes that could have been parsed in the same time.
const TYPE_WORK: usize = 16;

/// The cost of comparing a name with those of unused rules, in the same unit.
const NAME_WORK: usize = 32;

/// The maximum number of names to compare.
const MAX_NAMES: usize = 20_000;

/// A text that is being parsed: first all types, because a type may follow its samples, and then all samples.
///
/// An invalid line affects only itself. Lines of unwanted metrics are parsed only up to their names.
#[derive(Debug)]
pub struct Exposition {
    body: Vec<u8>,
    /// The offset up to which the current stage has parsed, in bytes.
    offset: usize,
    /// The number of lines parsed in the current stage.
    number: u64,
    stage: Stage,
    names: Names,
    /// True if a sample was parsed, so the text is in one of the formats.
    is_exposition: bool,
    /// True if a line other than a comment was read.
    has_lines: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Types,
    Samples,
}

/// The types of names, and the name of the last sample. Samples of a name usually follow each other.
#[derive(Debug, Default)]
struct Names {
    families: Families,
    last: String,
    owner: Option<Owner>,
}

/// The part of a line that was parsed.
enum Read {
    /// Nothing: the line is empty or a comment.
    Nothing,
    /// The name of an unwanted metric. The rest may be invalid.
    Name,
    /// A whole sample.
    Sample,
}

/// The reason why a line is invalid.
struct LineError {
    reason: &'static str,
    /// True if the line belongs to the metric that `Names` has looked up.
    is_of_owner: bool,
    is_series_known: bool,
}

impl Exposition {
    /// Creates a parser for a text.
    ///
    /// # Errors
    /// The text is obviously in another format.
    pub fn new(mut body: Vec<u8>) -> Result<Self, String> {
        if body.starts_with(&[0xfe, 0xff]) || body.starts_with(&[0xff, 0xfe]) {
            return Err("the response is UTF-16; Prometheus text is UTF-8".to_owned());
        }
        if body.starts_with("\u{feff}".as_bytes()) {
            body.drain(.."\u{feff}".len());
        }
        if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<') {
            return Err(not_prometheus(&body));
        }
        Ok(Self {
            body,
            offset: 0,
            number: 0,
            stage: Stage::Types,
            names: Names::default(),
            is_exposition: false,
            has_lines: false,
        })
    }

    /// Returns the text.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// Parses until `budget` is spent, subtracts the cost from it, and passes wanted metrics to `sink`. Returns true at
    /// the end of the text; otherwise, call it again.
    ///
    /// # Errors
    /// The text is in another format, in which case `sink` has received no reading, or it declares too many types.
    pub fn read(&mut self, budget: &mut usize, sink: &mut dyn Sink) -> Result<bool, String> {
        if self.stage == Stage::Types && self.read_types(budget)? {
            (self.stage, self.offset) = (Stage::Samples, 0);
        }
        Ok(self.stage == Stage::Samples && self.read_samples(budget, sink)?)
    }

    /// Goes back to the start, to read the names with [`read_names`](Self::read_names).
    pub fn rewind(&mut self) {
        (self.offset, self.number) = (0, 0);
    }

    /// Passes the names of samples to `take`, each as it is in the text and as rules match it. Stops when `budget` is
    /// spent, and subtracts the cost from it. Returns true at the end of the text or after a maximum number of names;
    /// otherwise, call it again.
    pub fn read_names(&mut self, budget: &mut usize, take: &mut dyn FnMut(&str, &str)) -> bool {
        let Self { body, offset, number, names, .. } = self;
        loop {
            let Some((line, next)) = line_at(body, *offset) else { return true };
            if *number >= MAX_NAMES as u64 {
                return true;
            }
            if *budget == 0 {
                return false;
            }
            let line = std::str::from_utf8(line).ok();
            if let Some(Line::Sample(sample)) = line.and_then(Line::parse)
                && sample.name != names.last
            {
                names.last.clear();
                names.last.push_str(&sample.name);
                let owner = names.families.owner(&sample.name, &mut AllNames);
                take(&sample.name, owner.as_ref().map_or(&sample.name, |owner| &owner.name));
                *number = number.saturating_add(1);
                *budget = budget.saturating_sub(NAME_WORK);
            }
            *budget = budget.saturating_sub(next.saturating_sub(*offset));
            *offset = next;
        }
    }

    fn read_types(&mut self, budget: &mut usize) -> Result<bool, String> {
        let Self { body, offset, names, .. } = self;
        loop {
            let Some((line, next)) = line_at(body, *offset) else { return Ok(true) };
            if *budget == 0 {
                return Ok(false);
            }
            let mut work = next.saturating_sub(*offset).div_ceil(SCAN_SPEED);
            let is_comment = line.iter().find(|byte| !b" \t\r".contains(byte)) == Some(&b'#');
            let line = std::str::from_utf8(line).ok().filter(|_| is_comment);
            if let Some(Line::Type(name, family_type)) = line.and_then(Line::parse) {
                work = work.saturating_add(TYPE_WORK);
                if !names.families.insert(&name, family_type) {
                    return Err(format!("the response declares the types of more than {MAX_FAMILIES} metrics"));
                }
            }
            *offset = next;
            *budget = budget.saturating_sub(work);
        }
    }

    fn read_samples(&mut self, budget: &mut usize, sink: &mut dyn Sink) -> Result<bool, String> {
        let Self { body, offset, number, names, is_exposition, has_lines, .. } = self;
        loop {
            let Some((line, next)) = line_at(body, *offset) else {
                let is_other = *has_lines && !*is_exposition;
                return if is_other { Err(not_prometheus(body)) } else { Ok(true) };
            };
            if *budget == 0 {
                return Ok(false);
            }
            *number = number.saturating_add(1);
            let text = String::from_utf8_lossy(line);
            let is_utf8 = matches!(text, Cow::Borrowed(_));
            match read_line(&text, is_utf8, names, *is_exposition, sink) {
                Ok(Read::Nothing) => {}
                Ok(Read::Name) => *has_lines = true,
                Ok(Read::Sample) => *is_exposition = true,
                Err(LineError { reason, is_of_owner, is_series_known }) => {
                    *has_lines = true;
                    let name = names.owner.as_ref().filter(|_| is_of_owner).map(|owner| owner.name.as_str());
                    sink.skip(&Skipped { number: *number, name, is_series_known, reason, text: &shown(&text) });
                }
            }
            *budget = budget.saturating_sub(next.saturating_sub(*offset)).saturating_sub(sink.take_work());
            *offset = next;
        }
    }
}

/// A sink that wants all names and ignores readings.
struct AllNames;

impl Sink for AllNames {
    fn wants(&mut self, _: &str) -> Wanted {
        Wanted::ByPattern
    }

    fn accept(&mut self, _: &Reading<'_>) {}

    fn skip(&mut self, _: &Skipped<'_>) {}

    fn set_process_start(&mut self, _: f64) {}
}

/// Parses a line and passes it to the sink. Samples of unwanted metrics are parsed beyond their names only until the
/// format is known.
fn read_line(
    text: &str,
    is_utf8: bool,
    names: &mut Names,
    is_known: bool,
    sink: &mut dyn Sink,
) -> Result<Read, LineError> {
    let unnamed = LineError { reason: "it has no valid name", is_of_owner: false, is_series_known: false };
    let sample = match Line::parse(text).ok_or(unnamed)? {
        Line::Nothing | Line::Type(..) => return Ok(Read::Nothing),
        Line::Sample(sample) => sample,
    };
    if sample.name != names.last {
        names.last.clear();
        names.last.push_str(&sample.name);
        names.owner = names.families.owner(&sample.name, sink);
    }
    let mut labels = Vec::new();
    if sample.name == PROCESS_START && is_utf8 {
        match sample.read(&mut labels) {
            Ok(seconds) if labels.is_empty() => sink.set_process_start(seconds),
            _ => {}
        }
    }
    match &names.owner {
        Some(_) if !is_utf8 => Err(LineError { reason: "it is not UTF-8", is_of_owner: true, is_series_known: false }),
        Some(owner) => read_sample(&sample, owner, &mut labels, sink).map(|()| Read::Sample),
        None if !is_known && is_utf8 && sample.read(&mut labels).is_ok() => Ok(Read::Sample),
        None => Ok(Read::Name),
    }
}

/// Passes a sample of a wanted metric to the sink. If only the number is invalid, passes NaN, so that only this series
/// is affected.
fn read_sample<'a>(
    sample: &SampleLine<'a>,
    owner: &Owner,
    labels: &mut Vec<Label<'a>>,
    sink: &mut dyn Sink,
) -> Result<(), LineError> {
    let Owner { name, kind, role } = owner;
    let error = |reason, is_series_known| Err(LineError { reason, is_of_owner: true, is_series_known });
    let (value, mut invalid) = match sample.read(labels) {
        Ok(value) => (value, None),
        Err(SampleError::Number) => (f64::NAN, Some("its number is invalid")),
        Err(SampleError::Labels) => return error("its labels are invalid", false),
    };
    let part = match role {
        Role::Contradictory => return error("TYPE lines declare several types for it", false),
        Role::Value => Part::Value(value),
        Role::Count => Part::Count(value),
        Role::Sum => Part::Sum(value),
        Role::Created => Part::Created(value),
        Role::CumulativeBucket => {
            let upper = match labels.iter().position(|label| label.name == "le") {
                Some(index) => number(&labels.remove(index).value),
                None => None,
            };
            if upper.is_none() {
                invalid = Some("its label le is not a number");
            }
            Part::CumulativeBucket(CumulativeBucket { upper: upper.unwrap_or(f64::NAN), cumulative: value })
        }
    };
    sink.accept(&Reading { name, labels, kind: *kind, part });
    invalid.map_or(Ok(()), |reason| error(reason, true))
}

/// Returns the line that starts at `offset`, without its line feed, and the offset of the next line.
fn line_at(body: &[u8], offset: usize) -> Option<(&[u8], usize)> {
    let rest = body.get(offset..).filter(|rest| !rest.is_empty())?;
    let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    Some((rest.get(..length)?, offset.saturating_add(length).saturating_add(1)))
}

fn not_prometheus(body: &[u8]) -> String {
    let start = body.get(..body.len().min(4 * MAX_SHOWN)).unwrap_or_default();
    let start = String::from_utf8_lossy(start);
    format!("the response is not Prometheus text: it starts with \"{}\"", shown(start.trim()))
}

fn shown(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(MAX_SHOWN).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::reading::SeriesKind;

    /// Records what it receives. Wants all names that do not start with `unwanted`.
    #[derive(Debug, Default, PartialEq)]
    struct Recorded {
        readings: Vec<String>,
        skipped: Vec<String>,
        starts: Vec<f64>,
    }

    impl Sink for Recorded {
        fn wants(&mut self, name: &str) -> Wanted {
            if name.starts_with("unwanted") { Wanted::No } else { Wanted::ByPattern }
        }

        fn accept(&mut self, reading: &Reading<'_>) {
            let labels: Vec<_> = reading.labels.iter().map(|label| format!("{}={}", label.name, label.value)).collect();
            let kind = match reading.kind {
                SeriesKind::Counter => "counter",
                SeriesKind::Gauge => "gauge",
                SeriesKind::Untyped => "untyped",
                SeriesKind::Histogram => "histogram",
                SeriesKind::Summary => "summary",
            };
            let part = match reading.part {
                Part::Value(value) => value.to_string(),
                Part::CumulativeBucket(CumulativeBucket { upper, cumulative }) => format!("<={upper} {cumulative}"),
                Part::Count(count) => format!("count {count}"),
                Part::Sum(sum) => format!("sum {sum}"),
                Part::Created(created) => format!("since {created}"),
            };
            self.readings.push(format!("{kind} {} [{}] {part}", reading.name, labels.join(" ")));
        }

        fn skip(&mut self, skipped: &Skipped<'_>) {
            let Skipped { number, name, reason, text, .. } = skipped;
            self.skipped.push(format!("{number} {} {reason}: {text}", name.unwrap_or("?")));
        }

        fn set_process_start(&mut self, seconds: f64) {
            self.starts.push(seconds);
        }
    }

    /// Parses a text in steps of `budget` bytes.
    fn read_in_parts(text: &[u8], budget: usize) -> Result<Recorded, String> {
        let mut exposition = Exposition::new(text.to_vec())?;
        let mut recorded = Recorded::default();
        for _ in 0..=2 * text.len() {
            if exposition.read(&mut { budget }, &mut recorded)? {
                return Ok(recorded);
            }
        }
        panic!("it does not end");
    }

    fn read(text: impl AsRef<[u8]>) -> Result<Recorded, String> {
        let recorded = read_in_parts(text.as_ref(), usize::MAX);
        for budget in [1, 30, 100] {
            assert_eq!(read_in_parts(text.as_ref(), budget), recorded, "{budget}");
        }
        recorded
    }

    /// Returns the readings of a text whose lines are all valid.
    fn readings(text: &str) -> Vec<String> {
        let recorded = read(text).unwrap();
        assert_eq!(recorded.skipped, [""; 0]);
        recorded.readings
    }

    #[test]
    fn the_text_format_is_parsed() {
        let text = r#"# HELP rq_total Requests.
# TYPE rq_total counter
rq_total{code="200"} 5 1395066363000
rq_total{code="500"} 0

unwanted{ nobody looks here
# TYPE temperature gauge
temperature -3.5
untyped_thing{a="b"} 7
# HELP took_seconds A histogram.
# TYPE took_seconds histogram
took_seconds_bucket{path="/",le="0.1"} 2
took_seconds_bucket{path="/",le="+Inf"} 3
took_seconds_sum{path="/"} 5.5
took_seconds_count{path="/"} 3
# TYPE rpc summary
rpc{quantile="0.5"} 4
rpc{quantile="0.9"} NaN
rpc_sum 17
rpc_count 2
"#;
        let expected = [
            "counter rq_total [code=200] 5",
            "counter rq_total [code=500] 0",
            "gauge temperature [] -3.5",
            "untyped untyped_thing [a=b] 7",
            "histogram took_seconds [path=/] <=0.1 2",
            "histogram took_seconds [path=/] <=inf 3",
            "histogram took_seconds [path=/] sum 5.5",
            "histogram took_seconds [path=/] count 3",
            "summary rpc [] sum 17",
            "summary rpc [] count 2",
        ];
        assert_eq!(readings(text), expected);
    }

    #[test]
    fn openmetrics_is_parsed() {
        let text = r#"# TYPE rq counter
# UNIT took_seconds seconds
rq_created{code="200"} 1.5
rq_total{code="200"} 5 # {trace_id="x"} 1 1.5
# TYPE build info
build_info{version="1"} 1
# TYPE took_seconds histogram
took_seconds_bucket{le="1.0"} 2 # {trace_id="y"} 0.5
took_seconds_created 4
# EOF
"#;
        let expected = [
            "counter rq_total [code=200] since 1.5",
            "counter rq_total [code=200] 5",
            "untyped build_info [version=1] 1",
            "histogram took_seconds [] <=1 2",
            "histogram took_seconds [] since 4",
        ];
        assert_eq!(readings(text), expected);
        assert_eq!(readings(text.trim_end()), expected);
        assert_eq!(readings("# EOF\n"), [""; 0]);
        assert_eq!(readings(""), [""; 0]);
    }

    #[test]
    fn types_apply_to_samples_before_and_after_them() {
        let typed = "# TYPE a counter\n# TYPE b gauge\n# TYPE h histogram\n";
        let samples = "a 1000\nh_sum 2\nb 3\nh_bucket{le=\"1\"} 4\na_total 5\nh_count 6\n";
        let expected = [
            "counter a [] 1000",
            "histogram h [] sum 2",
            "gauge b [] 3",
            "histogram h [] <=1 4",
            "counter a_total [] 5",
            "histogram h [] count 6",
        ];
        for text in [[typed, samples].concat(), [samples, typed].concat(), [typed, samples, typed].concat()] {
            assert_eq!(readings(&text), expected);
        }
        let two = read([typed, samples, "# TYPE a gauge\n"].concat()).unwrap();
        assert_eq!(two.readings, [&expected[1..4], &expected[5..]].concat());
        let reason = "TYPE lines declare several types for it";
        assert_eq!(two.skipped, [format!("4 a {reason}: a 1000"), format!("8 a_total {reason}: a_total 5")]);
    }

    #[test]
    fn concatenated_texts_are_parsed() {
        let text = "# TYPE a counter\na_total 1\n# EOF\n# TYPE b gauge\nb 2\n# EOF\n";
        assert_eq!(readings(text), ["counter a_total [] 1", "gauge b [] 2"]);
        assert_eq!(readings("a 1\n# EOF\nb 2"), ["untyped a [] 1", "untyped b [] 2"]);
    }

    #[test]
    fn quoted_names_of_prometheus_3_are_parsed() {
        let text = "# TYPE \"http.server.duration\" histogram\n{\"http.server.duration_bucket\",le=\"1\"} 4\n\
            {\"http.server.duration_sum\"} 2\n{\"unwanted.thing\",x} ?\n";
        let expected = ["histogram http.server.duration [] <=1 4", "histogram http.server.duration [] sum 2"];
        assert_eq!(readings(text), expected);
    }

    #[test]
    fn an_invalid_line_affects_only_itself() {
        let start = "# TYPE h histogram\n# TYPE g gauge\ng 1\n".as_bytes();
        let end = "g{n=\"2\"} 2\n".as_bytes();
        for (line, skipped, reading) in [
            ("1a 5", "? it has no valid name", None),
            ("\u{e4} 1", "? it has no valid name", None),
            ("g{x=\"1} 2", "g its labels are invalid", None),
            ("g{x=\"1\"} ?", "g its number is invalid", Some("gauge g [x=1] NaN")),
            ("h_bucket 1", "h its label le is not a number", Some("histogram h [] <=NaN 1")),
            ("h_bucket{le=\"x\"} 1", "h its label le is not a number", Some("histogram h [] <=NaN 1")),
            ("<b>", "? it has no valid name", None),
        ] {
            let text = [start, line.as_bytes(), b"\n", end].concat();
            let recorded = read(&text).unwrap();
            let expected: Vec<_> =
                ["gauge g [] 1"].into_iter().chain(reading).chain(["gauge g [n=2] 2"]).map(str::to_owned).collect();
            assert_eq!(recorded.readings, expected, "{line}");
            assert_eq!(recorded.skipped, [format!("4 {skipped}: {line}")]);
        }
        // A byte of Latin-1.
        let recorded = read([start, b"g{x=\"\xe4\"} 1\nunwanted{x=\"\xe4\"} 1\n\xe4 1\n", end].concat()).unwrap();
        assert_eq!(recorded.readings.len(), 2);
        assert_eq!(
            recorded.skipped,
            ["4 g it is not UTF-8: g{x=\"\u{fffd}\"} 1", "6 ? it has no valid name: \u{fffd} 1"]
        );
        let long = read(format!("g 1\n{}\n", "\u{e4}".repeat(10_000))).unwrap();
        assert!(long.skipped[0].len() < 300);
    }

    #[test]
    fn other_formats_are_refused() {
        for text in
            ["<html>\n<p>1</p>\n", " \n<html>", "{\"status\":\"success\"}\n", "404 page not found", "Not Found\n", "OK"]
        {
            let error = read(text).unwrap_err();
            let start = format!(
                "the response is not Prometheus text: it starts with \"{}",
                text.trim().split('\n').next().unwrap()
            );
            assert!(error.starts_with(&start), "{error}");
        }
        assert_eq!(read(b"\xfe\xff\0a").unwrap_err(), "the response is UTF-16; Prometheus text is UTF-8");
        assert_eq!(readings("\u{feff}a 1\n"), ["untyped a [] 1"]);
    }

    #[test]
    fn too_many_types_are_refused() {
        let types = |count: usize| (0..count).map(|n| format!("# TYPE a{n} gauge\n")).collect::<String>();
        assert!(read_in_parts(types(MAX_FAMILIES).as_bytes(), usize::MAX).is_ok());
        let error = read_in_parts(types(MAX_FAMILIES + 1).as_bytes(), usize::MAX).unwrap_err();
        assert_eq!(error, "the response declares the types of more than 65536 metrics");
    }

    #[test]
    fn the_process_start_time_is_always_parsed() {
        let text = "process_start_time_seconds 1.5e9\nprocess_start_time_seconds{of=\"another\"} 2\n";
        assert_eq!(read(text).unwrap().starts, [1.5e9]);
    }

    #[test]
    fn a_step_does_not_exceed_the_budget_much() {
        let line = "a{b=\"cccccccccccccccccccccc\"} 1\n";
        let text = line.repeat(1_000);
        let mut exposition = Exposition::new(text.clone().into_bytes()).unwrap();
        let mut recorded = Recorded::default();
        assert!(!exposition.read(&mut text.len().div_ceil(SCAN_SPEED), &mut recorded).unwrap());
        let mut budget = line.len() * 10;
        assert!(!exposition.read(&mut budget, &mut recorded).unwrap());
        assert!((5..=10).contains(&recorded.readings.len()) && budget == 0, "{}", recorded.readings.len());
    }

    #[test]
    fn names_are_read_as_written_and_as_matched() {
        let mut exposition = Exposition::new(b"# TYPE h histogram\nh_sum 1\nh_sum{a=\"b\"} 1\nx 1\n".to_vec()).unwrap();
        assert_eq!(exposition.read(&mut 10_000, &mut Recorded::default()), Ok(true));
        exposition.rewind();
        let mut names = Vec::new();
        while !exposition.read_names(&mut 1, &mut |recorded, name| names.push(format!("{recorded} {name}"))) {}
        assert_eq!(names, ["h_sum h", "x x"]);
    }
}
