//! Patterns of the names of Envoy's stats.

use super::known_names::{Ambiguity, KnownNames, NameScope};
use crate::source::name_pattern::NamePattern;

/// The name of a stat with places for values: `cluster.{cluster}.upstream_rq_total`.
///
/// Envoy's JSON tells a stat's tags as parts of its name, in the order in which they are configured: a counter `requests` of
/// the scope `acpw` with the tags `host` and `code` is `acpw.requests.host.example.com.code.200`. `{name}` stands for a part
/// without a dot; `{name*}` for any text up to the first occurrence of what follows it. The first one of a pattern that
/// begins with `cluster.{` or `http.{` stands for the whole name of a cluster or a connection manager, with its dots, and
/// for nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatPattern {
    /// What stands before the first place.
    head: String,
    /// The kind of names that the first place stands for.
    scope: Option<NameScope>,
    places: Vec<Placeholder>,
}

/// A stat that a pattern matches if a text in it is the name of a cluster or a connection manager, which is in ambiguity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmbiguousStat<'a> {
    /// The kind of names.
    pub scope: NameScope,
    /// The text.
    pub text: &'a str,
    /// The reason.
    pub ambiguity: Ambiguity,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Placeholder {
    name: String,
    /// Whether its value may have dots.
    is_any: bool,
    /// What follows it.
    tail: String,
}

impl StatPattern {
    /// The longest pattern.
    pub const MAX_LENGTH: usize = 256;

    /// Reads a pattern. The error says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() || text.len() > Self::MAX_LENGTH || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("must be 1 to 256 characters of printable ASCII without spaces");
        }
        let mut parts = text.split('{');
        let head = parts.next().unwrap_or_default().to_owned();
        let mut places: Vec<Placeholder> = Vec::new();
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
            places.push(Placeholder { name: name.to_owned(), is_any, tail: tail.to_owned() });
        }
        let has_stray = head.contains('}') || places.iter().any(|place| place.tail.contains('}'));
        if has_stray {
            return Err("has a } without a {");
        }
        let scope = if places.is_empty() { None } else { NameScope::of(&head) };
        Ok(Self { head, scope, places })
    }

    /// The kind of names that its first place stands for, if it is one of names.
    pub fn scope(&self) -> Option<NameScope> {
        self.scope
    }

    /// The names of its places, in their order.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(|place| place.name.as_str())
    }

    /// The number of the place of this name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.places().position(|place| place == name)
    }

    /// Returns the values at its places, if it matches the whole name of a stat. `names` are those that clusters and
    /// connection managers have.
    pub fn values<'a>(&self, stat: &'a str, names: &KnownNames) -> Result<Option<Vec<&'a str>>, AmbiguousStat<'a>> {
        let Some(rest) = stat.strip_prefix(self.head.as_str()) else { return Ok(None) };
        match (self.scope, self.places.split_first()) {
            (Some(scope), Some((first, others))) => values_of_scope(scope, first, others, rest, names),
            _ => Ok(values(&self.places, rest)),
        }
    }

    /// Adds the regular expression (RE2) of the names that it matches.
    pub fn write_regex(&self, out: &mut String) {
        write_literal(&self.head, out);
        for (at, place) in self.places.iter().enumerate() {
            let has_dots = place.is_any || at == 0 && self.scope.is_some();
            out.push_str(if has_dots { ".*" } else { "[^.]*" });
            write_literal(&place.tail, out);
        }
    }
}

