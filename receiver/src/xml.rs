//! Reads the XML answers of AWS's Query protocol.

/// Returns the text of the first element with this name. AWS's answers have attributes only on the outermost element,
/// and neither comments nor CDATA.
pub(crate) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inner.trim())
}

/// Replaces XML's five predefined entities by their characters. `&amp;` comes last, because its result must not start
/// another entity.
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
        fn elements_are_the_same_as_those_of_an_xml_parser(text in "[ -~]{0,60}", other in "[ -~]{0,20}") {
            let escape = |text: &str| quick_xml::escape::escape(text.trim()).into_owned();
            let xml = format!("<R xmlns=\"x\"><Other>{}</Other><A>{}</A></R>", escape(&other), escape(&text));
            prop_assert_eq!(element(&xml, "A").map(unescaped), Some(text.trim().to_owned()));
        }
    }
}
