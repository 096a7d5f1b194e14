//! Text from a file that remembers where in the file each of its bytes is.

use std::ops::Range;

/// Text that was decoded from a file, such as a block scalar of YAML, with the position of each byte in the file.
///
/// A text can be decoded from another text: JSON in a block scalar in a bootstrap in a ConfigMap. Positions always
/// refer to the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    content: String,
    /// The offset in the file of each byte of `content`, and of its end.
    offsets: Vec<usize>,
}

impl Text {
    /// Creates the text of a whole file.
    pub fn of_file(content: &str) -> Self {
        Self { content: content.to_owned(), offsets: (0..=content.len()).collect() }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.content
    }

    /// Returns the range in the file of a range of bytes of the text.
    pub fn span(&self, range: Range<usize>) -> Range<usize> {
        let start = self.offset(range.start);
        // The end of a range is the end of its last byte: an escape or a line break may follow.
        let end = match range.end.checked_sub(1) {
            Some(last) if range.end > range.start => self.end_of(last),
            _ => start,
        };
        start..end.max(start)
    }

    /// Returns the offset in the file of a byte of the text.
    fn offset(&self, index: usize) -> usize {
        let last = self.offsets.last().copied().unwrap_or_default();
        self.offsets.get(index).copied().unwrap_or(last)
    }

    /// Returns the offset in the file after a byte of the text.
    fn end_of(&self, index: usize) -> usize {
        let (start, next) = (self.offset(index), self.offset(index.saturating_add(1)));
        let is_break = self.content.as_bytes().get(index.saturating_add(1)).is_none_or(u8::is_ascii_whitespace);
        // What follows may be on another line, after an indentation.
        if is_break { start.saturating_add(1) } else { next }
    }

    /// Returns a part of the text.
    pub fn part(&self, range: Range<usize>) -> Option<Self> {
        let content = self.content.get(range.clone())?.to_owned();
        let offsets = self.offsets.get(range.start..=range.end)?.to_vec();
        Some(Self { content, offsets })
    }

    /// Creates the text that `decode` made of a part of this text: characters, each with the range of bytes of this
    /// text that it stands for.
    pub(crate) fn decoded(&self, characters: impl IntoIterator<Item = (char, usize)>, end: usize) -> Self {
        let mut text = Self::default();
        for (character, index) in characters {
            for byte in 0..character.len_utf8() {
                let is_same = self.content.as_bytes().get(index).is_some_and(|first| !first.is_ascii());
                text.offsets.push(self.offset(if is_same { index.saturating_add(byte) } else { index }));
            }
            text.content.push(character);
        }
        text.offsets.push(self.offset(end));
        text
    }

    /// Returns the text with each `${NAME}` replaced by what `value` returns for `NAME`, unless it returns nothing.
    pub fn substituted(&self, value: impl Fn(&str) -> Option<String>) -> Self {
        let mut characters = Vec::new();
        let mut rest = self.content.char_indices().peekable();
        while let Some((index, character)) = rest.next() {
            let after = self.content.get(index..).and_then(|text| text.strip_prefix("${"));
            let name = after.and_then(|text| text.split_once('}')).map(|(name, _)| name);
            match name.and_then(|name| Some((name, value(name)?))) {
                Some((name, value)) => {
                    characters.extend(value.chars().map(|character| (character, index)));
                    let end = index.saturating_add(name.len()).saturating_add(3);
                    while rest.next_if(|(index, _)| *index < end).is_some() {}
                }
                None => characters.push((character, index)),
            }
        }
        self.decoded(characters, self.content.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_substituted_text_keeps_the_positions_of_what_follows() {
        let file = Text::of_file("a ${X} b ${Y}");
        let text = file.substituted(|name| (name == "X").then(|| "long value".to_owned()));
        assert_eq!(text.as_str(), "a long value b ${Y}");
        assert_eq!(text.span(13..14), 7..8);
        assert_eq!(text.span(2..6).start, 2);
    }

    #[test]
    fn characters_of_several_bytes_keep_their_positions() {
        let file = Text::of_file("é = ü");
        let part = file.part(3..7).unwrap();
        assert_eq!((part.as_str(), part.span(2..4)), ("= ü", 5..7));
    }
}
