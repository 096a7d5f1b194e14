//! Dimensions: name-value pairs that identify the series of a metric.

use std::fmt;

use percent_encoding::percent_encode_byte;

use crate::{
    quota::{MAX_DIMENSION_NAME_LENGTH, MAX_DIMENSION_VALUE_LENGTH, MAX_DIMENSIONS},
    text::{check, check_name, checked_text, is_printable},
};

/// The dimension value of the overflow series.
///
/// A sender counts requests beyond its `max_series` in this series, so that totals stay exact.
pub const OVERFLOW_VALUE: &str = "__other__";

checked_text! {
    /// A dimension's name: 1 to 255 printable ASCII characters, not all spaces, not starting with a colon.
    DimensionName, |text| check_name(text, MAX_DIMENSION_NAME_LENGTH)
}

checked_text! {
    /// A dimension's value: 1 to 1,024 printable ASCII characters, not all spaces.
    DimensionValue, |text| check(text, MAX_DIMENSION_VALUE_LENGTH)
}

impl DimensionValue {
    /// Appends untrusted bytes to `out` as a valid dimension value. Returns false, and leaves `out` unchanged, if the
    /// bytes are empty or consist of spaces only.
    ///
    /// Printable ASCII is kept. Every other byte is written as `%` and two upper-case hexadecimal digits. The result is
    /// truncated to 1,024 characters, CloudWatch's limit.
    pub fn append_sanitized(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
        // Most values are short and printable.
        if bytes.len() <= MAX_DIMENSION_VALUE_LENGTH
            && bytes.first().is_some_and(|byte| *byte != b' ')
            && is_all_printable(bytes)
        {
            out.extend_from_slice(bytes);
            return true;
        }
        let start = out.len();
        append_percent_encoded(out, bytes, start.saturating_add(MAX_DIMENSION_VALUE_LENGTH));
        let is_value = out.get(start..).is_some_and(|value| value.iter().any(|byte| *byte != b' '));
        if !is_value {
            out.truncate(start);
        }
        is_value
    }
}

/// Returns whether all bytes are printable ASCII.
///
/// Checks eight bytes at a time, because every dimension of every request passes through this function.
fn is_all_printable(bytes: &[u8]) -> bool {
    /// Repeats a byte eight times.
    const fn repeat(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    let (chunks, rest) = bytes.as_chunks();
    // The highest bit of a byte becomes 1 if the byte is not ASCII, if it is below a space (the subtraction borrows),
    // or if it is DEL (the addition carries). A borrow or carry can only disturb the next byte if this byte is not
    // printable, so the result is right in any case.
    let high_bits = chunks.iter().fold(0, |high_bits, chunk| {
        let chunk = u64::from_ne_bytes(*chunk);
        high_bits | chunk | chunk.wrapping_sub(repeat(b' ')) | chunk.wrapping_add(repeat(1))
    });
    high_bits & repeat(0x80) == 0 && rest.iter().copied().all(is_printable)
}

/// Appends bytes until `out` has `limit` bytes. Writes a byte that is not printable as `%` and two digits, and stops
/// before an escape that does not fit.
fn append_percent_encoded(out: &mut Vec<u8>, bytes: &[u8], limit: usize) {
    for byte in bytes {
        let text = match is_printable(*byte) {
            true => std::slice::from_ref(byte),
            false => percent_encode_byte(*byte).as_bytes(),
        };
        if text.len() > limit.saturating_sub(out.len()) {
            return;
        }
        out.extend_from_slice(text);
    }
}

/// The dimensions of one series: at most 30, with unique names, sorted by name.
///
/// The order of dimensions has no meaning in CloudWatch. Because they are sorted here, equal sets compare as equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dimensions(Vec<(DimensionName, DimensionValue)>);

impl Dimensions {
    /// Creates a set of dimensions, given in any order.
    ///
    /// # Errors
    /// Returns an error if there are more than 30 dimensions or if a name occurs twice.
    pub fn new(mut dimensions: Vec<(DimensionName, DimensionValue)>) -> Result<Self, DimensionsError> {
        if dimensions.len() > MAX_DIMENSIONS {
            return Err(DimensionsError::TooMany(dimensions.len()));
        }
        // An insertion sort: there are few dimensions, usually in order, and the standard library's sort would add more
        // code than the rest of this file.
        for end in 1..dimensions.len() {
            let mut at = end;
            while let Some([(left, _), (right, _)]) = dimensions.get(at.wrapping_sub(1)..=at)
                && left > right
            {
                dimensions.swap(at - 1, at);
                at -= 1;
            }
        }
        let mut names = dimensions.iter().map(|(name, _)| name);
        let mut next = dimensions.iter().map(|(name, _)| name).skip(1);
        while let (Some(name), Some(following)) = (names.next(), next.next()) {
            if name == following {
                return Err(DimensionsError::Duplicate(name.clone()));
            }
        }
        Ok(Self(dimensions))
    }

    /// Creates a set from names and values that are already checked and sorted by name.
    pub fn from_borrowed(dimensions: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| (DimensionName((*name).into()), DimensionValue((*value).into()));
        Self(dimensions.iter().map(own).collect())
    }

    /// Returns names and values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the number of dimensions.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no dimensions.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the total length of all names and values in bytes.
    pub(crate) fn text_bytes(&self) -> usize {
        self.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum()
    }
}

/// A list of dimensions that CloudWatch does not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DimensionsError {
    /// The list has this many dimensions, more than 30.
    TooMany(usize),
    /// This name occurs more than once.
    Duplicate(DimensionName),
}

