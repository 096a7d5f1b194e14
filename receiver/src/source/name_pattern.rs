//! Patterns of metric names.

/// A name in which each `*` matches any number of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    text: String,
    /// The text between the stars.
    parts: Vec<String>,
}

impl NamePattern {
    /// Creates a pattern.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), parts: text.split('*').map(str::to_owned).collect() }
    }

    /// Returns the pattern as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns true if the pattern has no `*`.
    pub fn is_name(&self) -> bool {
        self.parts.len() == 1
    }

    /// Returns true if the name matches the pattern.
    pub fn matches(&self, name: &str) -> bool {
        let [start, middle @ .., end] = self.parts.as_slice() else { return self.text == name };
        let name = name.as_bytes().strip_prefix(start.as_bytes()).and_then(|rest| rest.strip_suffix(end.as_bytes()));
        let Some(mut name) = name else { return false };
        for part in middle {
            // Matching a part as early as possible leaves the most text for the others.
            let Some(after) = after(name, part.as_bytes()) else { return false };
            name = after;
        }
        true
    }
}

/// Returns the text after the first occurrence of `part`. Names are so short that a searcher with a setup phase is
/// slower.
fn after<'a>(mut text: &'a [u8], part: &[u8]) -> Option<&'a [u8]> {
    let Some((first, _)) = part.split_first() else { return Some(text) };
    loop {
        text = text.get(text.iter().position(|byte| byte == first)?..)?;
        match text.strip_prefix(part) {
            Some(after) => return Some(after),
            None => text = text.get(1..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_any_number_of_characters() {
        for (pattern, name, is_match) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "anything", true),
            ("a*", "a", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*b", "aab", true),
            ("*b", "aba", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1b2", false),
            ("a*b*c", "abbcbc", true),
            ("*ab*ab*", "xabab", true),
            ("*ab*ab*", "xabb", false),
            ("a**c", "abc", true),
        ] {
            assert_eq!(NamePattern::new(pattern).matches(name), is_match, "{pattern} {name}");
        }
    }
}
