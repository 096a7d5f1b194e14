//! An answer in Prometheus' text format 0.0.4 or in OpenMetrics 1.0, read part by part.

use super::{
    line::{FamilyType, Line},
    point::{Part, Point},
};
use crate::source::reading::Reading;

/// As much of a line as a fault shows.
const SHOWN: usize = 80;

/// A text that is being read.
#[derive(Debug)]
pub struct Exposition {
    text: String,
    /// What was read, in bytes.
    at: usize,
    /// The same, in lines.
    line: usize,
    /// The name whose type was told last.
    family: String,
    family_type: FamilyType,
}

impl Exposition {
    /// A text that was not read yet.
    ///
    /// # Errors
    /// It is not UTF-8, or breaks off within a line.
    pub fn new(body: Vec<u8>) -> Result<Self, String> {
        let text = String::from_utf8(body).map_err(|_| "the answer is not UTF-8")?;
        if !text.is_empty() && !text.ends_with('\n') && !text.ends_with("# EOF") {
            return Err("the answer breaks off within a line".to_owned());
        }
        Ok(Self { text, at: 0, line: 0, family: String::new(), family_type: FamilyType::Untyped })
    }

    /// Reads on for about `budget` bytes and takes from it what was read; gives the readings of the metrics of which
    /// `wants` says so to `take`, and tells whether it has come to the end. The lines of other metrics are not looked at
    /// beyond the name, and timestamps not at all.
    ///
    /// # Errors
    /// A line that is none, with its number.
    pub fn read(
        &mut self,
        budget: &mut usize,
        wants: &dyn Fn(&str) -> bool,
        take: &mut dyn FnMut(&Reading<'_>),
    ) -> Result<bool, String> {
        let Self { text, at, line: number, family, family_type } = self;
        let mut rest = text.get(*at..).unwrap_or_default();
        let mut point = Point::default();
        let mut labels = Vec::new();
        // The last name, and whether it is wanted.
        let mut known = ("", false);
        // A point is not torn apart: what belongs to it is read even beyond the budget.
        while !rest.is_empty() && (*budget > 0 || point.is_open()) {
            let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
            let fault = |problem: &str| {
                let line: String = line.chars().take(SHOWN).collect();
                Err(format!("line {}: {problem}: {line}", number.saturating_add(1)))
            };
            match Line::parse(line) {
                Some(Line::Sample(sample)) => {
                    let part = Part::of(sample.name, family, *family_type);
                    if known.0 != sample.name {
                        known = (sample.name, part.is_wanted(sample.name, family, *family_type, wants));
                    }
                    if known.1 {
                        let Some(value) = sample.read(&mut labels) else { return fault("is no sample") };
                        let Some(bound) = part.take_bound(&mut labels) else { return fault("is no bucket") };
                        if !point.has_room(part, &labels) {
                            point.give(family, take);
                            if *budget == 0 {
                                break;
                            }
                            point.begin(part, *family_type, &mut labels);
                        }
                        point.add(part, sample.name, value, bound);
                    } else {
                        point.give(family, take);
                    }
                }
                Some(Line::Type(name, told)) => {
                    point.give(family, take);
                    known = ("", false);
                    family.clear();
                    family.push_str(name);
                    *family_type = told;
                }
                Some(Line::End) if after.trim_ascii().is_empty() => {
                    rest = "";
                    continue;
                }
                Some(Line::End) => return fault("is not the end"),
                Some(Line::Nothing) => {}
                None => return fault("is no line of Prometheus' text format"),
            }
            *number = number.saturating_add(1);
            *budget = budget.saturating_sub(rest.len().saturating_sub(after.len()));
            rest = after;
        }
        point.give(family, take);
        *at = text.len().saturating_sub(rest.len());
        Ok(rest.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of a text, part by part of so many bytes.
    fn read_in_parts(text: &str, budget: usize) -> Result<Vec<String>, String> {
        let mut exposition = Exposition::new(text.as_bytes().to_vec())?;
        let mut readings = Vec::new();
        let mut parts = 0;
        loop {
            let take = &mut |reading: &Reading<'_>| {
                let labels: Vec<_> =
                    reading.labels.iter().map(|label| format!("{}={}", label.name, label.value)).collect();
                let created = reading.created.map(|created| format!(" since {created}")).unwrap_or_default();
                readings.push(format!("{} [{}] {:?}{created}", reading.name, labels.join(" "), reading.value));
            };
            parts += 1;
            if exposition.read(&mut { budget }, &|name| !name.starts_with("unwanted"), take)? {
                assert!(parts >= text.len() / budget.max(1_000), "{parts}");
                return Ok(readings);
            }
        }
    }

    fn read(text: &str) -> Result<Vec<String>, String> {
        let readings = read_in_parts(text, usize::MAX);
        for budget in [1, 30, 100] {
            assert_eq!(read_in_parts(text, budget), readings, "{budget}");
        }
        readings
    }

    #[test]
    fn the_text_format_is_read() {
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
took_seconds_bucket{le="0.1",path="/b"} 0
took_seconds_bucket{le="+Inf",path="/b"} 0
took_seconds_sum{path="/b"} 0
took_seconds_count{path="/b"} 0
# TYPE rpc summary
rpc{quantile="0.5"} 4
rpc{quantile="0.9"} NaN
rpc_sum 17
rpc_count 2
"#;
        let bucket = |upper: &str, cumulative: &str| format!("Bucket {{ upper: {upper}, cumulative: {cumulative} }}");
        let [a, b, c, d] = [("0.1", "2.0"), ("inf", "3.0"), ("0.1", "0.0"), ("inf", "0.0")].map(|(u, c)| bucket(u, c));
        let expected = [
            "rq_total [code=200] Counter(5.0)".to_owned(),
            "rq_total [code=500] Counter(0.0)".to_owned(),
            "temperature [] Gauge(-3.5)".to_owned(),
            "untyped_thing [a=b] Untyped(7.0)".to_owned(),
            format!("took_seconds [path=/] Histogram {{ buckets: [{a}, {b}], count: 3.0, sum: 5.5 }}"),
            format!("took_seconds [path=/b] Histogram {{ buckets: [{c}, {d}], count: 0.0, sum: 0.0 }}"),
            "rpc [] Summary { count: 2.0, sum: 17.0 }".to_owned(),
        ];
        assert_eq!(read(text).unwrap(), expected);
    }

    #[test]
    fn openmetrics_is_read() {
        let text = r#"# TYPE rq counter
# UNIT took_seconds seconds
rq_total{code="200"} 5 # {trace_id="x"} 1 1.5
rq_created{code="200"} 1.5
rq_created{code="500"} 2.5
rq_total{code="500"} 6
# TYPE build info
build_info{version="1"} 1
# TYPE unwanted_thing histogram
unwanted_thing_bucket{nobody looks here
# TYPE took_seconds histogram
took_seconds_bucket{le="1.0"} 2 # {trace_id="y"} 0.5
took_seconds_bucket{le="+Inf"} 3
took_seconds_count 3
took_seconds_sum 5.5
took_seconds_created 4
# EOF
"#;
        let buckets = "[Bucket { upper: 1.0, cumulative: 2.0 }, Bucket { upper: inf, cumulative: 3.0 }]";
        let expected = [
            "rq_total [code=200] Counter(5.0) since 1.5".to_owned(),
            "rq_total [code=500] Counter(6.0) since 2.5".to_owned(),
            "build_info [version=1] Untyped(1.0)".to_owned(),
            format!("took_seconds [] Histogram {{ buckets: {buckets}, count: 3.0, sum: 5.5 }} since 4"),
        ];
        assert_eq!(read(text).unwrap(), expected);
        assert_eq!(read(text.trim_end()).unwrap(), expected);
        assert_eq!(read("# EOF\n").unwrap(), [""; 0]);
        assert_eq!(read("").unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_torn_apart_is_not_known() {
        let text = "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_sum{a=\"b\"} 1\nh_count 2\n# TYPE s summary\ns_sum 2\n";
        let expected = [
            "h [] Histogram { buckets: [Bucket { upper: 1.0, cumulative: 2.0 }], count: NaN, sum: NaN }",
            "h [a=b] Histogram { buckets: [], count: NaN, sum: 1.0 }",
            "h [] Histogram { buckets: [], count: 2.0, sum: NaN }",
            "s [] Summary { count: NaN, sum: 2.0 }",
        ];
        assert_eq!(read(text).unwrap(), expected);
        // The same line twice is two series.
        assert_eq!(read("a 1\na 1\n# TYPE a gauge\na 1\na 1\n").unwrap().len(), 4);
    }

    #[test]
    fn what_is_no_exposition_is_refused() {
        for (text, fault) in [
            ("<html>\n", "line 1: is no line of Prometheus' text format: <html>"),
            ("a 1\nb{x=\"1} 2\nc 1\n", "line 2: is no sample: b{x=\"1} 2"),
            ("# TYPE h histogram\nh_bucket 1\n", "line 2: is no bucket: h_bucket 1"),
            ("# TYPE h histogram\nh_bucket{le=\"x\"} 1\n", "line 2: is no bucket: h_bucket{le=\"x\"} 1"),
            ("a 1\n# EOF\nb 1\n", "line 2: is not the end: # EOF"),
            ("a 1\nb ", "the answer breaks off within a line"),
        ] {
            assert_eq!(read(text).unwrap_err(), fault);
        }
        assert!(read(&format!("{}\n", "ä".repeat(10_000))).unwrap_err().len() < 300);
        assert_eq!(Exposition::new(vec![b'a', 0xff, b'\n']).unwrap_err(), "the answer is not UTF-8");
    }

    #[test]
    fn a_part_is_not_much_longer_than_the_budget() {
        let line = "a{b=\"cccccccccccccccccccccc\"} 1\n";
        let mut exposition = Exposition::new(line.repeat(1_000).into_bytes()).unwrap();
        let mut budget = line.len() * 10;
        let mut readings = 0;
        assert!(!exposition.read(&mut budget, &|_| true, &mut |_| readings += 1).unwrap());
        assert_eq!((readings, budget), (10, 0));
    }
}