/// Returns the values at these places, if they match the whole text.
fn values<'a>(places: &[Placeholder], text: &'a str) -> Option<Vec<&'a str>> {
    let mut rest = text;
    let mut values = Vec::with_capacity(places.len());
    let last = places.len().saturating_sub(1);
    for (at, place) in places.iter().enumerate() {
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

/// The same where the first place stands for a name: of all texts that could be one, it is the longest that is.
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
        rest.match_indices(tail).map(|(at, _)| at).collect()
    };
    let mut uncertain = None;
    for (text, behind) in ends.into_iter().rev().filter_map(|end| rest.split_at_checked(end)) {
        let Some(others) = behind.strip_prefix(tail).and_then(|behind| values(others, behind)) else { continue };
        match names.contains(scope, text, behind, first.is_any) {
            // Istio ends the names that it gives to stats with a semicolon, which is no part of them.
            Ok(true) => return Ok(Some([&[text.strip_suffix(';').unwrap_or(text)], others.as_slice()].concat())),
            Ok(false) => {}
            Err(ambiguity) => uncertain = uncertain.or(Some(AmbiguousStat { scope, text, ambiguity })),
        }
    }
    uncertain.map_or(Ok(None), Err)
}

/// Adds a text to a regular expression (RE2), so that it stands for itself.
pub(super) fn write_literal(text: &str, out: &mut String) {
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
    text: NamePattern,
}

impl Condition {
    /// Reads a condition; every text is one.
    pub fn new(text: &str) -> Self {
        let (text, is_negated) = text.strip_prefix('!').map_or((text, false), |text| (text, true));
        Self { is_negated, text: NamePattern::new(text) }
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
        let values = StatPattern::new(pattern).unwrap().values(name, &KnownNames::default()).unwrap()?;
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
    fn the_first_value_of_a_cluster_is_its_whole_name() {
        let mut names = KnownNames::default();
        for name in ["shop", "a.internal", "outbound|443||graph.example.com", "outbound|80||db.example.com;"] {
            names.take(&format!("cluster.{name}.membership_total"), 10);
        }
        let told = |pattern: &str, stat: &str| {
            let pattern = StatPattern::new(pattern).unwrap();
            let values = pattern.values(stat, &names);
            values.map(|values| values.map(|values| values.join(" "))).map_err(|uncertain| uncertain.ambiguity)
        };
        for pattern in ["cluster.{cluster}.upstream_rq_completed", "cluster.{cluster*}.upstream_rq_completed"] {
            let told = |text: &str| told(pattern, &format!("cluster.{text}.upstream_rq_completed"));
            let name = |name: &str| Ok(Some(name.to_owned()));
            assert_eq!(told("shop"), name("shop"));
            assert_eq!(told("a.internal"), name("a.internal"));
            assert_eq!(told("outbound|443||graph.example.com"), name("outbound|443||graph.example.com"));
            assert_eq!(told("outbound|80||db.example.com;"), name("outbound|80||db.example.com"));
            for part in ["shop.internal", "outbound|443||graph.example.com.external", "shop.zone.a.b", "shop.canary"] {
                assert_eq!(told(part), Ok(None), "{part}");
            }
            assert_eq!(told("new.example.com"), Err(Ambiguity::Unknown));
        }
        let parts = |stat: &str| told("cluster.{cluster}.{part}.upstream_rq_2xx", stat);
        let expected = Ok(Some("outbound|443||graph.example.com external".to_owned()));
        assert_eq!(parts("cluster.outbound|443||graph.example.com.external.upstream_rq_2xx"), expected);
        assert_eq!(parts("cluster.a.internal.external.upstream_rq_2xx"), Ok(Some("a.internal external".to_owned())));
        assert_eq!(parts("cluster.shop.upstream_rq_2xx"), Ok(None));
        let mut regex = String::new();
        StatPattern::new("cluster.{cluster}.upstream_rq_2xx").unwrap().write_regex(&mut regex);
        assert_eq!(regex, r"cluster\..*\.upstream_rq_2xx");
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
            assert!(StatPattern::new(text).unwrap_err().contains(fault), "{text}");
        }
        for (length, is_taken) in [(255, true), (256, true), (257, false)] {
            assert_eq!(StatPattern::new(&"x".repeat(length)).is_ok(), is_taken);
        }
    }

    #[test]
    fn the_regular_expression_is_escaped() {
        let mut regex = String::new();
        StatPattern::new("a-b.{x}.c.{y*}(z)").unwrap().write_regex(&mut regex);
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
