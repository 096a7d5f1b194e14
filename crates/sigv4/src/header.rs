//! Canonical headers and the list of signed headers.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::SignError;

pub(crate) const AUTHORIZATION: &str = "authorization";
pub(crate) const HOST: &str = "host";
pub(crate) const X_AMZ_CONTENT_SHA256: &str = "x-amz-content-sha256";
pub(crate) const X_AMZ_DATE: &str = "x-amz-date";
pub(crate) const X_AMZ_SECURITY_TOKEN: &str = "x-amz-security-token";

/// The headers that the signer adds itself.
const RESERVED: [&str; 5] = [AUTHORIZATION, HOST, X_AMZ_CONTENT_SHA256, X_AMZ_DATE, X_AMZ_SECURITY_TOKEN];

/// *CanonicalHeaders*: sorted by lower-case name. Values are trimmed, runs of spaces are folded into one, and the
/// values of repeated headers are joined by commas in their original order.
#[derive(Default)]
pub(crate) struct CanonicalHeaders(Vec<(String, String)>);

impl CanonicalHeaders {
    /// Checks and adds the caller's headers.
    ///
    /// Refuses all control characters, including tabs, because signers do not agree on how to fold a tab.
    pub(crate) fn parse(headers: &[(&str, &str)]) -> Result<Self, SignError> {
        let mut canonical = Self::default();
        for &(name, value) in headers {
            if !is_token(name) {
                return Err(SignError::HeaderName(name.to_owned()));
            }
            if value.bytes().any(|byte| byte.is_ascii_control()) {
                return Err(SignError::HeaderValue(name.to_owned()));
            }
            let lower = name.to_ascii_lowercase();
            if RESERVED.contains(&lower.as_str()) {
                return Err(SignError::ReservedHeader(lower));
            }
            canonical.insert(lower, value);
        }
        Ok(canonical)
    }

    /// Adds a header. Its name must be a lower-case token, and its value must not contain control characters.
    pub(crate) fn insert(&mut self, name: String, value: &str) {
        let mut folded = String::with_capacity(value.len());
        for word in value.split(' ').filter(|word| !word.is_empty()) {
            if !folded.is_empty() {
                folded.push(' ');
            }
            folded.push_str(word);
        }
        let index = self.0.partition_point(|(earlier, _)| *earlier < name);
        match self.0.get_mut(index) {
            Some((same, values)) if *same == name => {
                values.push(',');
                values.push_str(&folded);
            }
            _ => self.0.insert(index, (name, folded)),
        }
    }

    /// Appends a `name:value` line with a line feed for each header.
    pub(crate) fn write_lines(&self, out: &mut String) {
        for (name, value) in &self.0 {
            out.push_str(name);
            out.push(':');
            out.push_str(value);
            out.push('\n');
        }
    }

    /// Returns *SignedHeaders*: the names joined by semicolons.
    pub(crate) fn signed_headers(&self) -> String {
        let mut names = String::new();
        for (name, _) in &self.0 {
            if !names.is_empty() {
                names.push(';');
            }
            names.push_str(name);
        }
        names
    }
}

/// Returns whether `text` is a token (RFC 9110, section 5.6.2), like a method or a header name.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(headers: &[(&str, &str)]) -> String {
        let mut text = String::new();
        CanonicalHeaders::parse(headers).unwrap().write_lines(&mut text);
        text
    }

    #[test]
    fn values_are_trimmed_and_folded() {
        assert_eq!(
            lines(&[("My-Header1", " value1"), ("My-Header2", " \"a   b   c\" ")]),
            "my-header1:value1\nmy-header2:\"a b c\"\n"
        );
        assert_eq!(lines(&[("a", ""), ("b", "   ")]), "a:\nb:\n");
    }

    #[test]
    fn names_are_sorted_and_duplicates_joined_in_their_order() {
        let headers = [("X-B", "4"), ("x-a", "z"), ("x-B", "1"), ("X-b", ""), ("x-b", "3")];
        assert_eq!(lines(&headers), "x-a:z\nx-b:4,1,,3\n");
        assert_eq!(CanonicalHeaders::parse(&headers).unwrap().signed_headers(), "x-a;x-b");
    }

    #[test]
    fn headers_that_the_signer_adds_are_reserved() {
        for name in ["Host", "X-Amz-Date", "Authorization", "x-amz-security-token", "X-AMZ-CONTENT-SHA256"] {
            let error = CanonicalHeaders::parse(&[(name, "x")]).err();
            assert_eq!(error, Some(SignError::ReservedHeader(name.to_ascii_lowercase())));
        }
    }

    #[test]
    fn names_and_values_that_could_inject_a_line_are_refused() {
        for name in ["", ":authority", "a b", "a\n", "é"] {
            let error = CanonicalHeaders::parse(&[(name, "x")]).err();
            assert_eq!(error, Some(SignError::HeaderName(name.to_owned())));
        }
        for value in ["a\nhost:b", "a\r", "a\tb", "\0", "\u{7f}"] {
            let error = CanonicalHeaders::parse(&[("A", value)]).err();
            assert_eq!(error, Some(SignError::HeaderValue("A".to_owned())));
        }
    }
}
