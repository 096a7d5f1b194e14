//! Maps paths to templates, so that an unbounded number of paths gives a bounded number of series.

use std::fmt;

use acpw_metric::{DimensionValue, Map};

/// The dimension value of paths that match no template.
pub const OTHER: &[u8] = b"other";

/// The text that replaces a segment that looks like an identifier.
const IDENTIFIER: &[u8] = b"{id}";

/// A set of path templates such as `/users/{id}/orders/{order}`.
///
/// A segment of a template is either a literal or a name in braces, which matches any text. A template matches paths
/// with the same number of segments; a trailing slash is ignored. If several templates match, the most specific one is
/// used: the one with a literal in the leftmost segment in which they differ.
///
/// The templates form a tree. A search makes one map lookup per segment, independently of the number of templates. Only
/// if templates overlap, like `/a/{x}/c` and `/{y}/b/d`, it may have to go back to the segment in which they differ.
#[derive(Clone, Debug)]
pub struct PathTemplates {
    /// The nodes of the tree. The first one is the root.
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// The index of the child node for each literal segment.
    literals: Map<Box<[u8]>, usize>,
    /// The index of the child node for a segment in braces.
    wildcard: Option<usize>,
    /// The template that ends at this node.
    template: Option<Box<str>>,
}

impl Default for PathTemplates {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl PathTemplates {
    /// Adds a template.
    ///
    /// # Errors
    /// Returns an error if the text is not a template, or if it matches the same paths as a template added before.
    pub fn add(&mut self, template: &str) -> Result<(), TemplateError> {
        let is_valid = template.starts_with('/')
            && !template.contains(['?', '#'])
            && DimensionValue::new(template).is_ok()
            && segments(template.as_bytes()).all(|segment| !segment.is_empty() && Segment::new(segment).is_some());
        if !is_valid {
            return Err(TemplateError::Malformed(template.to_owned()));
        }
        if segments(template.as_bytes()).any(is_foreign) {
            return Err(TemplateError::Foreign(template.to_owned()));
        }
        let mut current = 0;
        for segment in segments(template.as_bytes()) {
            let next = self.nodes.len();
            let Some(node) = self.nodes.get_mut(current) else { break };
            current = match Segment::new(segment) {
                Some(Segment::Literal(text)) => *node.literals.entry(text.into()).or_insert(next),
                _ => *node.wildcard.get_or_insert(next),
            };
            if current == next {
                self.nodes.push(Node::default());
            }
        }
        match self.nodes.get_mut(current).map(|node| &mut node.template) {
            Some(Some(other)) => Err(TemplateError::Duplicate(template.to_owned(), other.to_string())),
            Some(end) => {
                *end = Some(template.into());
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Returns whether there are no templates.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() <= 1 && self.nodes.iter().all(|node| node.template.is_none())
    }

    /// Returns the most specific template that matches a path.
    pub fn find(&self, path: &[u8]) -> Option<&str> {
        let path = path.strip_prefix(b"/")?;
        let path = path.strip_suffix(b"/").unwrap_or(path);
        self.find_below(self.nodes.first()?, (!path.is_empty()).then_some(path))
    }

    /// Searches the subtree of `node`. The recursion is not deeper than the longest template.
    fn find_below<'a>(&'a self, node: &'a Node, path: Option<&[u8]>) -> Option<&'a str> {
        let Some(path) = path else { return node.template.as_deref() };
        let (segment, rest) = match path.iter().position(|byte| *byte == b'/') {
            Some(slash) => (path.get(..slash)?, path.get(slash.saturating_add(1)..)),
            None => (path, None),
        };
        let find_in_child = |child: Option<usize>| self.find_below(self.nodes.get(child?)?, rest);
        let wildcard = if segment.is_empty() { None } else { node.wildcard };
        find_in_child(node.literals.get(segment).copied()).or_else(|| find_in_child(wildcard))
    }
}

/// A segment of a template.
enum Segment<'a> {
    Literal(&'a [u8]),
    Wildcard,
}

impl<'a> Segment<'a> {
    fn new(segment: &'a [u8]) -> Option<Self> {
        let is_name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        match segment {
            [b'{', name @ .., b'}'] if !name.is_empty() && name.iter().all(is_name_byte) => Some(Self::Wildcard),
            text if text.iter().any(|byte| b"{}".contains(byte)) => None,
            text => Some(Self::Literal(text)),
        }
    }
}

/// Returns the segments of a path. The path `/` has none.
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let path = path.strip_suffix(b"/").unwrap_or(path);
    path.split(|byte| *byte == b'/').filter(move |_| !path.is_empty())
}

/// Appends a path with `{id}` in place of each segment that looks like an identifier: a number, a UUID, or at least 16
/// hexadecimal digits.
pub fn append_normalized(out: &mut Vec<u8>, path: &[u8]) {
    for (index, segment) in path.split(|byte| *byte == b'/').enumerate() {
        if index > 0 {
            out.push(b'/');
        }
        out.extend_from_slice(if is_identifier(segment) { IDENTIFIER } else { segment });
    }
}

fn is_identifier(segment: &[u8]) -> bool {
    const LONG: usize = 16;
    let is_hex = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit);
    let is_number = !segment.is_empty() && segment.iter().all(u8::is_ascii_digit);
    is_number || (segment.len() >= LONG && is_hex(segment)) || is_uuid(segment)
}

fn is_uuid(segment: &[u8]) -> bool {
    let is_expected = |(index, byte): (usize, &u8)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    segment.len() == 36 && segment.iter().enumerate().all(is_expected)
}

/// Returns whether a segment is a wildcard in the syntax of another router: `:id`, `<id>`, `*` or `**`. As a literal,
/// such a segment would match no real path.
fn is_foreign(segment: &[u8]) -> bool {
    matches!(segment, [b':', _, ..] | [b'<', .., b'>']) || segment.contains(&b'*')
}

/// Translates a template from the syntax of another router.
fn translated(template: &str) -> String {
    let mut text = String::with_capacity(template.len());
    for segment in template.split('/').skip(1) {
        text.push('/');
        if !is_foreign(segment.as_bytes()) {
            text.push_str(segment);
            continue;
        }
        // In `<int:id>`, the name follows the colon.
        let name = segment.rsplit(':').next().unwrap_or_default();
        let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        text.push('{');
        text.push_str(if name.is_empty() { "any" } else { &name });
        text.push('}');
    }
    text
}

/// An invalid template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// The text is not a template.
    Malformed(String),
    /// The text uses the wildcard syntax of another router.
    Foreign(String),
    /// The first template matches the same paths as the second one, which was added before.
    Duplicate(String, String),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(text) => write!(
                f,
                "\"{}\" is not a path template; write a path such as /users/{{id}}, in printable ASCII and without a \
                 query",
                text.escape_default()
            ),
            Self::Foreign(text) if text.contains("**") => write!(
                f,
                "\"{text}\" must match a fixed number of segments; write one template for each number, such as {}",
                translated(text)
            ),
            Self::Foreign(text) => {
                write!(f, "\"{text}\" has a wildcard in the syntax of another router; write {}", translated(text))
            }
            Self::Duplicate(one, other) => {
                write!(f, "\"{one}\" matches the same paths as \"{other}\"; remove one of the two")
            }
        }
    }
}

