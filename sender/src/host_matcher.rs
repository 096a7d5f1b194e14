//! Matches the hosts of requests.

use std::fmt;

use acpw_metric::Set;

/// Matches the authorities of requests against `match_hosts`. Without entries, every host matches.
#[derive(Clone, Debug, Default)]
pub struct HostMatcher {
    /// Entries without a wildcard, in lower case, with the port if the entry has one.
    names: Set<Box<[u8]>>,
    /// Entries that start with `*.`, without the asterisk.
    suffixes: Set<Box<[u8]>>,
}

impl HostMatcher {
    /// Adds an entry: a host name or `*.` followed by a host name, with or without a port.
    ///
    /// # Errors
    /// Returns an error if the text is neither.
    pub fn add(&mut self, entry: &str) -> Result<(), InvalidHost> {
        let mut key = Vec::with_capacity(entry.len());
        append_canonical(&mut key, entry.as_bytes());
        let host = key.strip_prefix(b"*.").unwrap_or(&key);
        let (name, port) = split_port(host);
        let is_port = port.is_none_or(|port| std::str::from_utf8(port).is_ok_and(|port| port.parse::<u16>().is_ok()));
        if !is_host_name(name) || !is_port || entry.contains('@') {
            return Err(InvalidHost(entry.to_owned()));
        }
        match key.strip_prefix(b"*") {
            Some(suffix) => self.suffixes.insert(suffix.into()),
            None => self.names.insert(key.into()),
        };
        Ok(())
    }

    /// Returns the number of distinct entries.
    pub fn len(&self) -> usize {
        self.names.len().saturating_add(self.suffixes.len())
    }

    /// Returns another entry that matches every host that `entry` matches and so makes `entry` redundant.
    pub fn covering(&self, entry: &str) -> Option<String> {
        let mut key = Vec::with_capacity(entry.len());
        append_canonical(&mut key, entry.as_bytes());
        let key = key.strip_prefix(b"*").unwrap_or(&key);
        for host in [key, split_port(key).0] {
            if host != key && self.names.contains(host) {
                return Some(String::from_utf8_lossy(host).into_owned());
            }
            let is_other = |suffix: &&[u8]| *suffix != key && self.suffixes.contains(*suffix);
            if let Some(suffix) = suffixes(host).find(is_other) {
                return Some(format!("*{}", String::from_utf8_lossy(suffix)));
            }
        }
        None
    }

    /// Returns whether an authority matches. If it does, appends the host to `out`, which is the value of the dimension
    /// `host`.
    ///
    /// The host is in lower case, without user information and without a trailing dot. It has a port only if the
    /// matching entry has one.
    pub fn matches(&self, authority: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        append_canonical(out, authority);
        let lower = out.get(start..).unwrap_or_default();
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

    /// Returns whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.suffixes.is_empty()
    }

    fn has(&self, host: &[u8]) -> bool {
        if self.names.contains(host) {
            return true;
        }
        if self.suffixes.is_empty() {
            return false;
        }
        suffixes(host).skip_while(|suffix| suffix.len() == host.len()).any(|suffix| self.suffixes.contains(suffix))
    }
}

/// Returns the suffixes of a host that start with a dot, the longest first.
fn suffixes(host: &[u8]) -> impl Iterator<Item = &[u8]> {
    let dots = host.iter().enumerate().filter(|(_, byte)| **byte == b'.');
    dots.filter_map(|(at, _)| host.get(at..))
}

/// Appends an authority in canonical form: in lower case, without user information (RFC 3986, section 3.2.1), and
/// without the trailing dot of a fully qualified name.
fn append_canonical(out: &mut Vec<u8>, authority: &[u8]) {
    let host = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    let name = split_port(host).0;
    let whole = name.strip_suffix(b".").filter(|whole| !whole.is_empty() && !whole.ends_with(b".")).unwrap_or(name);
    let start = out.len();
    out.extend_from_slice(whole);
    out.extend_from_slice(host.get(name.len()..).unwrap_or_default());
    out.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
}

/// Splits an authority into host and port. Colons inside the brackets of an IPv6 literal are part of the host.
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

/// An invalid entry of `match_hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidHost(String);

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.0.escape_default();
        match self.0.as_str() {
            "*" => f.write_str("\"*\" is not a host name; remove match_hosts to count the requests to all hosts"),
            _ => write!(f, "\"{entry}\" is not a host name; write example.com, *.example.com or example.com:8080"),
        }
    }
}

