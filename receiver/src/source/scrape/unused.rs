//! Rules for which an answer has no metric.

use crate::source::similar_names::distance;

/// The most rules that are looked at. A remark names no more.
const LOOKED_AT: usize = 5;

/// Rules that matched nothing in an answer, with the name in it that was probably meant.
#[derive(Debug)]
pub(super) struct UnusedRules {
    rules: Vec<Unused>,
    /// How many more there are.
    others: usize,
}

#[derive(Debug)]
struct Unused {
    index: usize,
    pattern: String,
    /// The nearest name, and its distance.
    nearest: Option<(usize, String)>,
}

impl UnusedRules {
    /// Returns rules of which nothing was found yet, if there are any.
    pub(super) fn new(rules: Vec<(usize, String)>) -> Option<Self> {
        let others = rules.len().saturating_sub(LOOKED_AT);
        let unused = |(index, pattern): (usize, String)| Unused { index, pattern, nearest: None };
        let rules: Vec<_> = rules.into_iter().take(LOOKED_AT).map(unused).collect();
        (!rules.is_empty()).then_some(Self { rules, others })
    }

    /// Compares a name as it is written in the answer, and as rules match it.
    pub(super) fn compare(&mut self, written: &str, name: &str) {
        for rule in self.rules.iter_mut().filter(|rule| !rule.pattern.contains('*')) {
            // `latency_count` of a histogram, which rules match as `latency`.
            let is_part = rule.pattern == written;
            let distance = if is_part { Some(0) } else { distance(&rule.pattern, name) };
            let Some(distance) = distance else { continue };
            if rule.nearest.as_ref().is_none_or(|(nearest, _)| distance < *nearest) {
                rule.nearest = Some((distance, name.to_owned()));
            }
        }
    }

    /// Returns a remark about them.
    pub(super) fn remark(&self) -> String {
        let named = self.rules.iter().map(|Unused { index, pattern, nearest }| {
            let near = nearest.as_ref().map(|(_, name)| format!(" (did you mean \"{name}\"?)")).unwrap_or_default();
            format!("rules[{index}] \"{pattern}\"{near}")
        });
        let named: Vec<_> = named.collect();
        let others = if self.others > 0 { format!(" and {} more", self.others) } else { String::new() };
        format!("the answer has no metric for {}{others}", named.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_was_probably_meant_is_named() {
        assert!(UnusedRules::new(Vec::new()).is_none());
        let rules = ["http_requests", "lat_count", "gone_*", "absent", "e", "f"];
        let rules = (0..).zip(rules).map(|(index, rule)| (index, rule.to_owned())).collect();
        let mut unused = UnusedRules::new(rules).unwrap();
        for (written, name) in [
            ("http_requests_size", "http_requests_size"),
            ("http_requests_total", "http_requests_total"),
            ("lat_bucket", "lat"),
            ("lat_count", "lat"),
            ("gone_x", "gone_x"),
        ] {
            unused.compare(written, name);
        }
        let expected = "the answer has no metric for rules[0] \"http_requests\" (did you mean \"http_requests_size\"?), \
            rules[1] \"lat_count\" (did you mean \"lat\"?), rules[2] \"gone_*\", rules[3] \"absent\", rules[4] \"e\" \
            and 1 more";
        assert_eq!(unused.remark(), expected);
    }
}
