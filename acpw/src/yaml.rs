//! Parses YAML with the position of every value.

use std::{collections::HashMap, mem, ops::Range};

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use crate::{
    node::{Kind, Node},
    text::Text,
};

/// The maximum number of values in a text. A few lines of aliases of aliases can stand for billions.
const MAX_NODES: usize = 1_000_000;

/// The maximum nesting depth. No configuration is nested as deeply.
const MAX_DEPTH: usize = 128;

/// Text that is not YAML.
#[derive(Debug)]
pub struct SyntaxError {
    /// The position in the file.
    pub span: Range<usize>,
    /// The problem.
    pub message: String,
}

/// Parses all documents in a text.
///
/// # Errors
/// Returns an error if the text is not YAML, is nested deeper than 128 levels, or has more than a million values.
pub fn parse(text: &Text) -> Result<Vec<Node>, SyntaxError> {
    let mut builder = Builder::new(text);
    for event in Parser::new_from_str(text.as_str()) {
        let (event, span) = event.map_err(|error| {
            let at = builder.byte(error.marker().index());
            SyntaxError { span: text.span(at..at), message: error.info().to_owned() }
        })?;
        let bytes = builder.byte(span.start.index())..builder.byte(span.end.index());
        builder.handle(event, bytes.clone()).map_err(|message| SyntaxError { span: text.span(bytes), message })?;
    }
    Ok(builder.documents)
}

/// A list or mapping whose end has not come yet.
struct Open {
    start: usize,
    anchor: usize,
    tag: String,
    /// The items, or keys and values in turn.
    children: Vec<Node>,
    is_mapping: bool,
    nodes: usize,
}

/// Builds documents of the parser's events.
struct Builder<'t> {
    text: &'t Text,
    /// The byte offset of each character, because the parser counts characters.
    starts: Vec<usize>,
    open: Vec<Open>,
    /// Anchored values, each with its number of values.
    anchors: HashMap<usize, (Node, usize)>,
    documents: Vec<Node>,
    nodes: usize,
}

impl<'t> Builder<'t> {
    fn new(text: &'t Text) -> Self {
        let starts = text.as_str().char_indices().map(|(index, _)| index).collect();
        Self { text, starts, open: Vec::new(), anchors: HashMap::new(), documents: Vec::new(), nodes: 0 }
    }

    fn byte(&self, character: usize) -> usize {
        self.starts.get(character).copied().unwrap_or(self.text.as_str().len())
    }

    fn handle(&mut self, event: Event<'_>, bytes: Range<usize>) -> Result<(), String> {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let text = self.scalar(&value, style, bytes.clone());
                let kind = if style == ScalarStyle::Plain { Kind::Plain(text) } else { Kind::Text(text) };
                let node = Node { span: self.text.span(bytes), kind, tag: tag_name(tag.as_deref()) };
                self.add(node, anchor, 1)
            }
            Event::SequenceStart(anchor, tag) => self.begin(bytes.start, anchor, tag.as_deref(), false),
            Event::MappingStart(anchor, tag) => self.begin(bytes.start, anchor, tag.as_deref(), true),
            Event::SequenceEnd | Event::MappingEnd => self.end(bytes.end),
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                let (node, nodes) = known.ok_or("an alias refers to an anchor that does not come before it")?;
                self.add(node, 0, nodes)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn begin(&mut self, start: usize, anchor: usize, tag: Option<&Tag>, is_mapping: bool) -> Result<(), String> {
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        self.open.push(Open { start, anchor, tag: tag_name(tag), children: Vec::new(), is_mapping, nodes: 1 });
        Ok(())
    }

    fn end(&mut self, end: usize) -> Result<(), String> {
        let Some(Open { start, anchor, tag, children, is_mapping, nodes }) = self.open.pop() else { return Ok(()) };
        let kind = if is_mapping { Kind::Mapping(members(children)) } else { Kind::Sequence(children) };
        // A block ends where the next token begins; its last line is what matters.
        let within = self.text.as_str().get(start..end).map_or(0, |text| text.trim_end().len());
        let span = self.text.span(start..start.saturating_add(within));
        self.add(Node { span, kind, tag }, anchor, nodes)
    }

