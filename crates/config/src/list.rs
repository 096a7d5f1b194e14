//! Lists in messages.

/// The texts with `, ` between them. Not generic: it is in every module once.
pub fn comma_separated(texts: &mut dyn Iterator<Item = &str>) -> String {
    let mut list = String::new();
    for text in texts {
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push_str(text);
    }
    list
}
