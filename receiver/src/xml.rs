//! The little XML that AWS's Query protocol answers with.

/// Returns the text between the first tags of this name. AWS's answers have attributes on the outermost element only, no
/// comments and no CDATA.
pub(crate) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inner.trim())
}

/// Returns text without XML's own five escapes; `&` goes last, as it is what the others begin with.
pub(crate) fn unescaped(text: &str) -> String {
    let escapes = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    escapes.iter().fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn elements_are_read_as_an_xml_parser_reads_them(text in "[ -~]{0,60}", other in "[ -~]{0,20}") {
            let escape = |text: &str| quick_xml::escape::escape(text.trim()).into_owned();
            let xml = format!("<R xmlns=\"x\"><Other>{}</Other><A>{}</A></R>", escape(&other), escape(&text));
            prop_assert_eq!(element(&xml, "A").map(unescaped), Some(text.trim().to_owned()));
        }
    }
}
