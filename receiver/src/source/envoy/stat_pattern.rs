//! Patterns of stat names.

use super::known_names::{Ambiguity, KnownNames, NameScope};
use crate::source::name_pattern::NamePattern;

/// The name of a stat with placeholders, such as `cluster.{cluster}.upstream_rq_total`.
///
/// In Envoy's JSON, tags are parts of a stat's name, in the order of their configuration. A counter `requests` in the
/// scope
/// `acpw` with the tags `host` and `code` is `acpw.requests.host.example.com.code.200`.
///
/// `{name}` matches a text without dots. `{name*}` matches any text up to the first occurrence of the text after it. If
/// the pattern starts with `cluster.{` or `http.{`, the first placeholder matches exactly the whole name of a cluster
/// or connection manager, including dots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatPattern {
    /// The text before the first placeholder.
    head: String,
    /// The scope of names that the first placeholder matches.
    scope: Option<NameScope>,
    placeholders: Vec<Placeholder>,
}

/// A stat that a pattern matches only if a text in it is the name of a cluster or connection manager, which is
/// ambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmbiguousStat<'a> {
    /// The scope of the name.
    pub scope: NameScope,
    /// The text.
    pub text: &'a str,
    /// The reason of the ambiguity.
    pub ambiguity: Ambiguity,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Placeholder {
    name: String,
    /// True if the value may contain dots.
    is_any: bool,
    /// The text after the placeholder.
    tail: String,
}

impl StatPattern {
    /// The maximum length of a pattern.
    pub const MAX_LENGTH: usize = 256;

    /// Parses a pattern.
    ///
    /// # Errors
    /// A description of what is wrong with the pattern.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() || text.len() > Self::MAX_LENGTH || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("must be 1 to 256 characters of printable ASCII without spaces");
        }
        let mut parts = text.split('{');
        let head = parts.next().unwrap_or_default().to_owned();
        let mut placeholders: Vec<Placeholder> = Vec::new();
        for part in parts {
            let (name, tail) = part.split_once('}').ok_or("has a { without a }")?;
            let (name, is_any) = name.strip_suffix('*').map_or((name, false), |name| (name, true));
            if name.is_empty() {
                return Err("has a placeholder without a name: write {cluster}, or {host*} for a text with dots");
            }
            if placeholders.iter().any(|known| known.name == name) {
                return Err("has two placeholders of the same name");
            }
            if placeholders.last().is_some_and(|last| last.tail.is_empty()) {
                return Err("has two placeholders without text between them");
            }
            placeholders.push(Placeholder { name: name.to_owned(), is_any, tail: tail.to_owned() });
        }
        let has_stray = head.contains('}') || placeholders.iter().any(|placeholder| placeholder.tail.contains('}'));
        if has_stray {
            return Err("has a } without a {");
        }
        let scope = if placeholders.is_empty() { None } else { NameScope::of(&head) };
        Ok(Self { head, scope, placeholders })
    }

    /// Returns the scope of names that the first placeholder matches, if it is one for names.
    pub fn scope(&self) -> Option<NameScope> {
        self.scope
    }

    /// Returns the names of the placeholders in their order.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.placeholders.iter().map(|placeholder| placeholder.name.as_str())
    }

    /// Returns the index of the placeholder with this name.
    pub fn placeholder(&self, name: &str) -> Option<usize> {
        self.placeholders().position(|placeholder| placeholder == name)
    }

    /// Returns the values of the placeholders if the pattern matches the whole name of a stat, and `None` if it does
    /// not.
    /// `names` are the names of clusters and connection managers.
    ///
    /// # Errors
    /// The name of a cluster or connection manager is ambiguous.
    pub fn values<'a>(&self, stat: &'a str, names: &KnownNames) -> Result<Option<Vec<&'a str>>, AmbiguousStat<'a>> {
        let Some(rest) = stat.strip_prefix(self.head.as_str()) else { return Ok(None) };
        match (self.scope, self.placeholders.split_first()) {
            (Some(scope), Some((first, others))) => values_of_scope(scope, first, others, rest, names),
            _ => Ok(values(&self.placeholders, rest)),
        }
    }

    /// Appends a regular expression (RE2) that matches the same names, and possibly more.
    pub fn write_regex(&self, out: &mut String) {
        write_literal(&self.head, out);
        for (index, placeholder) in self.placeholders.iter().enumerate() {
            let has_dots = placeholder.is_any || index == 0 && self.scope.is_some();
            out.push_str(if has_dots { ".*" } else { "[^.]*" });
            write_literal(&placeholder.tail, out);
        }
    }
}

