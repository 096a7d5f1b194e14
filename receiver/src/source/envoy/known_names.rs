//! Finds the names of clusters and HTTP connection managers in the names of stats.
//!
//! `cluster.NAME.upstream_rq_completed` does not show where the name ends. It may contain dots, as in Istio
//! (`outbound|443||graph.example.com`), and Envoy counts the same requests again under `NAME.internal`,
//! `NAME.external`,
//! `NAME.canary` and `NAME.zone.FROM.TO`. Envoy's own tags, as in `/stats/prometheus`, do not help, because they cut a
//! name at its first dot. But every cluster has one gauge `membership_total`, every connection manager has one gauge
//! `downstream_cx_active`, and their parts do not.

use std::collections::BTreeSet;

/// A scope of stats whose names start with the name of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameScope {
    /// `cluster.NAME.…`
    Cluster,
    /// `http.STAT_PREFIX.…`
    Http,
}

impl NameScope {
    /// All scopes.
    pub const ALL: [Self; 2] = [Self::Cluster, Self::Http];

    /// Returns the scope of a pattern whose first placeholder follows this text.
    pub fn of(head: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.head() == head)
    }

    /// Returns the text before a name.
    pub const fn head(self) -> &'static str {
        match self {
            Self::Cluster => "cluster.",
            Self::Http => "http.",
        }
    }

    /// Returns the text after a name in the gauge that every owner has once.
    pub const fn gauge(self) -> &'static str {
        match self {
            Self::Cluster => ".membership_total",
            Self::Http => ".downstream_cx_active",
        }
    }
}

/// The names in the last response with gauges.
#[derive(Debug, Default)]
pub struct KnownNames {
    clusters: BTreeSet<String>,
    managers: BTreeSet<String>,
}

/// The reason why a name is ambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguity {
    /// The name of a cluster is also a part of another cluster's stats, and Envoy counts both in one stat.
    Shared,
    /// The name contains dots, and no gauge shows where it ends.
    Unknown,
}

impl KnownNames {
    /// Adds the name in a gauge, if the gauge shows one. Returns true if there are already `limit` names.
    pub fn add(&mut self, gauge: &str, limit: usize) -> bool {
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

    /// Returns true if a text in a stat's name is the whole name of a cluster or a connection manager. `rest` is the
    /// text after it in the stat's name. `is_any` allows dots if there are no gauges.
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
            || text.match_indices('.').any(|(dot, _)| text.get(dot.saturating_add(1)..).is_some_and(is_part));
        match scope {
            NameScope::Cluster if ends_with_part() => Ok(false),
            _ if names.is_empty() && is_any => Ok(true),
            _ => Err(Ambiguity::Unknown),
        }
    }

    /// Returns the names that a longer text starts with, each with the text after the dot.
    fn owners<'a>(&'a self, scope: NameScope, text: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let splits = text.match_indices('.').filter_map(|(dot, _)| text.split_at_checked(dot));
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

/// Returns true if Envoy counts a cluster's requests again under this part.
fn is_part(part: &str) -> bool {
    let mut tokens = part.split('.');
    match tokens.next() {
        Some("internal" | "external" | "canary") => tokens.next().is_none(),
        Some("zone") => tokens.count() == 2,
        _ => false,
    }
}

/// Returns true if the parts of a cluster have this stat: a count of responses, or their time.
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
        assert!(!gauges.iter().any(|gauge| names.add(gauge, 100)));
        names
    }

    #[test]
    fn gauges_show_where_names_end() {
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
        // A cluster that was created after the gauges were read, or that has no gauge.
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
    fn without_gauges_only_parts_are_recognized() {
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
    fn a_stat_that_two_clusters_share_is_ambiguous() {
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
    fn the_number_of_names_is_bounded() {
        let mut names = KnownNames::default();
        for (name, is_over_limit) in [("a", false), ("b", false), ("c", true), ("a", false)] {
            assert_eq!(names.add(&format!("cluster.{name}.membership_total"), 2), is_over_limit, "{name}");
        }
    }
}
