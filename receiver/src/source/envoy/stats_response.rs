//! An answer of Envoy's admin interface, read one stat at a time.

use serde_json::Value;

/// What begins every answer of `/stats?format=json`.
const BEGIN: &[u8] = b"{\"stats\":[";

/// What stands before the list of histograms with detailed buckets.
const DETAILS: &[u8] = b"\"details\":[";

/// What stands behind the totals of a histogram, and is not needed.
const INTERVALS: &[u8] = b",\"intervals\":";

/// One stat of an answer.
#[derive(Debug, PartialEq)]
pub struct Stat {
    /// Its name, with its tags.
    pub name: String,
    /// What a counter or a gauge says.
    pub value: Option<u64>,
    /// What a histogram has counted since it began. (`intervals` are those of the last flush of Envoy's stats only: who asks
    /// between two flushes sees them twice or never.)
    pub totals: Option<Vec<StatBucket>>,
}

impl Stat {
    fn of(object: &Value) -> Option<Self> {
        let totals = match object.get("totals").and_then(Value::as_array) {
            None => None,
            Some(totals) => {
                let mut buckets = Vec::with_capacity(totals.len());
                for bucket in totals {
                    buckets.push(StatBucket {
                        lower_bound: bucket.get("lower_bound")?.as_f64()?,
                        width: bucket.get("width")?.as_f64()?,
                        count: bucket.get("count")?.as_u64()?,
                    });
                }
                Some(buckets)
            }
        };
        let value = object.get("value").and_then(Value::as_u64);
        Some(Self { name: object.get("name")?.as_str()?.to_owned(), value, totals })
    }
}

/// A bucket of a histogram: values from `lower_bound` on, and below `lower_bound` + `width`. Envoy's have two significant
/// digits, so a bucket is at most a tenth as wide as its values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StatBucket {
    /// Where it begins.
    pub lower_bound: f64,
    /// How wide it is; 0 for the value 0.
    pub width: f64,
    /// How many values it has.
    pub count: u64,
}

impl StatBucket {
    /// A counter that has counted so much.
    pub fn of_counter(count: u64) -> Vec<Self> {
        vec![Self { lower_bound: 1.0, width: 0.0, count }]
    }

    /// The middle of the values that it can have. What Envoy records are whole numbers, so one of a width of 1 or less
    /// has a single value: where it begins.
    pub fn middle(&self) -> f64 {
        if self.width <= 1.0 { self.lower_bound } else { self.lower_bound + (self.width - 1.0) / 2.0 }
    }
}

/// An answer that is read. Envoy has no format of one stat a line with the buckets as they are, so the stats are cut out of
/// one JSON document, without having all of it as a tree.
#[derive(Debug)]
pub struct StatsResponse {
    body: Vec<u8>,
    /// The offset of the first stat.
    begin: usize,
    /// The offset of the next one.
    at: usize,
}

