//! The data points of an export that are not accepted, with their reasons.

use std::{borrow::Cow, fmt::Write as _};

/// The reason why a data point is rejected. It follows the name of its metric.
pub(super) type Reason = Cow<'static, str>;

/// The maximum number of reasons in an answer.
const MAX_LISTED: usize = 10;

/// The maximum length of a metric's name in an answer, in characters.
const MAX_NAME: usize = 100;

/// The rejected data points of an export.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rejections {
    listed: Vec<(String, Reason, u64)>,
    total: u64,
}

impl Rejections {
    /// Adds `count` data points of a metric.
    pub(super) fn add(&mut self, metric: &str, reason: Reason, count: u64) {
        if count == 0 {
            return;
        }
        self.total = self.total.saturating_add(count);
        let name = shown(metric);
        if let Some((_, _, known)) = self.listed.iter_mut().find(|(known, why, _)| *known == name && *why == reason) {
            *known = known.saturating_add(count);
        } else if self.listed.len() < MAX_LISTED {
            self.listed.push((name, reason, count));
        }
    }

    /// Returns the number of rejected data points.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Returns a description for people, empty if no data point is rejected.
    pub(super) fn message(&self) -> String {
        let mut message = String::new();
        let mut rest = self.total;
        for (name, reason, count) in &self.listed {
            rest = rest.saturating_sub(*count);
            let separator = if message.is_empty() { "" } else { "\n" };
            let plural = if *count == 1 { "" } else { "s" };
            // Writing to a `String` cannot fail.
            let _ = write!(message, "{separator}metric \"{name}\": {reason} ({count} data point{plural})");
        }
        if rest > 0 {
            let _ = write!(message, "\n{rest} more rejected data points are not listed");
        }
        message
    }
}

/// Returns a name that is not trusted, as it may appear in an answer.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(MAX_NAME).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rejections_are_listed_once_and_the_list_is_bounded() {
        let mut rejections = Rejections::default();
        rejections.add("a", "is wrong".into(), 0);
        assert_eq!((rejections.total(), rejections.message().as_str()), (0, ""));
        rejections.add("a\n", "is wrong".into(), 1);
        rejections.add("b", "is wrong".into(), 1);
        rejections.add("b", "is wrong".into(), 1);
        let expected = "metric \"a\\n\": is wrong (1 data point)\nmetric \"b\": is wrong (2 data points)";
        assert_eq!((rejections.total(), rejections.message().as_str()), (3, expected));
        (0..1_000_000).for_each(|n| rejections.add(&n.to_string(), "is wrong".into(), 1));
        assert!(rejections.message().ends_with("\n999992 more rejected data points are not listed"));
    }
}