    fn add(&mut self, node: Node, anchor: usize, nodes: usize) -> Result<(), String> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(format!("more than {MAX_NODES} values, counting each alias as what it stands for"));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), nodes));
        }
        match self.open.last_mut() {
            Some(parent) => {
                parent.nodes = parent.nodes.saturating_add(nodes);
                parent.children.push(node);
            }
            None => self.documents.push(node),
        }
        Ok(())
    }

    /// Finds the bytes that each character of a scalar's value comes from.
    fn scalar(&self, value: &str, style: ScalarStyle, bytes: Range<usize>) -> Text {
        let mut source = Source { text: self.text.as_str(), at: bytes.start };
        source.skip_properties();
        match style {
            ScalarStyle::Literal | ScalarStyle::Folded => source.skip_header(),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => source.skip('\'', '"'),
            ScalarStyle::Plain => {}
        }
        let characters: Vec<_> = value.chars().map(|character| (character, source.find(character, style))).collect();
        self.text.decoded(characters, source.at)
    }
}

/// The characters of a scalar as they are in the file.
struct Source<'t> {
    text: &'t str,
    at: usize,
}

impl Source<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    /// Skips a tag and an anchor.
    fn skip_properties(&mut self) {
        while self.rest().starts_with(['!', '&']) {
            let rest = self.rest().trim_start_matches(|letter: char| !letter.is_whitespace()).trim_start();
            self.advance(self.rest().len().saturating_sub(rest.len()));
        }
    }

    /// Skips the `|` or `>` of a block with its indicators and comment, if the position is before it.
    fn skip_header(&mut self) {
        if self.rest().starts_with(['|', '>']) {
            let line = self.rest().find('\n').map_or(self.rest().len(), |end| end.saturating_add(1));
            self.advance(line);
        }
    }

    fn skip(&mut self, one: char, other: char) {
        if self.rest().starts_with([one, other]) {
            self.advance(1);
        }
    }

    /// Returns the position of the next character of the value, and moves past it.
    fn find(&mut self, character: char, style: ScalarStyle) -> usize {
        if style == ScalarStyle::DoubleQuoted && !self.rest().starts_with(character) {
            // A line break within quotes stands for a space, and a backslash before it for nothing.
            while let Some(after) = self.rest().strip_prefix('\\').filter(|after| after.starts_with(['\r', '\n'])) {
                let skipped = self.rest().len().saturating_sub(after.trim_start().len());
                self.advance(skipped);
            }
        }
        if style == ScalarStyle::DoubleQuoted && self.rest().starts_with('\\') {
            let at = self.at;
            let length = match self.rest().chars().nth(1) {
                Some('x') => 4,
                Some('u') => 6,
                Some('U') => 10,
                Some(other) => 1 + other.len_utf8(),
                None => 1,
            };
            self.advance(length);
            return at;
        }
        if character.is_whitespace() {
            let at = self.at;
            if self.rest().starts_with(character) {
                self.advance(character.len_utf8());
            }
            return at;
        }
        // Indentation and folded line breaks are not part of the value.
        let skipped = self.rest().len().saturating_sub(self.rest().trim_start().len());
        self.advance(skipped);
        let at = self.at;
        let is_doubled = style == ScalarStyle::SingleQuoted && self.rest().starts_with("''");
        self.advance(if is_doubled { 2 } else { character.len_utf8() });
        at
    }
}

/// Pairs keys with values. The keys of a merge (`<<`) come last, without those that are there already.
fn members(children: Vec<Node>) -> Vec<(Node, Node)> {
    let (mut members, mut merged) = (Vec::new(), Vec::new());
    let mut children = children.into_iter();
    while let (Some(key), Some(value)) = (children.next(), children.next()) {
        if key.as_str() != Some("<<") {
            members.push((key, value));
            continue;
        }
        match value.kind {
            Kind::Mapping(inner) => merged.extend(inner),
            Kind::Sequence(list) => merged.extend(list.into_iter().flat_map(|node| match node.kind {
                Kind::Mapping(inner) => inner,
                _ => Vec::new(),
            })),
            _ => {}
        }
    }
    for (key, value) in mem::take(&mut merged) {
        if !members.iter().any(|(known, _): &(Node, Node)| known.as_str() == key.as_str()) {
            members.push((key, value));
        }
    }
    members
}

