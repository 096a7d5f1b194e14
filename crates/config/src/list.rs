//! Lists in messages.

/// Joins the texts with `, `. Takes a trait object so that a module contains one copy of the code.
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
