//! Finds the position of every value in a JSON text.

use crate::{
    node::{Kind, Node},
    text::Text,
};

/// The maximum nesting depth, which is that of `serde_json`.
const MAX_DEPTH: usize = 128;

/// Parses a text that `serde_json` accepts. Returns `None` if it is not JSON.
pub fn parse(text: &Text) -> Option<Node> {
    let mut reader = Reader { text, at: 0 };
    let node = reader.value(MAX_DEPTH)?;
    reader.skip_whitespace();
    (reader.at == text.as_str().len()).then_some(node)
}

struct Reader<'t> {
    text: &'t Text,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_str().as_bytes().get(self.at).copied()
    }

    fn skip_whitespace(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at = self.at.saturating_add(1);
        }
    }

    /// Skips whitespace and then a byte, if it is next.
    fn accept(&mut self, byte: u8) -> bool {
        self.skip_whitespace();
        let is_next = self.peek() == Some(byte);
        self.at = self.at.saturating_add(usize::from(is_next));
        is_next
    }

    fn value(&mut self, depth: usize) -> Option<Node> {
        let below = depth.checked_sub(1)?;
        self.skip_whitespace();
        let start = self.at;
        let kind = match self.peek()? {
            b'{' => self.object(below)?,
            b'[' => self.list(below)?,
            b'"' => Kind::Text(self.string()?),
            _ => self.word()?,
        };
        Some(Node { span: self.text.span(start..self.at), kind, tag: String::new() })
    }

    fn object(&mut self, depth: usize) -> Option<Kind> {
        let mut members = Vec::new();
        self.accept(b'{');
        while !self.accept(b'}') {
            if !members.is_empty() && !self.accept(b',') {
                return None;
            }
            self.skip_whitespace();
            let start = self.at;
            let key = Kind::Text(self.string()?);
            let key = Node { span: self.text.span(start..self.at), kind: key, tag: String::new() };
            if !self.accept(b':') {
                return None;
            }
            members.push((key, self.value(depth)?));
        }
        Some(Kind::Mapping(members))
    }

    fn list(&mut self, depth: usize) -> Option<Kind> {
        let mut items = Vec::new();
        self.accept(b'[');
        while !self.accept(b']') {
            if !items.is_empty() && !self.accept(b',') {
                return None;
            }
            items.push(self.value(depth)?);
        }
        Some(Kind::Sequence(items))
    }

    fn string(&mut self) -> Option<Text> {
        let start = self.at;
        let bytes = self.text.as_str().as_bytes();
        let mut end = start.checked_add(1)?;
        while *bytes.get(end)? != b'"' {
            end = end.checked_add(if *bytes.get(end)? == b'\\' { 2 } else { 1 })?;
        }
        self.at = end.checked_add(1)?;
        let decoded: String = serde_json::from_str(self.text.as_str().get(start..self.at)?).ok()?;
        let raw = self.text.as_str().get(start.checked_add(1)?..end)?;
        let mut characters = Vec::new();
        let mut rest = raw.char_indices().peekable();
        for character in decoded.chars() {
            let (index, first) = rest.next()?;
            characters.push((character, start.saturating_add(1).saturating_add(index)));
            if first == '\\' {
                let is_unicode = rest.next().is_some_and(|(_, letter)| letter == 'u');
                // A character beyond the basic plane is two escapes.
                let digits = match (is_unicode, character.len_utf16()) {
                    (true, 2) => 10,
                    (true, _) => 4,
                    (false, _) => 0,
                };
                for _ in 0..digits {
                    rest.next();
                }
            }
        }
        Some(self.text.decoded(characters, end))
    }

    /// Reads a number, a Boolean or null.
    fn word(&mut self) -> Option<Kind> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
            self.at = self.at.saturating_add(1);
        }
        let text = self.text.part(start..self.at)?;
        let is_json = !text.as_str().is_empty() && serde_json::from_str::<serde_json::Value>(text.as_str()).is_ok();
        is_json.then_some(Kind::Plain(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_serde_json_and_have_positions() {
        let file = r#" {"a": [1, -2.5e3, true, null, "t\"\u00e9\ud83d\ude00x"], "b": {"c": {}, "d": []}} "#;
        let node = parse(&Text::of_file(file)).unwrap();
        assert_eq!(node.to_json(), serde_json::from_str::<serde_json::Value>(file).unwrap());
        let found = node.find("a[1]");
        assert_eq!((&file[found.node.span.clone()], found.is_whole), ("-2.5e3", true));
        let found = node.find("b.c");
        assert_eq!(&file[found.key.unwrap().span.clone()], "\"c\"");
        let found = node.find("b.missing.x");
        assert_eq!((&file[found.node.span.clone()], found.is_whole), (r#"{"c": {}, "d": []}"#, false));
        let text = node.find("a[4]").node.text().unwrap().clone();
        let at = text.as_str().find('x').unwrap();
        assert_eq!(&file[text.span(at..at + 1)], "x");
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in ["", "{", "{a: 1}", "[1,,2]", "{\"a\" 1}", "[1] x", "nul", &"[".repeat(1000)] {
            assert!(parse(&Text::of_file(text)).is_none(), "{text}");
        }
    }
}
