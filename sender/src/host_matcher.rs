//! Which hosts' requests are observed.

use std::fmt;

use acpw_metric::Set;

/// Matches the authority of requests against `match_hosts`. Without an entry every host matches.
#[derive(Clone, Debug, Default)]
pub struct HostMatcher {
    /// Whole names, lower-case, with the port where the entry has one.
    names: Set<Box<[u8]>>,
    /// What follows `*` in an entry, from the dot on.
    suffixes: Set<Box<[u8]>>,
}

impl HostMatcher {
    /// Adds an entry: a host name or `*.` and a host name, with or without a port.
    ///
    /// # Errors
    /// Text that is neither.
    pub fn add(&mut self, entry: &str) -> Result<(), HostError> {
        let lower = entry.to_ascii_lowercase();
        let (suffix, host) = match lower.strip_prefix("*.") {
            Some(host) => (lower.strip_prefix('*'), host),
            None => (None, lower.as_str()),
        };
        let (name, port) = split_port(host.as_bytes());
        let is_port = port.is_none_or(|port| std::str::from_utf8(port).is_ok_and(|port| port.parse::<u16>().is_ok()));
        if !is_host_name(name) || !is_port {
            return Err(HostError(entry.to_owned()));
        }
        match suffix {
            Some(suffix) => self.suffixes.insert(suffix.as_bytes().into()),
            None => self.names.insert(lower.into_bytes().into()),
        };
        Ok(())
    }

    /// Whether a request with this authority is to be observed; if so, the name under which it counts is appended to
    /// `out`: lower-case, without the port unless the entry that matches has one.
    pub fn matches(&self, authority: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        out.extend_from_slice(authority);
        let lower = out.get_mut(start..).unwrap_or_default();
        lower.make_ascii_lowercase();
        let name = split_port(lower).0;
        let length = if self.is_empty() || self.has(name) {
            name.len()
        } else if name.len() < lower.len() && self.has(lower) {
            lower.len()
        } else {
            out.truncate(start);
            return false;
        };
        out.truncate(start.saturating_add(length));
        true
    }

    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.suffixes.is_empty()
    }

    fn has(&self, host: &[u8]) -> bool {
        if self.names.contains(host) {
            return true;
        }
        if self.suffixes.is_empty() {
            return false;
        }
        let mut dots = host.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'.');
        dots.any(|(at, _)| host.get(at..).is_some_and(|suffix| self.suffixes.contains(suffix)))
    }
}

/// Host and port of an authority. The colons within an IPv6 literal's brackets separate nothing.
fn split_port(authority: &[u8]) -> (&[u8], Option<&[u8]>) {
    let Some(colon) = authority.iter().rposition(|byte| *byte == b':') else { return (authority, None) };
    match authority.split_at_checked(colon) {
        Some((host, [_, port @ ..])) if !port.contains(&b']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn is_host_name(name: &[u8]) -> bool {
    if let [b'[', address @ .., b']'] = name {
        return !address.is_empty() && address.iter().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(byte));
    }
    let is_name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=253).contains(&name.len())
        && name.iter().all(is_name_byte)
        && !name.starts_with(b".")
        && !name.windows(2).any(|pair| pair == b"..")
}

/// An entry that is no host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostError(String);

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" is not a host name; write example.com, *.example.com or example.com:8080",
            self.0.escape_default()
        )
    }
}

impl std::error::Error for HostError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matcher(entries: &[&str]) -> HostMatcher {
        let mut matcher = HostMatcher::default();
        for entry in entries {
            matcher.add(entry).unwrap();
        }
        matcher
    }

    fn matched(entries: &[&str], authority: &str) -> Option<String> {
        let mut out = b"kept".to_vec();
        let is_match = matcher(entries).matches(authority.as_bytes(), &mut out);
        let name = String::from_utf8(out).unwrap().strip_prefix("kept").unwrap().to_owned();
        assert!(is_match || name.is_empty());
        is_match.then_some(name)
    }

    #[test]
    fn without_entries_every_host_matches() {
        assert_eq!(matched(&[], "Example.com:8080").as_deref(), Some("example.com"));
        assert_eq!(matched(&[], "[::1]:80").as_deref(), Some("[::1]"));
        assert_eq!(matched(&[], "").as_deref(), Some(""));
    }

    #[test]
    fn names_match_whatever_their_case_and_port() {
        let entries = ["Example.com", "[2001:DB8::1]"];
        for authority in ["example.com", "EXAMPLE.COM", "example.com:18000"] {
            assert_eq!(matched(&entries, authority).as_deref(), Some("example.com"));
        }
        assert_eq!(matched(&entries, "[2001:db8::1]:443").as_deref(), Some("[2001:db8::1]"));
        for authority in ["example.org", "a.example.com", "example.com.", "example.co", "", ":", "example.com:x]"] {
            assert_eq!(matched(&entries, authority), None, "{authority}");
        }
    }

    #[test]
    fn a_suffix_matches_all_names_below_it_and_not_itself() {
        let entries = ["*.example.com"];
        for authority in ["a.example.com", "A.b.Example.com:80"] {
            let name = authority.to_lowercase().replace(":80", "");
            assert_eq!(matched(&entries, authority), Some(name));
        }
        for authority in ["example.com", ".example.com", "aexample.com", "a.example.com.evil.org"] {
            assert_eq!(matched(&entries, authority), None, "{authority}");
        }
    }

    #[test]
    fn an_entry_with_a_port_matches_that_port_only_and_keeps_it() {
        let entries = ["example.com:8080", "*.example.org:81"];
        assert_eq!(matched(&entries, "Example.com:8080").as_deref(), Some("example.com:8080"));
        assert_eq!(matched(&entries, "a.example.org:81").as_deref(), Some("a.example.org:81"));
        for authority in ["example.com", "example.com:80", "a.example.org", "a.example.org:82"] {
            assert_eq!(matched(&entries, authority), None, "{authority}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = "a".repeat(254);
        for entry in ["", "exa mple.com", "*", "*.", "a.*.com", "http://a", "a/b", "a:b", "a:99999", "..", "é", &long]
        {
            assert_eq!(HostMatcher::default().add(entry), Err(HostError(entry.to_owned())), "{entry}");
        }
        assert!(HostMatcher::default().add(&long[1..]).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_match_or_do_not(authority: Vec<u8>) {
            let mut out = Vec::new();
            if matcher(&["*.example.com", "a:80"]).matches(&authority, &mut out) {
                prop_assert!(out.ends_with(b".example.com") || out == b"a:80");
            } else {
                prop_assert!(out.is_empty());
            }
        }
    }
}
