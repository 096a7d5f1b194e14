//! The names of clusters and of HTTP connection managers, and where they end in the names of stats.
//!
//! `cluster.NAME.upstream_rq_completed` does not show where the name ends: it may have dots, as on Istio
//! (`outbound|443||graph.example.com`), and Envoy counts the same requests again under `NAME.internal`, `NAME.external`,
//! `NAME.canary` and `NAME.zone.FROM.TO`. Neither do Envoy's own tags, as `/stats/prometheus` has them: they cut a name at
//! its first dot. But every cluster has one gauge `membership_total` and every connection manager one gauge
//! `downstream_cx_active`, and nothing below them has.

use std::collections::BTreeSet;

/// A kind of stats that begin with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameScope {
    /// `cluster.NAME.…`
    Cluster,
    /// `http.STAT_PREFIX.…`
    Http,
}

impl NameScope {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Cluster, Self::Http];

    /// Returns the scope of a pattern whose first value follows this text.
    pub fn of(head: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.head() == head)
    }

    /// The text before a name.
    pub const fn head(self) -> &'static str {
        match self {
            Self::Cluster => "cluster.",
            Self::Http => "http.",
        }
    }

    /// The text after a name in the gauge that each has once.
    pub const fn gauge(self) -> &'static str {
        match self {
            Self::Cluster => ".membership_total",
            Self::Http => ".downstream_cx_active",
        }
    }
}

/// The names in the last answer with gauges.
#[derive(Debug, Default)]
pub struct KnownNames {
    clusters: BTreeSet<String>,
    managers: BTreeSet<String>,
}

/// A reason why a name is uncertain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguity {
    /// It is a cluster's, and a part of another cluster's stats, and Envoy counts both in one stat.
    Shared,
    /// It has dots, and no gauge shows where it ends.
    Unknown,
}

impl KnownNames {
    /// Takes the name out of a gauge, if it is one that shows a name. Returns whether there was no room.
    pub fn take(&mut self, gauge: &str, limit: usize) -> bool {
        for scope in NameScope::ALL {
            let name = gauge.strip_prefix(scope.head()).and_then(|rest| rest.strip_suffix(scope.gauge()));
            let Some(name) = name else { continue };
            let names = self.of_mut(scope);
            if names.len() >= limit && !names.contains(name) {
                return true;
            }
            names.insert(name.to_owned());
        }
        false
    }

    /// Returns whether a text of a stat's name is the whole name of a cluster or a connection manager. `rest` is what
    /// follows it in the stat's name. `is_any` allows dots where there are no gauges to go by.
    pub(super) fn contains(&self, scope: NameScope, text: &str, rest: &str, is_any: bool) -> Result<bool, Ambiguity> {
        let names = self.of(scope);
        if names.contains(text) {
            let is_shared = scope == NameScope::Cluster && is_of_parts(rest) && {
                self.owners(scope, text).any(|(_, part)| is_part(part))
            };
            return if is_shared { Err(Ambiguity::Shared) } else { Ok(true) };
        }
        if !text.contains('.') {
            return Ok(true);
        }
        if self.owners(scope, text).next().is_some() {
            return Ok(false);
        }
        let ends_with_part =
            || text.match_indices('.').any(|(at, _)| text.get(at.saturating_add(1)..).is_some_and(is_part));
        match scope {
            NameScope::Cluster if ends_with_part() => Ok(false),
            _ if names.is_empty() && is_any => Ok(true),
            _ => Err(Ambiguity::Unknown),
        }
    }

    /// Returns the names that a longer text begins with, and the part of the text after the dot.
    fn owners<'a>(&'a self, scope: NameScope, text: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let splits = text.match_indices('.').filter_map(|(at, _)| text.split_at_checked(at));
        let splits = splits.map(|(name, part)| (name, part.get(1..).unwrap_or_default()));
        splits.filter(move |(name, _)| self.of(scope).contains(*name))
    }

    fn of(&self, scope: NameScope) -> &BTreeSet<String> {
        match scope {
            NameScope::Cluster => &self.clusters,
            NameScope::Http => &self.managers,
        }
    }

    fn of_mut(&mut self, scope: NameScope) -> &mut BTreeSet<String> {
        match scope {
            NameScope::Cluster => &mut self.clusters,
            NameScope::Http => &mut self.managers,
        }
    }
}