impl std::error::Error for TemplateError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn templates(list: &[&str]) -> PathTemplates {
        let mut templates = PathTemplates::default();
        for template in list {
            templates.add(template).unwrap();
        }
        templates
    }

    #[test]
    fn the_most_specific_template_is_found() {
        let templates = templates(&[
            "/",
            "/users",
            "/users/{id}",
            "/users/me",
            "/users/{id}/orders/{order}",
            "/{any}/{id}",
            "/a/{x}/c",
            "/{y}/b/d",
        ]);
        for (path, expected) in [
            ("/", Some("/")),
            ("/users", Some("/users")),
            ("/users/", Some("/users")),
            ("/users/17", Some("/users/{id}")),
            ("/users/me", Some("/users/me")),
            ("/users/me/orders/9", Some("/users/{id}/orders/{order}")),
            ("/users/17/orders", None),
            ("/shops/17", Some("/{any}/{id}")),
            ("/a/b/c", Some("/a/{x}/c")),
            ("/a/b/d", Some("/{y}/b/d")),
            ("/a/b/e", None),
            ("/users//orders/9", None),
            ("//17", None),
            ("//", Some("/")),
            ("", None),
            ("*", None),
            ("/Users", None),
        ] {
            assert_eq!(templates.find(path.as_bytes()), expected, "{path}");
        }
        assert_eq!(templates.find(&b"/x".repeat(100_000)), None);
    }

    #[test]
    fn malformed_templates_are_refused() {
        for text in ["", "users", "/a//b", "/a{b}", "/{}", "/{a", "/{a b}", "/a?b", "/a#b", "/caf\u{e9}", "/{a}{b}"] {
            let malformed = TemplateError::Malformed(text.to_owned());
            assert_eq!(PathTemplates::default().add(text), Err(malformed), "{text}");
        }
        let limit = acpw_metric::quota::MAX_DIMENSION_VALUE_LENGTH;
        for (length, fits) in [(limit - 1, true), (limit, true), (limit + 1, false)] {
            let template = format!("/{}", "a".repeat(length - 1));
            assert_eq!(PathTemplates::default().add(&template).is_ok(), fits, "{length}");
        }
    }

    #[test]
    fn a_template_in_the_syntax_of_another_router_is_refused_with_a_translation() {
        for (text, translation) in [
            ("/users/:id", "/users/{id}"),
            ("/users/*/orders", "/users/{any}/orders"),
            ("/a/<int:user_id>", "/a/{user_id}"),
            ("/a/<id>/", "/a/{id}/"),
            ("/img/*.png", "/img/{png}"),
        ] {
            let error = PathTemplates::default().add(text).unwrap_err();
            let expected = format!("\"{text}\" has a wildcard in the syntax of another router; write {translation}");
            assert_eq!(error.to_string(), expected);
        }
        let error = PathTemplates::default().add("/static/**").unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"/static/**\" must match a fixed number of segments; write one template for each number, such as \
             /static/{any}"
        );
        for text in ["/v1/things:batch", "/:", "/a:b/c", "/users(1)", "/$metadata", "/a<b"] {
            assert_eq!(PathTemplates::default().add(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_template_that_matches_the_same_paths_as_another_is_refused() {
        let mut templates = templates(&["/users/{id}", "/users/{id}/a"]);
        let error = templates.add("/users/{name}").unwrap_err();
        let expected = "\"/users/{name}\" matches the same paths as \"/users/{id}\"; remove one of the two";
        assert_eq!(error.to_string(), expected);
        assert!(templates.add("/users/{id}/").is_err());
        assert!(templates.add("/users/x").is_ok());
        assert!(PathTemplates::default().is_empty() && !templates.is_empty());
    }

    /// Returns the number of map lookups in a search for a path.
    fn lookups(templates: &PathTemplates, path: &str) -> usize {
        fn find_below(templates: &PathTemplates, node: usize, rest: &[&[u8]], lookups: &mut usize) -> bool {
            let node = &templates.nodes[node];
            let Some((segment, rest)) = rest.split_first() else { return node.template.is_some() };
            *lookups += 1;
            let children = [node.literals.get(*segment).copied(), node.wildcard];
            children.into_iter().flatten().any(|child| find_below(templates, child, rest, lookups))
        }
        let segments: Vec<_> = segments(path.as_bytes()).collect();
        let mut lookups = 0;
        assert_eq!(find_below(templates, 0, &segments, &mut lookups), templates.find(path.as_bytes()).is_some());
        lookups
    }

    #[test]
    fn thousands_of_templates_need_no_more_lookups_than_one() {
        let list: Vec<_> = (0..5_000).map(|n| format!("/service-{n}/{{id}}/part-{n}/{{part}}")).collect();
        let many = templates(&list.iter().map(String::as_str).collect::<Vec<_>>());
        let one = templates(&["/service-77/{id}/part-77/{part}"]);
        for path in ["/service-77/1/part-77/2", "/service-77/1/part-78/2", "/none/1", "/service-77"] {
            assert_eq!(lookups(&many, path), lookups(&one, path), "{path}");
            assert!(lookups(&many, path) <= segments(path.as_bytes()).count());
        }
    }

    proptest! {
        #[test]
        fn the_tree_finds_the_same_template_as_a_linear_search(
            shapes in prop::collection::btree_set(prop::collection::vec(0usize..4, 0..5), 0..20),
            path in prop::collection::vec(0usize..4, 0..5),
        ) {
            // The number 3 is a wildcard.
            let text = |shape: &[usize]| -> String {
                let all: String = shape.iter().map(|n| format!("/{}", ["a", "b", "c", "{x}"][*n])).collect();
                if all.is_empty() { "/".to_owned() } else { all }
            };
            let all: Vec<String> = shapes.iter().map(|shape| text(shape)).collect();
            let templates = templates(&all.iter().map(String::as_str).collect::<Vec<_>>());
            let matches = |shape: &&Vec<usize>| {
                shape.len() == path.len() && shape.iter().zip(&path).all(|(want, have)| *want == 3 || want == have)
            };
            // Literals are smaller than 3, so the most specific template is the smallest.
            let expected = shapes.iter().filter(matches).min().map(|shape| text(shape));
            let requested = text(&path).replace("{x}", "d");
            prop_assert_eq!(templates.find(requested.as_bytes()).map(str::to_owned), expected);
        }

        #[test]
        fn an_arbitrary_path_matches_only_templates_with_as_many_segments(path in "/?[ab/]{0,6}", bytes: Vec<u8>) {
            let templates = templates(&["/", "/{a}", "/{a}/b"]);
            for path in [path.as_bytes(), &bytes] {
                if let Some(template) = templates.find(path) {
                    prop_assert!(path.starts_with(b"/"));
                    prop_assert_eq!(segments(template.as_bytes()).count(), segments(path).count());
                }
            }
        }

        #[test]
        fn normalizing_keeps_the_number_of_slashes(path: Vec<u8>) {
            let mut out = Vec::new();
            append_normalized(&mut out, &path);
            let slashes = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'/').count();
            prop_assert_eq!(slashes(&out), slashes(&path));
        }
    }

    #[test]
    fn segments_that_look_like_identifiers_are_replaced() {
        for (path, expected) in [
            ("/users/17/orders/0042", "/users/{id}/orders/{id}"),
            ("/files/123e4567-e89b-12d3-a456-426614174000", "/files/{id}"),
            ("/files/123E4567-E89B-12D3-A456-426614174000/", "/files/{id}/"),
            ("/commits/0123456789abcdef", "/commits/{id}"),
            ("/commits/0123456789abcde", "/commits/0123456789abcde"),
            ("/commits/0123456789abcdeg", "/commits/0123456789abcdeg"),
            ("/files/123e4567xe89b-12d3-a456-426614174000", "/files/123e4567xe89b-12d3-a456-426614174000"),
            ("/v1/a1/-1/1.5", "/v1/a1/-1/1.5"),
            ("/", "/"),
            ("", ""),
        ] {
            let mut out = Vec::new();
            append_normalized(&mut out, path.as_bytes());
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
