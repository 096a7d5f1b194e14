//! Reads Markdown tables from the documents.

/// Returns the rows of the first table whose heading row starts with `headings`, such as `| group | metric |`. Cells
/// are trimmed and have no backquotes.
///
/// # Panics
/// Panics if the document has no such table.
pub fn table(document: &str, headings: &str) -> Vec<Vec<String>> {
    let mut lines = document.lines().skip_while(|line| !line.starts_with(headings));
    assert!(lines.next().is_some(), "the document has no table that starts with {headings}");
    // Skip the delimiter row.
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
    fn the_rows_of_the_first_matching_table_are_returned() {
        assert_eq!(
            table(DOCUMENT, "| key | default |"),
            [vec!["one", "", "first, as 1"], vec!["two", "2", ""], vec!["", "3"]]
        );
        assert_eq!(table(DOCUMENT, "| key |"), [["other", "table"]]);
    }

    #[test]
    #[should_panic(expected = "no table that starts with | none |")]
    fn a_missing_table_panics() {
        table(DOCUMENT, "| none |");
    }
}
