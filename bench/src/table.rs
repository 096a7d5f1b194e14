//! Formats results as Markdown tables that are also readable in a terminal.

use crate::{
    row::Row,
    target::Verdict,
    traffic::{BROWSER, HEADER_COUNTS, PROXIED, Traffic},
    variant::NONE,
};

/// The unit of costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Microseconds of CPU time, shown with one decimal.
    Microseconds,
    /// Instructions, shown in thousands with one decimal.
    Instructions,
}

impl Unit {
    fn format(self, cost: f64) -> String {
        match self {
            Self::Microseconds => format!("{cost:.1}"),
            Self::Instructions => format!("{:.1}", cost / 1_000.0),
        }
    }
}

/// Returns a table with the cost that each variant adds for each kind of traffic. Variants with which others are
/// compared have their whole cost.
pub(crate) fn requests(rows: &[Row], traffics: &[Traffic], unit: Unit) -> String {
    let names = traffics.iter().map(|traffic| traffic.name);
    let head: Vec<&str> =
        ["variant"].into_iter().chain(names).chain(["spread", "of its floor", "of a proxied request"]).collect();
    let cells = rows.iter().map(|row| {
        let cost = |traffic: &Traffic| {
            let cost = row.cost(traffic)?;
            let is_base = row.name.starts_with(NONE);
            Some(if is_base { unit.format(cost.total) } else { format!("+{}", unit.format(cost.added)) })
        };
        let costs = traffics.iter().map(|traffic| cost(traffic).unwrap_or_default());
        let main = row.cost(&BROWSER);
        let spread = main.map(|cost| unit.format(cost.spread)).unwrap_or_default();
        let of_floor = main.and_then(|cost| cost.of_floor).map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let share =
            row.cost(&PROXIED).filter(|cost| cost.added > 0.0).map(|cost| format!("{:.1} %", cost.share() * 100.0));
        [row.name.to_owned()].into_iter().chain(costs).chain([spread, of_floor, share.unwrap_or_default()]).collect()
    });
    table(&head, cells)
}

/// Returns a table with the cost of each way to read values, by the number of headers.
pub(crate) fn reads(rows: &[Row], unit: Unit) -> String {
    let names = HEADER_COUNTS.iter().map(|traffic| traffic.name);
    let head: Vec<&str> = ["headers of the request"].into_iter().chain(names).collect();
    let cells = rows.iter().filter(|row| row.name != NONE).map(|row| {
        let costs = HEADER_COUNTS
            .iter()
            .map(|traffic| row.cost(traffic).map(|cost| format!("+{}", unit.format(cost.added))).unwrap_or_default());
        [row.name.to_owned()].into_iter().chain(costs).collect()
    });
    table(&head, cells)
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