/// Returns the values of the placeholders if they match the whole text.
fn values<'a>(placeholders: &[Placeholder], text: &'a str) -> Option<Vec<&'a str>> {
    let mut rest = text;
    let mut values = Vec::with_capacity(placeholders.len());
    let last = placeholders.len().saturating_sub(1);
    for (index, placeholder) in placeholders.iter().enumerate() {
        let (value, after) = if index == last {
            (rest.strip_suffix(placeholder.tail.as_str())?, "")
        } else {
            rest.split_once(placeholder.tail.as_str())?
        };
        if !placeholder.is_any && value.contains('.') {
            return None;
        }
        values.push(value);
        rest = after;
    }
    rest.is_empty().then_some(values)
}

/// Returns the values if the first placeholder matches a name. Of all texts that could be the name, it is the longest
/// that is one.
fn values_of_scope<'a>(
    scope: NameScope,
    first: &Placeholder,
    others: &[Placeholder],
    rest: &'a str,
    names: &KnownNames,
) -> Result<Option<Vec<&'a str>>, AmbiguousStat<'a>> {
    let tail = first.tail.as_str();
    let ends: Vec<usize> = if others.is_empty() {
        rest.strip_suffix(tail).map(str::len).into_iter().collect()
    } else {
        rest.match_indices(tail).map(|(index, _)| index).collect()
    };
    let mut ambiguous = None;
    for (text, after) in ends.into_iter().rev().filter_map(|end| rest.split_at_checked(end)) {
        let Some(others) = after.strip_prefix(tail).and_then(|after| values(others, after)) else { continue };
        match names.contains(scope, text, after, first.is_any) {
            // Istio appends a semicolon to the names that it gives to stats. It is not part of the name.
            Ok(true) => return Ok(Some([&[text.strip_suffix(';').unwrap_or(text)], others.as_slice()].concat())),
            Ok(false) => {}
            Err(ambiguity) => ambiguous = ambiguous.or(Some(AmbiguousStat { scope, text, ambiguity })),
        }
    }
    ambiguous.map_or(Ok(None), Err)
}

/// Appends a text to a regular expression (RE2), escaped so that it matches itself.
pub(super) fn write_literal(text: &str, out: &mut String) {
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() && c != '_' {
            out.push('\\');
        }
        out.push(c);
    }
}

/// A condition for a value: a text in which each `*` matches any number of characters. A leading `!` negates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    is_negated: bool,
    text: NamePattern,
}

impl Condition {
    /// Parses a condition. Every text is valid.
    pub fn new(text: &str) -> Self {
        let (text, is_negated) = text.strip_prefix('!').map_or((text, false), |text| (text, true));
        Self { is_negated, text: NamePattern::new(text) }
    }

    /// Returns true if a value meets the condition.
    pub fn is_met(&self, value: &str) -> bool {
        self.text.matches(value) != self.is_negated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pattern: &str, name: &str) -> Option<Vec<String>> {
        let values = StatPattern::new(pattern).unwrap().values(name, &KnownNames::default()).unwrap()?;
        Some(values.into_iter().map(str::to_owned).collect())
    }

