//! Tables of the documents, in Markdown.

/// The cells of a document's first table whose headings begin with these, such as `| group | metric |`: row by row, without
/// spaces around them and without code marks.
///
/// # Panics
/// When there is no such table.
pub fn table(document: &str, headings: &str) -> Vec<Vec<String>> {
    let mut lines = document.lines().skip_while(|line| !line.starts_with(headings));
    assert!(lines.next().is_some(), "the document has no table that begins with {headings}");
    // The line between the headings and the rows says nothing.
    let rows = lines.skip(1).map_while(|line| line.strip_prefix('|'));
    rows.map(|row| row.trim_end_matches('|').split('|').map(|cell| cell.replace('`', "").trim().to_owned()).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "\
| key | value |
|---|---|
| other | table |

| key | default | |
|---|---|---|
| `one` | | first, as `1` |
| two | 2 | |
| | 3 |
after it
| no | row |
";

    #[test]
    fn rows_are_those_of_the_table_that_is_named() {
        assert_eq!(
            table(DOCUMENT, "| key | default |"),
            [vec!["one", "", "first, as 1"], vec!["two", "2", ""], vec!["", "3"]]
        );
        assert_eq!(table(DOCUMENT, "| key |"), [["other", "table"]]);
    }

    #[test]
    #[should_panic(expected = "no table that begins with | none |")]
    fn a_table_that_is_not_there_is_told() {
        table(DOCUMENT, "| none |");
    }
}