impl std::error::Error for InvalidHost {}

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
    fn case_and_port_are_ignored_if_the_entry_has_no_port() {
        let entries = ["Example.com", "[2001:DB8::1]"];
        for authority in ["example.com", "EXAMPLE.COM", "example.com:18000"] {
            assert_eq!(matched(&entries, authority).as_deref(), Some("example.com"));
        }
        assert_eq!(matched(&entries, "[2001:db8::1]:443").as_deref(), Some("[2001:db8::1]"));
        for authority in ["example.org", "a.example.com", "example.com..", "example.co", "", ":", "example.com:x]"] {
            assert_eq!(matched(&entries, authority), None, "{authority}");
        }
    }

    #[test]
    fn a_wildcard_matches_all_subdomains_but_not_the_domain_itself() {
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
    fn an_entry_with_a_port_matches_that_port_only_and_the_host_has_it() {
        let entries = ["example.com:8080", "*.example.org:81"];
        assert_eq!(matched(&entries, "Example.com:8080").as_deref(), Some("example.com:8080"));
        assert_eq!(matched(&entries, "a.example.org:81").as_deref(), Some("a.example.org:81"));
        for authority in ["example.com", "example.com:80", "a.example.org", "a.example.org:82"] {
            assert_eq!(matched(&entries, authority), None, "{authority}");
        }
    }

    #[test]
    fn a_trailing_dot_is_ignored() {
        for entries in [["example.com", "example.org:81"], ["Example.com.", "example.org.:81"]] {
            assert_eq!(matched(&entries, "example.com.").as_deref(), Some("example.com"));
            assert_eq!(matched(&entries, "example.com.:8080").as_deref(), Some("example.com"));
            assert_eq!(matched(&entries, "example.com").as_deref(), Some("example.com"));
            assert_eq!(matched(&entries, "example.org.:81").as_deref(), Some("example.org:81"));
            assert_eq!(matched(&entries, "example.org.:82"), None);
        }
        assert_eq!(matched(&["*.example.com."], "a.example.com.").as_deref(), Some("a.example.com"));
        assert_eq!(matched(&[], "Example.com.:80").as_deref(), Some("example.com"));
        for malformed in [".", ".:80", "..", "a.."] {
            assert_eq!(matched(&[], malformed).as_deref(), malformed.split(':').next(), "{malformed}");
        }
    }

    #[test]
    fn user_information_is_ignored() {
        for entries in [&[][..], &["example.com"], &["*.com"]] {
            for authority in ["bob:pw@example.com", "bob@example.com:8080", "bob:a@b@Example.com.", "@example.com"] {
                assert_eq!(matched(entries, authority).as_deref(), Some("example.com"), "{authority}");
            }
        }
        assert_eq!(matched(&["example.com"], "example.com@evil.org"), None);
        assert_eq!(matched(&["example.com:81"], "bob:pw@example.com:81").as_deref(), Some("example.com:81"));
        assert_eq!(matched(&[], "bob:pw@[::1]:80").as_deref(), Some("[::1]"));
    }

    #[test]
    fn a_redundant_entry_is_found() {
        let entries = ["example.com", "*.example.org", "*.example.net:81", "*.a.example.org"];
        for (entry, expected) in [
            ("example.com", None),
            ("example.com:8080", Some("example.com")),
            ("a.b.Example.org.", Some("*.example.org")),
            ("*.b.example.org", Some("*.example.org")),
            ("*.example.org", None),
            ("*.example.org:80", Some("*.example.org")),
            ("a.example.net", None),
            ("a.example.net:81", Some("*.example.net:81")),
            ("a.example.net:82", None),
            ("example.org", None),
        ] {
            assert_eq!(matcher(&entries).covering(entry).as_deref(), expected, "{entry}");
        }
        assert_eq!(matcher(&["a.com", "A.com.", "*.a.com"]).len(), 2);
    }

    #[test]
    fn an_asterisk_alone_is_refused_with_advice() {
        let error = HostMatcher::default().add("*").unwrap_err().to_string();
        assert_eq!(error, "\"*\" is not a host name; remove match_hosts to count the requests to all hosts");
    }

    #[test]
    fn malformed_hosts_are_refused() {
        let long = "a".repeat(254);
        for entry in
            ["", "exa mple.com", "*", "*.", "a.*.com", "http://a", "a/b", "a:b", "a:99999", "..", "é", "u@a", &long]
        {
            assert_eq!(HostMatcher::default().add(entry), Err(InvalidHost(entry.to_owned())), "{entry}");
        }
        assert!(HostMatcher::default().add(&long[1..]).is_ok());
    }

    proptest! {
        #[test]
        fn a_host_is_appended_if_and_only_if_the_authority_matches(authority: Vec<u8>) {
            let mut out = Vec::new();
            if matcher(&["*.example.com", "a:80"]).matches(&authority, &mut out) {
                prop_assert!(out.ends_with(b".example.com") || out == b"a:80");
            } else {
                prop_assert!(out.is_empty());
            }
        }
    }
}
