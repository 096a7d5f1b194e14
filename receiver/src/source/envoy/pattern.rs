//! Patterns of the names of Envoy's stats.

use crate::source::rule;

/// The name of a stat with places for values: `cluster.{cluster}.upstream_rq_total`.
///
/// Envoy's JSON tells a stat's tags as parts of its name, in the order in which they are configured: a counter `requests` of
/// the scope `acpw` with the tags `host` and `code` is `acpw.requests.host.example.com.code.200`. `{name}` stands for a part
/// without a dot, as Envoy's own tags are; `{name*}` for any text up to the first occurrence of what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What stands before the first place.
    head: String,
    places: Vec<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    name: String,
    /// Whether its value may have dots.
    is_any: bool,
    /// What follows it.
    tail: String,
}

impl Pattern {
    /// The longest pattern.
    pub const MAX_LENGTH: usize = 256;

    /// Reads a pattern. The error says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() || text.len() > Self::MAX_LENGTH || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("must be 1 to 256 characters of printable ASCII without spaces");
        }
        let mut parts = text.split('{');
        let head = parts.next().unwrap_or_default().to_owned();
        let mut places: Vec<Place> = Vec::new();
        for part in parts {
            let (name, tail) = part.split_once('}').ok_or("has a { without a }")?;
            let (name, is_any) = name.strip_suffix('*').map_or((name, false), |name| (name, true));
            if name.is_empty() {
                return Err("has a place without a name: write {cluster}, or {host*} for a text with dots");
            }
            if places.iter().any(|place| place.name == name) {
                return Err("has two places of the same name");
            }
            if places.last().is_some_and(|last| last.tail.is_empty()) {
                return Err("has two places without a text between them");
            }
            places.push(Place { name: name.to_owned(), is_any, tail: tail.to_owned() });
        }
        let has_stray = head.contains('}') || places.iter().any(|place| place.tail.contains('}'));
        if has_stray { Err("has a } without a {") } else { Ok(Self { head, places }) }
    }

    /// The names of its places, in their order.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(|place| place.name.as_str())
    }

    /// The number of the place of this name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.places().position(|place| place == name)
    }

    /// The values at its places, if it matches the whole name.
    pub fn values<'a>(&self, name: &'a str) -> Option<Vec<&'a str>> {
        let mut rest = name.strip_prefix(self.head.as_str())?;
        let mut values = Vec::with_capacity(self.places.len());
        let last = self.places.len().saturating_sub(1);
        for (at, place) in self.places.iter().enumerate() {
            let (value, behind) = if at == last {
                (rest.strip_suffix(place.tail.as_str())?, "")
            } else {
                rest.split_once(place.tail.as_str())?
            };
            if !place.is_any && value.contains('.') {
                return None;
            }
            values.push(value);
            rest = behind;
        }
        rest.is_empty().then_some(values)
    }

    /// Adds the regular expression (RE2) of the names that it matches.
    pub fn write_regex(&self, out: &mut String) {
        write_literal(&self.head, out);
        for place in &self.places {
            out.push_str(if place.is_any { ".*" } else { "[^.]*" });
            write_literal(&place.tail, out);
        }
    }
}

fn write_literal(text: &str, out: &mut String) {
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() && c != '_' {
            out.push('\\');
        }
        out.push(c);
    }
}

/// A text in which each `*` stands for any number of characters; with `!` before it, everything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    is_negated: bool,
    text: rule::Pattern,
}

impl Condition {
    /// Reads a condition; every text is one.
    pub fn new(text: &str) -> Self {
        let (text, is_negated) = text.strip_prefix('!').map_or((text, false), |text| (text, true));
        Self { is_negated, text: rule::Pattern::new(text) }
    }

    /// Whether a value meets it.
    pub fn is_met(&self, value: &str) -> bool {
        self.text.matches(value) != self.is_negated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pattern: &str, name: &str) -> Option<Vec<String>> {
        let values = Pattern::new(pattern).unwrap().values(name)?;
        Some(values.into_iter().map(str::to_owned).collect())
    }

    #[test]
    fn values_are_what_stands_at_the_places() {
        let told = |pattern, name| values(pattern, name).map(|values| values.join("|"));
        let one = "cluster.{cluster}.upstream_rq_total";
        assert_eq!(told(one, "cluster.shop.upstream_rq_total").unwrap(), "shop");
        assert_eq!(told(one, "cluster.shop.canary.upstream_rq_total"), None);
        assert_eq!(told(one, "cluster.shop.upstream_rq_total_"), None);
        assert_eq!(told(one, "xcluster.shop.upstream_rq_total"), None);
        let two = "acpw.requests.host.{host*}.code.{code}";
        assert_eq!(told(two, "acpw.requests.host.a.example.com.code.200").unwrap(), "a.example.com|200");
        assert_eq!(told(two, "acpw.requests.host..code.").unwrap(), "|");
        assert_eq!(told(two, "acpw.requests.host.a.code.2.0"), None);
        assert_eq!(told("acpw.{all*}", "acpw.a.b.c").unwrap(), "a.b.c");
        assert_eq!(told("server.uptime", "server.uptime").unwrap(), "");
        assert_eq!(told("server.uptime", "server.uptimes"), None);
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        for (text, fault) in [
            ("", "must be 1 to 256"),
            ("a b", "must be 1 to 256"),
            ("{a", "has a { without"),
            ("a}", "has a } without"),
            ("{a}}", "has a } without"),
            ("a.{}", "without a name"),
            ("a.{*}", "without a name"),
            ("{a}.{a}", "the same name"),
            ("{a}{b}", "without a text between"),
        ] {
            assert!(Pattern::new(text).unwrap_err().contains(fault), "{text}");
        }
        for (length, is_taken) in [(255, true), (256, true), (257, false)] {
            assert_eq!(Pattern::new(&"x".repeat(length)).is_ok(), is_taken);
        }
    }

    #[test]
    fn the_regular_expression_is_escaped() {
        let mut regex = String::new();
        Pattern::new("a-b.{x}.c.{y*}(z)").unwrap().write_regex(&mut regex);
        assert_eq!(regex, r"a\-b\.[^.]*\.c\..*\(z\)");
    }

    #[test]
    fn conditions_have_wildcards_and_can_be_negated() {
        for (text, met, not_met) in [
            ("200", &["200"][..], &["20", "2000", ""][..]),
            ("2*", &["2", "200"], &["1200", ""]),
            ("*UF*", &["UF", "UF,URX", "DC,UF"], &["U", "-"]),
            ("a*b*c", &["abc", "a-b-bc"], &["ab", "acb", "abcd"]),
            ("*", &["", "x"], &[]),
            ("", &[""], &["x"]),
            ("!0", &["1", "-", ""], &["0"]),
            ("!2*", &["", "404"], &["204"]),
        ] {
            let condition = Condition::new(text);
            assert!(met.iter().all(|value| condition.is_met(value)), "{text}");
            assert!(!not_met.iter().any(|value| condition.is_met(value)), "{text}");
        }
    }
}
