//! The canonical URI and the canonical query string.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode};

/// The bytes that *UriEncode* encodes: all except the unreserved characters of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Returns *CanonicalURI* for services other than Amazon S3.
///
/// Normalises the path by RFC 3986, section 5.2.4, which removes dot segments and redundant slashes, and then encodes
/// each segment. The path as sent is already encoded once, so its `%` becomes `%25`: AWS requires double encoding.
pub(crate) fn canonical_path(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let mut canonical = String::with_capacity(path.len());
    for segment in &segments {
        canonical.push('/');
        canonical.extend(utf8_percent_encode(segment, RESERVED));
    }
    // A dot segment at the end refers to a directory, which ends with a slash.
    if segments.is_empty() || matches!(path.rsplit('/').next(), Some("" | "." | "..")) {
        canonical.push('/');
    }
    canonical
}

/// Returns *CanonicalQueryString*: all names and values decoded and encoded again, sorted by encoded name and then by
/// encoded value, with an `=` after each name and without empty parameters.
///
/// A `+` is a space, as in an HTML form. A `%` that is not followed by two hexadecimal digits stands for itself.
pub(crate) fn canonical_query(query: &str) -> String {
    let mut parameters: Vec<(String, String)> = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let parameter = (recoded(name), recoded(value));
        // Inserting in order is fast enough for a few parameters; a generic sort would add more code than this file
        // has.
        let index = parameters.partition_point(|earlier| *earlier <= parameter);
        parameters.insert(index, parameter);
    }
    let mut canonical = String::new();
    for (name, value) in &parameters {
        if !canonical.is_empty() {
            canonical.push('&');
        }
        canonical.push_str(name);
        canonical.push('=');
        canonical.push_str(value);
    }
    canonical
}

/// Decodes a part of a query and encodes it for the canonical query.
fn recoded(part: &str) -> String {
    let part = part.replace('+', " ");
    let decoded: Vec<u8> = percent_decode_str(&part).collect();
    percent_encode(&decoded, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNRESERVED: &str = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    #[test]
    fn paths_are_normalised() {
        for (path, expected) in [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/./", "/"),
            ("/..", "/"),
            ("/example/..", "/"),
            ("/example1/example2/../..", "/"),
            ("/./example", "/example"),
            ("//example//", "/example/"),
            ("/a/b/.", "/a/b/"),
            ("/a/b/..", "/a/"),
            ("/../../a", "/a"),
            ("/a/...", "/a/..."),
            ("a", "/a"),
        ] {
            assert_eq!(canonical_path(path), expected, "{path}");
        }
    }

    #[test]
    fn paths_are_encoded_a_second_time() {
        assert_eq!(canonical_path("/documents%20and%20settings/"), "/documents%2520and%2520settings/");
        assert_eq!(
            canonical_path("/test/@connections/JBDvjfGEIAMCERw%3D"),
            "/test/%40connections/JBDvjfGEIAMCERw%253D"
        );
        assert_eq!(canonical_path("/example space/"), "/example%20space/");
        assert_eq!(canonical_path("/ሴ"), "/%E1%88%B4");
        assert_eq!(canonical_path(UNRESERVED), std::format!("/{UNRESERVED}"));
    }

    #[test]
    fn queries_are_sorted_by_encoded_name_then_value() {
        for (query, expected) in [
            ("", ""),
            ("&&", ""),
            ("Param2=value2&Param1=value1", "Param1=value1&Param2=value2"),
            ("Param1=value2&Param1=Value1", "Param1=Value1&Param1=value2"),
            ("Param-3=Value3&Param=Value2&%E1%88%B4=Value1", "%E1%88%B4=Value1&Param=Value2&Param-3=Value3"),
            ("b&a=&=c", "=c&a=&b="),
            ("a=1=2", "a=1%3D2"),
        ] {
            assert_eq!(canonical_query(query), expected, "{query}");
        }
    }

    #[test]
    fn queries_are_decoded_and_encoded_once() {
        for (query, expected) in [
            ("k=a%20b+c d", "k=a%20b%20c%20d"),
            ("k=%2b%2B%7e/", "k=%2B%2B~%2F"),
            ("k=%&l=%4&m=%zz", "k=%25&l=%254&m=%25zz"),
            ("ሴ=bar", "%E1%88%B4=bar"),
            ("k=%FF", "k=%FF"),
        ] {
            assert_eq!(canonical_query(query), expected, "{query}");
        }
        assert_eq!(canonical_query(UNRESERVED), std::format!("{UNRESERVED}="));
    }
}