    #[test]
    fn placeholders_match_values() {
        let matched = |pattern, name| values(pattern, name).map(|values| values.join("|"));
        let one = "cluster.{cluster}.upstream_rq_total";
        assert_eq!(matched(one, "cluster.shop.upstream_rq_total").unwrap(), "shop");
        assert_eq!(matched(one, "cluster.shop.canary.upstream_rq_total"), None);
        assert_eq!(matched(one, "cluster.shop.upstream_rq_total_"), None);
        assert_eq!(matched(one, "xcluster.shop.upstream_rq_total"), None);
        let two = "acpw.requests.host.{host*}.code.{code}";
        assert_eq!(matched(two, "acpw.requests.host.a.example.com.code.200").unwrap(), "a.example.com|200");
        assert_eq!(matched(two, "acpw.requests.host..code.").unwrap(), "|");
        assert_eq!(matched(two, "acpw.requests.host.a.code.2.0"), None);
        assert_eq!(matched("acpw.{all*}", "acpw.a.b.c").unwrap(), "a.b.c");
        assert_eq!(matched("server.uptime", "server.uptime").unwrap(), "");
        assert_eq!(matched("server.uptime", "server.uptimes"), None);
    }

    #[test]
    fn the_first_placeholder_matches_the_whole_name_of_a_cluster() {
        let mut names = KnownNames::default();
        for name in ["shop", "a.internal", "outbound|443||graph.example.com", "outbound|80||db.example.com;"] {
            names.add(&format!("cluster.{name}.membership_total"), 10);
        }
        let matched = |pattern: &str, stat: &str| {
            let pattern = StatPattern::new(pattern).unwrap();
            let values = pattern.values(stat, &names);
            values.map(|values| values.map(|values| values.join(" "))).map_err(|ambiguous| ambiguous.ambiguity)
        };
        for pattern in ["cluster.{cluster}.upstream_rq_completed", "cluster.{cluster*}.upstream_rq_completed"] {
            let matched = |text: &str| matched(pattern, &format!("cluster.{text}.upstream_rq_completed"));
            let name = |name: &str| Ok(Some(name.to_owned()));
            assert_eq!(matched("shop"), name("shop"));
            assert_eq!(matched("a.internal"), name("a.internal"));
            assert_eq!(matched("outbound|443||graph.example.com"), name("outbound|443||graph.example.com"));
            assert_eq!(matched("outbound|80||db.example.com;"), name("outbound|80||db.example.com"));
            for part in ["shop.internal", "outbound|443||graph.example.com.external", "shop.zone.a.b", "shop.canary"] {
                assert_eq!(matched(part), Ok(None), "{part}");
            }
            assert_eq!(matched("new.example.com"), Err(Ambiguity::Unknown));
        }
        let parts = |stat: &str| matched("cluster.{cluster}.{part}.upstream_rq_2xx", stat);
        let expected = Ok(Some("outbound|443||graph.example.com external".to_owned()));
        assert_eq!(parts("cluster.outbound|443||graph.example.com.external.upstream_rq_2xx"), expected);
        assert_eq!(parts("cluster.a.internal.external.upstream_rq_2xx"), Ok(Some("a.internal external".to_owned())));
        assert_eq!(parts("cluster.shop.upstream_rq_2xx"), Ok(None));
        let mut regex = String::new();
        StatPattern::new("cluster.{cluster}.upstream_rq_2xx").unwrap().write_regex(&mut regex);
        assert_eq!(regex, r"cluster\..*\.upstream_rq_2xx");
    }

    #[test]
    fn invalid_patterns_are_refused() {
        for (text, error) in [
            ("", "must be 1 to 256"),
            ("a b", "must be 1 to 256"),
            ("{a", "has a { without"),
            ("a}", "has a } without"),
            ("{a}}", "has a } without"),
            ("a.{}", "without a name"),
            ("a.{*}", "without a name"),
            ("{a}.{a}", "the same name"),
            ("{a}{b}", "without text between"),
        ] {
            assert!(StatPattern::new(text).unwrap_err().contains(error), "{text}");
        }
        for (length, is_valid) in [(255, true), (256, true), (257, false)] {
            assert_eq!(StatPattern::new(&"x".repeat(length)).is_ok(), is_valid);
        }
    }

    #[test]
    fn the_regular_expression_is_escaped() {
        let mut regex = String::new();
        StatPattern::new("a-b.{x}.c.{y*}(z)").unwrap().write_regex(&mut regex);
        assert_eq!(regex, r"a\-b\.[^.]*\.c\..*\(z\)");
    }

    #[test]
    fn conditions_support_wildcards_and_negation() {
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