impl fmt::Display for DimensionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany(count) => write!(f, "must have at most {MAX_DIMENSIONS} dimensions, got {count}"),
            Self::Duplicate(name) => write!(f, "has two dimensions with the name \"{name}\""),
        }
    }
}

impl std::error::Error for DimensionsError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::TextError;

    fn sanitized(bytes: &[u8]) -> Option<String> {
        let mut out = b"before".to_vec();
        let is_value = DimensionValue::append_sanitized(&mut out, bytes);
        let text = String::from_utf8(out).unwrap();
        let value = text.strip_prefix("before").unwrap().to_owned();
        assert_eq!(is_value, !value.is_empty());
        is_value.then_some(value)
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_become_a_valid_value_unless_they_are_blank(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            match sanitized(&bytes) {
                Some(value) => prop_assert!(DimensionValue::new(&value).is_ok()),
                None => prop_assert!(bytes.iter().all(|byte| *byte == b' ')),
            }
        }
    }

    #[test]
    fn bytes_that_are_not_printable_are_percent_encoded() {
        assert_eq!(sanitized(b"/caf\xc3\xa9\n").as_deref(), Some("/caf%C3%A9%0A"));
        assert_eq!(sanitized(b"plain value").as_deref(), Some("plain value"));
        assert_eq!(sanitized(b"\xff").as_deref(), Some("%FF"));
        assert_eq!(sanitized(b""), None);
        assert_eq!(sanitized(b"   "), None);
    }

    #[test]
    fn a_long_value_is_truncated_at_the_quota_but_never_within_an_escape() {
        let limit = MAX_DIMENSION_VALUE_LENGTH;
        for length in [limit - 1, limit, limit + 1, 60 * 1024] {
            assert_eq!(sanitized(&vec![b'a'; length]).unwrap().len(), length.min(limit));
        }
        let mut bytes = vec![b'a'; limit - 2];
        bytes.push(0xff);
        assert_eq!(sanitized(&bytes).unwrap().len(), limit - 2);
    }

    #[test]
    fn lengths_and_counts_are_limited_to_cloudwatchs_quotas() {
        for (length, fits) in [(0, false), (1, true), (254, true), (255, true), (256, false)] {
            assert_eq!(DimensionName::new(&"n".repeat(length)).is_ok(), fits, "{length}");
        }
        for (length, fits) in [(0, false), (1, true), (1023, true), (1024, true), (1025, false)] {
            assert_eq!(DimensionValue::new(&"v".repeat(length)).is_ok(), fits, "{length}");
        }
        for (count, fits) in [(0, true), (29, true), (30, true), (31, false)] {
            let dimensions = (0..count).map(|n| pair(&format!("n{n}"), "v")).collect();
            assert_eq!(Dimensions::new(dimensions).is_ok(), fits, "{count}");
        }
    }

    #[test]
    fn an_error_names_the_rule_that_is_broken() {
        assert_eq!(DimensionName::new(":path"), Err(TextError::LeadingColon));
        assert_eq!(DimensionValue::new(":path").map(|value| value.to_string()), Ok(":path".to_owned()));
        assert_eq!(DimensionValue::new("  "), Err(TextError::Blank));
        assert_eq!(DimensionValue::new("é"), Err(TextError::NotPrintableAscii));
        let twice = Dimensions::new(vec![pair("a", "1"), pair("b", "2"), pair("a", "3")]);
        assert_eq!(twice.unwrap_err().to_string(), "has two dimensions with the name \"a\"");
    }

    #[test]
    fn sets_with_the_same_dimensions_in_another_order_are_equal() {
        let one = Dimensions::new(vec![pair("a", "1"), pair("b", "2")]);
        let other = Dimensions::new(vec![pair("b", "2"), pair("a", "1")]);
        assert_eq!(one, other);
    }

    fn pair(name: &str, value: &str) -> (DimensionName, DimensionValue) {
        (DimensionName::new(name).unwrap(), DimensionValue::new(value).unwrap())
    }
}
