//! Paths by their shape, so that an unbounded number of paths makes a bounded number of series.

use std::fmt;

use acpw_metric::{DimensionValue, Map};

/// What a path is counted as that no template matches.
pub const OTHER: &[u8] = b"other";

/// What stands for a segment that looks like an identifier.
const IDENTIFIER: &[u8] = b"{id}";

/// Templates such as `/users/{id}/orders/{order}`: each segment is a text, or a name in braces for any text. A template
/// matches paths with the same number of segments; a slash at the end of either is not heeded. Of several templates that
/// match, the one counts that has a text, from the left, where the others have a name.
///
/// Finding one takes a look into one map for each segment, however many templates there are; only where templates
/// overlap (`/a/{x}/c` and `/{y}/b/d`) a path may be looked at twice from the segment on where they part.
#[derive(Clone, Debug)]
pub struct PathTemplates {
    /// The first one is the root.
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// The node below each text.
    below: Map<Box<[u8]>, usize>,
    any: Option<usize>,
    /// The template that ends here.
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
    /// Text that is none, or one that matches the same paths as another.
    pub fn add(&mut self, template: &str) -> Result<(), TemplateError> {
        let is_sound = template.starts_with('/')
            && !template.contains(['?', '#'])
            && DimensionValue::new(template).is_ok()
            && segments(template.as_bytes()).all(|segment| !segment.is_empty() && Segment::new(segment).is_some());
        if !is_sound {
            return Err(TemplateError::Malformed(template.to_owned()));
        }
        if segments(template.as_bytes()).any(is_foreign) {
            return Err(TemplateError::Foreign(template.to_owned()));
        }
        let mut at = 0;
        for segment in segments(template.as_bytes()) {
            let next = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { break };
            at = match Segment::new(segment) {
                Some(Segment::Text(text)) => *node.below.entry(text.into()).or_insert(next),
                _ => *node.any.get_or_insert(next),
            };
            if at == next {
                self.nodes.push(Node::default());
            }
        }
        match self.nodes.get_mut(at).map(|node| &mut node.template) {
            Some(Some(other)) => Err(TemplateError::Clash(template.to_owned(), other.to_string())),
            Some(end) => {
                *end = Some(template.into());
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() <= 1 && self.nodes.iter().all(|node| node.template.is_none())
    }

    /// The template that a path is counted as, if one matches.
    pub fn find(&self, path: &[u8]) -> Option<&str> {
        let path = path.strip_prefix(b"/")?;
        let path = path.strip_suffix(b"/").unwrap_or(path);
        self.find_below(self.nodes.first()?, (!path.is_empty()).then_some(path))
    }

    /// Never deeper than the longest template.
    fn find_below<'a>(&'a self, node: &'a Node, path: Option<&[u8]>) -> Option<&'a str> {
        let Some(path) = path else { return node.template.as_deref() };
        let (segment, rest) = match path.iter().position(|byte| *byte == b'/') {
            Some(slash) => (path.get(..slash)?, path.get(slash.saturating_add(1)..)),
            None => (path, None),
        };
        let below = |next: Option<usize>| self.find_below(self.nodes.get(next?)?, rest);
        let any = if segment.is_empty() { None } else { node.any };
        below(node.below.get(segment).copied()).or_else(|| below(any))
    }
}

enum Segment<'a> {
    Text(&'a [u8]),
    Any,
}

impl<'a> Segment<'a> {
    fn new(segment: &'a [u8]) -> Option<Self> {
        let is_name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        match segment {
            [b'{', name @ .., b'}'] if !name.is_empty() && name.iter().all(is_name_byte) => Some(Self::Any),
            text if text.iter().any(|byte| b"{}".contains(byte)) => None,
            text => Some(Self::Text(text)),
        }
    }
}

/// The segments between the slashes of a path that begins with one; none of `/`.
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let path = path.strip_suffix(b"/").unwrap_or(path);
    path.split(|byte| *byte == b'/').filter(move |_| !path.is_empty())
}

/// Appends a path in which `{id}` stands for each segment that looks like an identifier: a number, a UUID, or 16 or more
/// hexadecimal digits.
pub fn append_normalized(out: &mut Vec<u8>, path: &[u8]) {
    for (at, segment) in path.split(|byte| *byte == b'/').enumerate() {
        if at > 0 {
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
    let is_right = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    segment.len() == 36 && segment.iter().enumerate().all(is_right)
}

/// Returns whether a segment is what other routers write for any text: `:id`, `<id>`, `*` or `**`. Taken as text, such a
/// segment would match no path that a client asks for.
fn is_foreign(segment: &[u8]) -> bool {
    matches!(segment, [b':', _, ..] | [b'<', .., b'>']) || segment.contains(&b'*')
}

/// Writes a template of another router as it is written here.
fn translated(template: &str) -> String {
    let mut text = String::with_capacity(template.len());
    for segment in template.split('/').skip(1) {
        text.push('/');
        if !is_foreign(segment.as_bytes()) {
            text.push_str(segment);
            continue;
        }
        // In `<int:id>` the name is last.
        let name = segment.rsplit(':').next().unwrap_or_default();
        let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        text.push('{');
        text.push_str(if name.is_empty() { "any" } else { &name });
        text.push('}');
    }
    text
}

/// Why a text is not added as a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// It is not a template.
    Malformed(String),
    /// It is a template as another router writes it.
    Foreign(String),
    /// It matches the same paths as another one.
    Clash(String, String),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(text) => write!(
                f,
                "\"{}\" is not a path template; write /users/{{id}}, in printable ASCII, without query",
                text.escape_default()
            ),
            Self::Foreign(text) if text.contains("**") => write!(
                f,
                "\"{text}\": no template matches any number of segments; write one for each number, such as {}",
                translated(text)
            ),
            Self::Foreign(text) => {
                write!(
                    f,
                    "\"{text}\" has a segment that stands for any text in other routers; write {}",
                    translated(text)
                )
            }
            Self::Clash(one, other) => write!(f, "\"{one}\" matches the same paths as \"{other}\""),
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
    fn a_path_is_counted_as_the_most_specific_template() {
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
    fn what_is_no_template_is_refused() {
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
    fn a_template_of_another_router_is_refused_with_what_to_write() {
        for (text, message) in [
            ("/users/:id", "has a segment that stands for any text in other routers; write /users/{id}"),
            ("/users/*/orders", "has a segment that stands for any text in other routers; write /users/{any}/orders"),
            ("/a/<int:user_id>", "has a segment that stands for any text in other routers; write /a/{user_id}"),
            ("/a/<id>/", "has a segment that stands for any text in other routers; write /a/{id}/"),
            ("/img/*.png", "has a segment that stands for any text in other routers; write /img/{png}"),
        ] {
            let error = PathTemplates::default().add(text).unwrap_err();
            assert_eq!(error.to_string(), format!("\"{text}\" {message}"));
        }
        let error = PathTemplates::default().add("/static/**").unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"/static/**\": no template matches any number of segments; write one for each number, such as \
             /static/{any}"
        );
        for text in ["/v1/things:batch", "/:", "/a:b/c", "/users(1)", "/$metadata", "/a<b"] {
            assert_eq!(PathTemplates::default().add(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn templates_that_match_the_same_paths_clash() {
        let mut templates = templates(&["/users/{id}", "/users/{id}/a"]);
        let error = templates.add("/users/{name}").unwrap_err();
        assert_eq!(error.to_string(), "\"/users/{name}\" matches the same paths as \"/users/{id}\"");
        assert!(templates.add("/users/{id}/").is_err());
        assert!(templates.add("/users/x").is_ok());
        assert!(PathTemplates::default().is_empty() && !templates.is_empty());
    }

    /// How many maps are looked into, by the same walk.
    fn looks(templates: &PathTemplates, path: &str) -> usize {
        fn below(templates: &PathTemplates, node: usize, rest: &[&[u8]], looks: &mut usize) -> bool {
            let node = &templates.nodes[node];
            let Some((segment, rest)) = rest.split_first() else { return node.template.is_some() };
            *looks += 1;
            let next = [node.below.get(*segment).copied(), node.any];
            next.into_iter().flatten().any(|next| below(templates, next, rest, looks))
        }
        let segments: Vec<_> = segments(path.as_bytes()).collect();
        let mut looks = 0;
        assert_eq!(below(templates, 0, &segments, &mut looks), templates.find(path.as_bytes()).is_some());
        looks
    }

    #[test]
    fn thousands_of_templates_cost_no_more_than_one() {
        let list: Vec<_> = (0..5_000).map(|n| format!("/service-{n}/{{id}}/part-{n}/{{part}}")).collect();
        let many = templates(&list.iter().map(String::as_str).collect::<Vec<_>>());
        let one = templates(&["/service-77/{id}/part-77/{part}"]);
        for path in ["/service-77/1/part-77/2", "/service-77/1/part-78/2", "/none/1", "/service-77"] {
            assert_eq!(looks(&many, path), looks(&one, path), "{path}");
            assert!(looks(&many, path) <= segments(path.as_bytes()).count());
        }
    }

    proptest! {
        #[test]
        fn a_path_matches_as_a_search_of_all_templates_says(
            shapes in prop::collection::btree_set(prop::collection::vec(0usize..4, 0..5), 0..20),
            path in prop::collection::vec(0usize..4, 0..5),
        ) {
            // 3 stands for any text.
            let text = |shape: &[usize]| -> String {
                let all: String = shape.iter().map(|n| format!("/{}", ["a", "b", "c", "{x}"][*n])).collect();
                if all.is_empty() { "/".to_owned() } else { all }
            };
            let all: Vec<String> = shapes.iter().map(|shape| text(shape)).collect();
            let templates = templates(&all.iter().map(String::as_str).collect::<Vec<_>>());
            let matches = |shape: &&Vec<usize>| {
                shape.len() == path.len() && shape.iter().zip(&path).all(|(want, have)| *want == 3 || want == have)
            };
            // Texts are smaller than 3, so the most specific from the left is the smallest.
            let expected = shapes.iter().filter(matches).min().map(|shape| text(shape));
            let asked = text(&path).replace("{x}", "d");
            prop_assert_eq!(templates.find(asked.as_bytes()).map(str::to_owned), expected);
        }

        #[test]
        fn any_bytes_match_or_do_not(path: Vec<u8>) {
            let templates = templates(&["/", "/{a}", "/{a}/b"]);
            let _ = templates.find(&path);
            let mut out = Vec::new();
            append_normalized(&mut out, &path);
            let slashes = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'/').count();
            prop_assert_eq!(slashes(&out), slashes(&path));
        }
    }

    #[test]
    fn segments_that_look_like_identifiers_are_guessed() {
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