/// Returns whether Envoy counts a cluster's requests again under this part.
fn is_part(part: &str) -> bool {
    let mut tokens = part.split('.');
    match tokens.next() {
        Some("internal" | "external" | "canary") => tokens.next().is_none(),
        Some("zone") => tokens.count() == 2,
        _ => false,
    }
}

/// Returns whether the stats of a part have this one: those of answers, and of their time.
fn is_of_parts(stat: &str) -> bool {
    let Some(kind) = stat.strip_prefix(".upstream_rq_") else { return false };
    let is_code = || kind.len() == 3 && kind.starts_with(|digit: char| digit.is_ascii_digit());
    matches!(kind, "completed" | "time") || is_code()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(gauges: &[&str]) -> KnownNames {
        let mut names = KnownNames::default();
        assert!(!gauges.iter().any(|gauge| names.take(gauge, 100)));
        names
    }

    #[test]
    fn a_name_is_one_that_has_its_gauge() {
        let names = names(&[
            "cluster.shop.membership_total",
            "cluster.outbound|443||graph.example.com.membership_total",
            "http.in_0.0.0.0_80.downstream_cx_active",
            "cluster.other.upstream_cx_active",
        ]);
        let is_name = |text: &str| names.contains(NameScope::Cluster, text, ".upstream_rq_completed", true);
        assert_eq!(is_name("shop"), Ok(true));
        assert_eq!(is_name("outbound|443||graph.example.com"), Ok(true));
        for part in ["internal", "external", "canary", "zone.a.b", "circuit_breakers.default", "ssl"] {
            assert_eq!(is_name(&format!("shop.{part}")), Ok(false), "{part}");
            assert_eq!(is_name(&format!("outbound|443||graph.example.com.{part}")), Ok(false), "{part}");
        }
        // A cluster that has come since the gauges were read, or that has no gauge.
        assert_eq!(is_name("new"), Ok(true));
        assert_eq!(is_name("new.internal"), Ok(false));
        assert_eq!(is_name("new.example.com"), Err(Ambiguity::Unknown));
        assert_eq!(names.contains(NameScope::Http, "in_0.0.0.0_80", ".downstream_rq_2xx", false), Ok(true));
        assert_eq!(
            names.contains(NameScope::Http, "in_0.0.0.0_80.user_agent.ios", ".downstream_rq_total", true),
            Ok(false)
        );
    }

    #[test]
    fn without_gauges_only_parts_are_known() {
        let names = KnownNames::default();
        for is_any in [false, true] {
            let is_name = |text: &str| names.contains(NameScope::Cluster, text, ".upstream_rq_completed", is_any);
            assert_eq!(
                (is_name("shop"), is_name("shop.internal"), is_name("a.b.zone.x.y")),
                (Ok(true), Ok(false), Ok(false))
            );
            assert_eq!(is_name("graph.example.com"), if is_any { Ok(true) } else { Err(Ambiguity::Unknown) });
        }
    }

    #[test]
    fn a_stat_that_two_clusters_share_is_in_doubt() {
        let names = names(&["cluster.a.membership_total", "cluster.a.internal.membership_total"]);
        for (rest, is_shared) in [
            (".upstream_rq_completed", true),
            (".upstream_rq_2xx", true),
            (".upstream_rq_503", true),
            (".upstream_rq_time", true),
            (".upstream_rq_active", false),
            (".upstream_rq_total", false),
            (".membership_healthy", false),
        ] {
            let expected = if is_shared { Err(Ambiguity::Shared) } else { Ok(true) };
            assert_eq!(names.contains(NameScope::Cluster, "a.internal", rest, false), expected, "{rest}");
            assert_eq!(names.contains(NameScope::Cluster, "a", rest, false), Ok(true));
        }
    }

    #[test]
    fn names_are_bounded() {
        let mut names = KnownNames::default();
        for (name, is_left_out) in [("a", false), ("b", false), ("c", true), ("a", false)] {
            assert_eq!(names.take(&format!("cluster.{name}.membership_total"), 2), is_left_out, "{name}");
        }
    }
}
