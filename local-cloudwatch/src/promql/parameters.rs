//! The parameters of queries, from the URL and from a form in the body.

use chrono::DateTime;

use super::query_error::QueryError;

/// Decoded parameters in order.
#[derive(Debug)]
pub(super) struct QueryParameters(Vec<(String, String)>);

impl QueryParameters {
    /// Reads the parameters of the URL and of a form.
    pub(super) fn new(url_query: Option<&str>, form: &[u8]) -> Self {
        let url = form_urlencoded::parse(url_query.unwrap_or_default().as_bytes());
        let form = form_urlencoded::parse(form);
        Self(url.into_owned().chain(form.into_owned()).collect())
    }

    /// Returns the first parameter with this name. An empty one counts as missing.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// Iterates over all parameters with this name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Returns a parameter that must be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, QueryError> {
        self.text(name).ok_or_else(|| invalid(name, "is missing"))
    }

    /// Returns a time in milliseconds since the epoch, given as seconds or in RFC 3339.
    pub(super) fn time(&self, name: &str) -> Result<Option<i64>, QueryError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        if let Some(millis) = text.parse().ok().and_then(millis) {
            return Ok(Some(millis));
        }
        let date = DateTime::parse_from_rfc3339(text);
        let message = format!("must be seconds since the epoch or a time in RFC 3339, got {text:?}");
        date.map(|date| Some(date.timestamp_millis())).map_err(|_| invalid(name, &message))
    }

    /// Returns a duration in milliseconds, given as seconds or as PromQL writes it.
    pub(super) fn duration(&self, name: &str) -> Result<Option<i64>, QueryError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        // promql-parser's function panics on numbers that are too large, so it gets none.
        let parsed = match text.parse() {
            Ok(seconds) => millis(seconds),
            Err(_) => promql_parser::util::parse_duration(text).ok().and_then(|d| i64::try_from(d.as_millis()).ok()),
        };
        match parsed {
            Some(millis) if millis > 0 => Ok(Some(millis)),
            _ => Err(invalid(name, &format!("must be a positive duration such as 15 or 1m, got {text:?}"))),
        }
    }
}

/// Returns the error of a parameter.
pub(super) fn invalid(name: &str, problem: &str) -> QueryError {
    QueryError::bad_data(format!("invalid parameter \"{name}\": it {problem}"))
}

/// Converts seconds. Returns `None` if they are not a time that can be represented.
fn millis(seconds: f64) -> Option<i64> {
    let millis = (seconds * 1_000.0).round();
    // The range in which every whole number has its own `f64`.
    (millis.abs() <= 9_007_199_254_740_992.0).then_some(millis as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_from_the_url_and_the_form() {
        let parameters = QueryParameters::new(Some("query=a%2Bb&match[]=x&empty="), b"match[]=y&time=1.5");
        assert_eq!(parameters.text("query"), Some("a+b"));
        assert_eq!(parameters.all("match[]").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(parameters.time("time"), Ok(Some(1_500)));
        assert_eq!((parameters.text("empty"), parameters.time("end")), (None, Ok(None)));
        assert!(parameters.required("step").is_err());
    }

    #[test]
    fn times_and_durations_have_two_forms() {
        let of = |text: &str| QueryParameters::new(None, format!("p={text}").as_bytes());
        assert_eq!(of("2026-11-20T10:30:00Z").time("p"), Ok(Some(1_795_170_600_000)));
        assert_eq!(of("1795170600.123").time("p"), Ok(Some(1_795_170_600_123)));
        assert_eq!(
            [of("15").duration("p"), of("0.5").duration("p"), of("1m30s").duration("p")],
            [Ok(Some(15_000)), Ok(Some(500)), Ok(Some(90_000))]
        );
        for text in ["yesterday", "NaN", "1e300"] {
            assert!(of(text).time("p").is_err(), "{text}");
        }
        for text in ["0", "-1", "1x", "inf"] {
            assert!(of(text).duration("p").is_err(), "{text}");
        }
    }
}
