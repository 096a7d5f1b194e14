//! Finds names similar to those of rules that match no metric.

use crate::source::similar_names::distance;

/// The maximum number of rules in a remark.
const MAX_RULES: usize = 5;

/// Rules that match no metric of a response, each with the most similar name in it.
#[derive(Debug)]
pub(super) struct UnusedRules {
    rules: Vec<Unused>,
    /// The number of unused rules that are not listed.
    others: usize,
}

#[derive(Debug)]
struct Unused {
    index: usize,
    pattern: String,
    /// The most similar name, with its distance.
    similar: Option<(usize, String)>,
}

impl UnusedRules {
    /// Creates a list of unused rules, or returns `None` if there are none.
    pub(super) fn new(rules: Vec<(usize, String)>) -> Option<Self> {
        let others = rules.len().saturating_sub(MAX_RULES);
        let unused = |(index, pattern): (usize, String)| Unused { index, pattern, similar: None };
        let rules: Vec<_> = rules.into_iter().take(MAX_RULES).map(unused).collect();
        (!rules.is_empty()).then_some(Self { rules, others })
    }

    /// Compares the rules with a name, as it is in the response and as rules match it.
    pub(super) fn compare(&mut self, written: &str, name: &str) {
        for rule in self.rules.iter_mut().filter(|rule| !rule.pattern.contains('*')) {
            // For example `latency_count` of a histogram, which rules match as `latency`.
            let is_part = rule.pattern == written;
            let distance = if is_part { Some(0) } else { distance(&rule.pattern, name) };
            let Some(distance) = distance else { continue };
            if rule.similar.as_ref().is_none_or(|(smallest, _)| distance < *smallest) {
                rule.similar = Some((distance, name.to_owned()));
            }
        }
    }

    /// Returns a remark about the rules.
    pub(super) fn remark(&self) -> String {
        let named = self.rules.iter().map(|Unused { index, pattern, similar }| {
            let hint = similar.as_ref().map(|(_, name)| format!(" (did you mean \"{name}\"?)")).unwrap_or_default();
            format!("rules[{index}] \"{pattern}\"{hint}")
        });
        let named: Vec<_> = named.collect();
        let others = if self.others > 0 { format!(" and {} more", self.others) } else { String::new() };
        format!("no metric in the response matches {}{others}", named.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_name_is_suggested() {
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
        let expected = "no metric in the response matches rules[0] \"http_requests\" (did you mean \"http_requests_size\"?), \
            rules[1] \"lat_count\" (did you mean \"lat\"?), rules[2] \"gone_*\", rules[3] \"absent\", rules[4] \"e\" \
            and 1 more";
        assert_eq!(unused.remark(), expected);
    }
}
