//! Dimensions: the names and values that tell one series of a metric from another.

use std::fmt;

use percent_encoding::percent_encode_byte;

use crate::{
    quota::{MAX_DIMENSION_NAME_LENGTH, MAX_DIMENSION_VALUE_LENGTH, MAX_DIMENSIONS},
    text::{check, check_name, checked_text, is_printable},
};

/// The value that stands for all values for which there is no room: requests beyond a sender's `max_series` are counted
/// under it, so that totals stay exact.
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
    /// Appends to `out` what CloudWatch can store of bytes that may come from a stranger, and tells whether it is a
    /// dimension value. Printable ASCII stays, every other byte becomes `%` and two upper-case hexadecimal digits, and
    /// what does not fit into 1,024 characters is cut off. Nothing but spaces, or nothing at all, is no value: `out` is
    /// then as before.
    pub fn append_sanitized(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
        // Almost every value is short and clean.
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

/// Eight bytes at a time: every dimension of every request comes through here.
fn is_all_printable(bytes: &[u8]) -> bool {
    /// A byte in each of eight places.
    const fn each(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    let (eights, rest) = bytes.as_chunks();
    // What is below a space borrows, what is DEL carries, and what is not ASCII has the highest bit. A borrow or a carry into
    // the next byte comes from one that is told already.
    let told = eights.iter().fold(0, |told, eight| {
        let eight = u64::from_ne_bytes(*eight);
        told | eight | eight.wrapping_sub(each(b' ')) | eight.wrapping_add(each(1))
    });
    told & each(0x80) == 0 && rest.iter().copied().all(is_printable)
}

/// Appends bytes, each that is not printable as `%` and two digits, until `out` has `limit` bytes. An
/// escape that does not fit whole is left out.
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

/// The dimensions of one series: at most 30, each name once, in the order of their names. CloudWatch does not heed the
/// order, so equal sets are equal here however they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dimensions(Vec<(DimensionName, DimensionValue)>);

impl Dimensions {
    /// The set of these dimensions.
    ///
    /// # Errors
    /// More than 30 of them, or a name that occurs twice.
    pub fn new(mut dimensions: Vec<(DimensionName, DimensionValue)>) -> Result<Self, DimensionsError> {
        if dimensions.len() > MAX_DIMENSIONS {
            return Err(DimensionsError::TooMany(dimensions.len()));
        }
        // They are few and mostly in order; a sort from the library is larger than all of this file.
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

    /// Creates a set of names and values that were checked already and are in ascending order of the names.
    pub fn from_borrowed(dimensions: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| (DimensionName((*name).into()), DimensionValue((*value).into()));
        Self(dimensions.iter().map(own).collect())
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all names and values.
    pub(crate) fn text_bytes(&self) -> usize {
        self.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum()
    }
}

/// Why dimensions are no set that CloudWatch takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DimensionsError {
    /// There are this many.
    TooMany(usize),
    /// This name occurs more than once.
    Duplicate(DimensionName),
}

impl fmt::Display for DimensionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany(count) => write!(f, "{count} dimensions; CloudWatch takes at most {MAX_DIMENSIONS}"),
            Self::Duplicate(name) => write!(f, "the dimension \"{name}\" occurs twice"),
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
        fn whatever_a_stranger_sends_is_a_value_or_left_out(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            match sanitized(&bytes) {
                Some(value) => prop_assert!(DimensionValue::new(&value).is_ok()),
                None => prop_assert!(bytes.iter().all(|byte| *byte == b' ')),
            }
        }
    }

    #[test]
    fn what_is_not_printable_is_percent_encoded() {
        assert_eq!(sanitized(b"/caf\xc3\xa9\n").as_deref(), Some("/caf%C3%A9%0A"));
        assert_eq!(sanitized(b"plain value").as_deref(), Some("plain value"));
        assert_eq!(sanitized(b"\xff").as_deref(), Some("%FF"));
        assert_eq!(sanitized(b""), None);
        assert_eq!(sanitized(b"   "), None);
    }

    #[test]
    fn a_long_value_is_cut_at_the_quota_and_never_within_an_escape() {
        let limit = MAX_DIMENSION_VALUE_LENGTH;
        for length in [limit - 1, limit, limit + 1, 60 * 1024] {
            assert_eq!(sanitized(&vec![b'a'; length]).unwrap().len(), length.min(limit));
        }
        let mut bytes = vec![b'a'; limit - 2];
        bytes.push(0xff);
        assert_eq!(sanitized(&bytes).unwrap().len(), limit - 2);
    }

    #[test]
    fn lengths_are_bounded_as_cloudwatch_bounds_them() {
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
    fn a_broken_rule_is_named() {
        assert_eq!(DimensionName::new(":path"), Err(TextError::LeadingColon));
        assert_eq!(DimensionValue::new(":path").map(|value| value.to_string()), Ok(":path".to_owned()));
        assert_eq!(DimensionValue::new("  "), Err(TextError::Blank));
        assert_eq!(DimensionValue::new("é"), Err(TextError::NotPrintableAscii));
        let twice = Dimensions::new(vec![pair("a", "1"), pair("b", "2"), pair("a", "3")]);
        assert_eq!(twice.unwrap_err().to_string(), "the dimension \"a\" occurs twice");
    }

    #[test]
    fn the_order_in_which_dimensions_are_written_is_not_heeded() {
        let one = Dimensions::new(vec![pair("a", "1"), pair("b", "2")]);
        let other = Dimensions::new(vec![pair("b", "2"), pair("a", "1")]);
        assert_eq!(one, other);
    }

    fn pair(name: &str, value: &str) -> (DimensionName, DimensionValue) {
        (DimensionName::new(name).unwrap(), DimensionValue::new(value).unwrap())
    }
}
