//! Writes results into docs/performance.md, between pairs of comments.

use std::fs;

use crate::envoy;

/// Replaces the section with this name.
///
/// # Errors
/// Returns an error if the document has no such section.
pub(crate) fn replace(name: &str, text: &str) -> Result<(), String> {
    let file = envoy::root().join("docs/performance.md");
    let describe = |error: String| format!("{}: {error}", file.display());
    let document = fs::read_to_string(&file).map_err(|error| describe(error.to_string()))?;
    let replaced =
        replaced(&document, name, text).ok_or_else(|| describe(format!("missing section <!-- {name} -->")))?;
    fs::write(&file, replaced).map_err(|error| describe(error.to_string()))
}

fn replaced(document: &str, name: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}{}\n{end}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_section_is_replaced() {
        let document = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n<!-- y -->\n<!-- /y -->\n";
        let expected = "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n<!-- y -->\n<!-- /y -->\n";
        assert_eq!(replaced(document, "x", "new\n").as_deref(), Some(expected));
        assert_eq!(replaced(expected, "x", "new").as_deref(), Some(expected));
        assert_eq!(replaced(document, "z", "new"), None);
    }
}
