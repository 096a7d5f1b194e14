//! Parses a response of Envoy's admin interface one stat at a time.

use serde_json::Value;

/// The start of every response of `/stats?format=json`.
const BEGIN: &[u8] = b"{\"stats\":[";

/// The text before the list of histograms with detailed buckets.
const DETAILS: &[u8] = b"\"details\":[";

/// The text after the totals of a histogram. Everything from it on is not needed.
const INTERVALS: &[u8] = b",\"intervals\":";

/// A stat of a response.
#[derive(Debug, PartialEq)]
pub struct Stat {
    /// The name, including tags.
    pub name: String,
    /// The value of a counter or gauge.
    pub value: Option<u64>,
    /// The buckets of a histogram since it was created. (`intervals` only cover the last flush of Envoy's stats, so a
    /// poll between two flushes would see them twice or never.)
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

/// A bucket of a histogram, for values from `lower_bound` up to but excluding `lower_bound + width`. Envoy's buckets
/// have two significant digits, so the width is at most a tenth of the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StatBucket {
    /// The inclusive lower bound.
    pub lower_bound: f64,
    /// The width. It is 0 for the value 0.
    pub width: f64,
    /// The number of values.
    pub count: u64,
}

impl StatBucket {
    /// Returns a counter as a histogram with one bucket.
    pub fn of_counter(count: u64) -> Vec<Self> {
        vec![Self { lower_bound: 1.0, width: 0.0, count }]
    }

    /// Returns the middle of the possible values. Envoy records whole numbers, so a bucket with a width of at most 1
    /// has a single value, its lower bound.
    pub fn middle(&self) -> f64 {
        if self.width <= 1.0 { self.lower_bound } else { self.lower_bound + (self.width - 1.0) / 2.0 }
    }
}

/// A response that is being parsed. Envoy has no format with one stat per line and its own buckets, so the stats are
/// cut out of the JSON document without parsing it as a whole.
#[derive(Debug)]
pub struct StatsResponse {
    body: Vec<u8>,
    /// The offset of the first stat.
    start: usize,
    /// The offset of the next stat.
    next: usize,
}

impl StatsResponse {
    /// Opens a response.
    ///
    /// # Errors
    /// The body is not in Envoy's format.
    pub fn new(body: Vec<u8>) -> Result<Self, &'static str> {
        let list = body.strip_prefix(BEGIN).ok_or("the response is not from Envoy's /stats?format=json")?;
        // Histograms are in a nested list.
        let start = if list.starts_with(b"{\"histograms\":") {
            let details = position(list, DETAILS).ok_or("the response has histograms without detailed buckets")?;
            BEGIN.len().saturating_add(details).saturating_add(DETAILS.len())
        } else {
            BEGIN.len()
        };
        Ok(Self { body, start, next: start })
    }

    /// Goes back to the first stat.
    pub fn rewind(&mut self) {
        self.next = self.start;
    }

    /// Returns the value of the stat with this name, if the response has it.
    pub fn find(&self, name: &str) -> Option<u64> {
        let key = format!("{{\"name\":\"{name}\",\"value\":");
        let start = position(&self.body, key.as_bytes())?;
        let digits = self.body.get(start.saturating_add(key.len())..)?;
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        std::str::from_utf8(digits.get(..length)?).ok()?.parse().ok()
    }

    /// Returns the next stat and the number of bytes that it took, or `None` at the end of the list.
    ///
    /// # Errors
    /// A truncated response or an invalid stat.
    pub fn next_stat(&mut self) -> Result<Option<(Stat, usize)>, &'static str> {
        let rest = self.body.get(self.next..).unwrap_or_default();
        let comma = usize::from(rest.first() == Some(&b','));
        let object = rest.get(comma..).unwrap_or_default();
        match object.first() {
            Some(b'{') => {
                let length = object_length(object).ok_or("the response ends within a stat")?;
                let object = object.get(..length).unwrap_or_default();
                let taken = comma.saturating_add(length);
                self.next = self.next.saturating_add(taken);
                let value = match position(object, INTERVALS) {
                    // Most of a histogram's bytes follow.
                    Some(end) => serde_json::from_slice(&[object.get(..end).unwrap_or_default(), b"}"].concat()),
                    None => serde_json::from_slice(object),
                };
                let stat = value.ok().and_then(|value| Stat::of(&value)).ok_or("a stat is invalid")?;
                Ok(Some((stat, taken)))
            }
            Some(b']') => Ok(None),
            _ => Err("the response ends early"),
        }
    }
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// Returns the length of the object that the text starts with.
fn object_length(text: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    let mut bytes = text.iter().enumerate();
    while let Some((index, byte)) = bytes.next() {
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
                    return Some(index.saturating_add(1));
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

    /// A response of Envoy 1.40.
    const HISTOGRAMS: &str = r#"{"stats":[{"histograms":{"supported_percentiles":[0,25],"details":[{"name":"a.b","totals":[{"lower_bound":0,"width":0,"count":5},{"lower_bound":3e+05,"width":1e+04,"count":1}],"intervals":[],"percentiles":[{"cumulative":0,"interval":null}]},{"name":"c","totals":[],"intervals":[],"percentiles":[]}]}}]}"#;

    #[test]
    fn stats_are_cut_out_of_the_response() {
        assert_eq!(all(r#"{"stats":[]}"#).unwrap(), Vec::<String>::new());
        let text = r#"{"stats":[{"name":"a\"{}\\","value":1},{"name":"b","value":18446744073709551615}]}"#;
        assert_eq!(all(text).unwrap(), [r#"a"{}\ Some(1) 0"#, "b Some(18446744073709551615) 0"]);
        assert_eq!(all(HISTOGRAMS).unwrap(), ["a.b None 2", "c None 0"]);
        assert_eq!(StatsResponse::new(text.as_bytes().to_vec()).unwrap().find("b"), Some(u64::MAX));
    }

    #[test]
    fn truncated_and_invalid_responses_are_refused() {
        for end in 0..HISTOGRAMS.len() - 4 {
            assert!(all(&HISTOGRAMS[..end]).is_err(), "{}", &HISTOGRAMS[..end]);
        }
        let not_envoy = "the response is not from Envoy's /stats?format=json";
        for (text, expected) in [
            ("", not_envoy),
            ("{}", not_envoy),
            ("<html>", not_envoy),
            (r#"{"stats":[{"histograms":{}}]}"#, "the response has histograms without detailed buckets"),
            (r#"{"stats":[{"name":1}]}"#, "a stat is invalid"),
            (r#"{"stats":[{"value":1}]}"#, "a stat is invalid"),
            (r#"{"stats":[{"name":"a"#, "the response ends within a stat"),
            (r#"{"stats":[5]}"#, "the response ends early"),
        ] {
            assert_eq!(all(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn the_middle_of_a_bucket_is_between_whole_numbers() {
        for (lower_bound, width, middle) in [(0.0, 0.0, 0.0), (6.0, 0.1, 6.0), (21.0, 1.0, 21.0), (480.0, 10.0, 484.5)]
        {
            assert_eq!(StatBucket { lower_bound, width, count: 1 }.middle(), middle);
        }
    }
}