impl StatsResponse {
    /// The beginning of an answer. The error says that it is none.
    pub fn new(body: Vec<u8>) -> Result<Self, &'static str> {
        let list = body.strip_prefix(BEGIN).ok_or("the answer is not that of Envoy's /stats?format=json")?;
        // Histograms are an object with a list of their own.
        let at = if list.starts_with(b"{\"histograms\":") {
            let details = position(list, DETAILS).ok_or("the answer has histograms without detailed buckets")?;
            BEGIN.len().saturating_add(details).saturating_add(DETAILS.len())
        } else {
            BEGIN.len()
        };
        Ok(Self { body, begin: at, at })
    }

    /// Goes back to the first stat.
    pub fn rewind(&mut self) {
        self.at = self.begin;
    }

    /// The number that follows this stat's name, if it is there.
    pub fn find(&self, name: &str) -> Option<u64> {
        let key = format!("{{\"name\":\"{name}\",\"value\":");
        let at = position(&self.body, key.as_bytes())?;
        let digits = self.body.get(at.saturating_add(key.len())..)?;
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        std::str::from_utf8(digits.get(..length)?).ok()?.parse().ok()
    }

    /// The next stat, and how many bytes it took; nothing at the end of the list.
    pub fn next_stat(&mut self) -> Result<Option<(Stat, usize)>, &'static str> {
        let rest = self.body.get(self.at..).unwrap_or_default();
        let begin = usize::from(rest.first() == Some(&b','));
        let object = rest.get(begin..).unwrap_or_default();
        match object.first() {
            Some(b'{') => {
                let length = object_length(object).ok_or("the answer ends within a stat")?;
                let object = object.get(..length).unwrap_or_default();
                let taken = begin.saturating_add(length);
                self.at = self.at.saturating_add(taken);
                let value = match position(object, INTERVALS) {
                    // Most of a histogram's bytes are behind it.
                    Some(end) => serde_json::from_slice(&[object.get(..end).unwrap_or_default(), b"}"].concat()),
                    None => serde_json::from_slice(object),
                };
                let stat = value.ok().and_then(|value| Stat::of(&value)).ok_or("a stat is malformed")?;
                Ok(Some((stat, taken)))
            }
            Some(b']') => Ok(None),
            _ => Err("the answer breaks off"),
        }
    }
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// How long the object is with which the text begins.
fn object_length(text: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => loop {
                match bytes.next()?.1 {
                    b'\\' => _ = bytes.next()?,
                    b'"' => break,
                    _ => {}
                }
            },
            b'{' => depth = depth.saturating_add(1),
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at.saturating_add(1));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<String>, &'static str> {
        let mut answer = StatsResponse::new(text.as_bytes().to_vec())?;
        let mut names = Vec::new();
        while let Some((stat, _)) = answer.next_stat()? {
            names.push(format!("{} {:?} {}", stat.name, stat.value, stat.totals.map_or(0, |totals| totals.len())));
        }
        Ok(names)
    }

    /// As Envoy 1.40 answers.
    const HISTOGRAMS: &str = r#"{"stats":[{"histograms":{"supported_percentiles":[0,25],"details":[{"name":"a.b","totals":[{"lower_bound":0,"width":0,"count":5},{"lower_bound":3e+05,"width":1e+04,"count":1}],"intervals":[],"percentiles":[{"cumulative":0,"interval":null}]},{"name":"c","totals":[],"intervals":[],"percentiles":[]}]}}]}"#;

    #[test]
    fn stats_are_cut_out_of_the_answer() {
        assert_eq!(all(r#"{"stats":[]}"#).unwrap(), Vec::<String>::new());
        let text = r#"{"stats":[{"name":"a\"{}\\","value":1},{"name":"b","value":18446744073709551615}]}"#;
        assert_eq!(all(text).unwrap(), [r#"a"{}\ Some(1) 0"#, "b Some(18446744073709551615) 0"]);
        assert_eq!(all(HISTOGRAMS).unwrap(), ["a.b None 2", "c None 0"]);
        assert_eq!(StatsResponse::new(text.as_bytes().to_vec()).unwrap().find("b"), Some(u64::MAX));
    }

    #[test]
    fn an_answer_that_breaks_off_is_told() {
        for end in 0..HISTOGRAMS.len() - 4 {
            assert!(all(&HISTOGRAMS[..end]).is_err(), "{}", &HISTOGRAMS[..end]);
        }
        for text in ["", "{}", "<html>", r#"{"stats":[{"name":1}]}"#, r#"{"stats":[{"value":1}]}"#, r#"{"stats":[5]}"#]
        {
            assert!(all(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_middle_of_a_bucket_is_that_of_whole_numbers() {
        for (lower_bound, width, middle) in [(0.0, 0.0, 0.0), (6.0, 0.1, 6.0), (21.0, 1.0, 21.0), (480.0, 10.0, 484.5)]
        {
            assert_eq!(StatBucket { lower_bound, width, count: 1 }.middle(), middle);
        }
    }
}
