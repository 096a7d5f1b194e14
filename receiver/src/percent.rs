//! Percent-encoding of texts in URLs and forms.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// The bytes to encode in a value of a query or a form: all but the unreserved characters of
/// RFC 3986, section 2.3.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use percent_encoding::utf8_percent_encode;

    use super::*;

    #[test]
    fn all_but_unreserved_characters_are_encoded() {
        let encoded = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
        assert_eq!(encoded("^a|b é$"), "%5Ea%7Cb%20%C3%A9%24");
        for byte in 0..128u8 {
            let is_unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            let text = char::from(byte).to_string();
            let expected = if is_unreserved { text.clone() } else { format!("%{byte:02X}") };
            assert_eq!(encoded(&text), expected);
        }
    }
}
