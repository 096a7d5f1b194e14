//! Formats results as Markdown tables that are also readable in a terminal.

use crate::{row::Row, target::Verdict};

/// Returns a table with the cost of each variant.
pub(crate) fn requests(rows: &[Row]) -> String {
    let cells = rows.iter().map(|row| {
        vec![
            row.name.to_owned(),
            format!("{:.1}", row.microseconds),
            format!("{:.1}", row.spread),
            format!("{:+.1}", row.added),
            format!("{:.2}", row.ratio),
            row.of_floor.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
        ]
    });
    table(&["variant", "CPU µs a request", "spread", "added µs", "of E", "of its floor"], cells)
}

/// Returns a table with the verdict on each target.
pub(crate) fn targets(verdicts: &[Verdict]) -> String {
    let cells = verdicts.iter().map(|verdict| {
        vec![
            verdict.target.clone(),
            format!("{:.2}", verdict.measured),
            format!("{:.2}", verdict.most),
            if verdict.is_met { "met" } else { "missed" }.to_owned(),
        ]
    });
    table(&["added cost", "measured", "at most", ""], cells)
}

/// Formats a table. The first column is left-aligned and the others are right-aligned.
pub(crate) fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let rows: Vec<Vec<String>> = rows.collect();
    let width = |column: usize| {
        let cells = [&head].into_iter().chain(&rows).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!(" {cell:width$} |"),
            _ => format!(" {cell:>width$} |"),
        });
        format!("|{}\n", cells.collect::<String>())
    };
    let rule = widths.iter().enumerate().map(|(column, width)| {
        let dashes = "-".repeat(width.saturating_add(1));
        if column == 0 { format!("{dashes}-|") } else { format!("{dashes}:|") }
    });
    let rule = format!("|{}\n", rule.collect::<String>());
    [line(&head), rule].into_iter().chain(rows.iter().map(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cells_of_a_column_have_the_same_width() {
        let rows = [vec!["a variant".to_owned(), "1.0".to_owned()], vec!["b".to_owned(), "100.0".to_owned()]];
        let expected = "| variant   |    µs |\n|-----------|------:|\n| a variant |   1.0 |\n| b         | 100.0 |\n";
        assert_eq!(table(&["variant", "µs"], rows.into_iter()), expected);
    }
}