fn tag_name(tag: Option<&Tag>) -> String {
    tag.map(|tag| tag.suffix.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the part of the file that a part of a scalar comes from.
    fn original<'f>(file: &'f str, node: &Node, part: &str) -> &'f str {
        let text = node.text().unwrap();
        let start = text.as_str().find(part).unwrap();
        &file[text.span(start..start + part.len())]
    }

    #[test]
    fn every_character_of_a_scalar_has_its_position() {
        let file = "literal: |-  # comment\n    one\n      two é three\n\n    four\nfolded: >\n  a b\n  c \"d\"\nplain: x y\n  \
                    z\nsingle: 'it''s\n  here'\ndouble: \"a\\n\\u00e9b\\\"c \\\n   d\"\nflow: { k: [v1, v2] }\n";
        let node = &parse(&Text::of_file(file)).unwrap()[0];
        for (key, value, part) in [
            ("literal", "one\n  two é three\n\nfour", "two"),
            ("literal", "one\n  two é three\n\nfour", "é three"),
            ("literal", "one\n  two é three\n\nfour", "four"),
            ("folded", "a b c \"d\"\n", "\"d\""),
            ("folded", "a b c \"d\"\n", "b"),
            ("plain", "x y z", "z"),
            ("single", "it's here", "here"),
            ("double", "a\né b", "b"),
        ] {
            let scalar = node.get(key).unwrap();
            if key != "double" {
                assert_eq!(scalar.as_str(), Some(value));
            }
            assert_eq!(original(file, scalar, part), part, "{key}");
        }
        let tagged = "key: !Sub &x |\n  one two\nquoted: !Sub 'one two'\n";
        let node_with_tags = &parse(&Text::of_file(tagged)).unwrap()[0];
        for key in ["key", "quoted"] {
            let scalar = node_with_tags.get(key).unwrap();
            assert_eq!((scalar.tag.as_str(), original(tagged, scalar, "two")), ("Sub", "two"));
        }
        let double = node.get("double").unwrap();
        assert_eq!(double.as_str(), Some("a\néb\"c d"));
        assert_eq!((original(file, double, "é"), original(file, double, "c")), ("\\u00e9", "c"));
        assert_eq!(original(file, double, "d"), "d");
        let item = &node.at(&["flow", "k"]).unwrap().items()[1];
        assert_eq!(&file[item.span.clone()], "v2");
    }

    #[test]
    fn a_text_within_a_text_has_its_position_in_the_file() {
        let file = "data:\n  envoy.yaml: |\n    config:\n      value: |\n        { \"a\":\n          \"bad\" }\n";
        let outer = parse(&Text::of_file(file)).unwrap();
        let inner = parse(outer[0].at(&["data", "envoy.yaml"]).unwrap().text().unwrap()).unwrap();
        let json = inner[0].at(&["config", "value"]).unwrap();
        assert_eq!(json.as_str(), Some("{ \"a\":\n  \"bad\" }\n"));
        assert_eq!(original(file, json, "\"bad\""), "\"bad\"");
    }

    #[test]
    fn aliases_and_merges_are_resolved_within_bounds() {
        let nodes = parse(&Text::of_file("a: &x { k: 1, l: 2 }\nb: *x\nc: { <<: *x, k: 3 }\n---\nnext")).unwrap();
        assert_eq!(
            nodes[0].to_json(),
            serde_json::json!({
                "a": { "k": 1, "l": 2 }, "b": { "k": 1, "l": 2 }, "c": { "k": 3, "l": 2 }
            })
        );
        assert_eq!(nodes[1].as_str(), Some("next"));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(parse(&Text::of_file(&bomb)).unwrap_err().message.contains("more than 1000000 values"));
        assert!(parse(&Text::of_file(&"[".repeat(1000))).is_err());
    }

    #[test]
    fn text_that_is_not_yaml_has_the_position_of_the_error() {
        let error = parse(&Text::of_file("a: 1\nb: [\n")).unwrap_err();
        assert!(error.span.start >= 5, "{error:?}");
    }
}
