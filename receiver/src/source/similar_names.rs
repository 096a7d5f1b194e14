//! Finds the names that a misspelt one is similar to.

/// The longest name that is compared by edit distance, in bytes.
const MAX_LENGTH: usize = 64;

/// Returns true if two names are similar: one has an additional suffix, or few letters differ.
pub(super) fn is_similar(meant: &str, known: &str) -> bool {
    distance(meant, known).is_some()
}

/// Returns the distance of two names, or `None` if they are not similar.
pub(super) fn distance(meant: &str, known: &str) -> Option<usize> {
    if meant.eq_ignore_ascii_case(known) {
        return Some(0);
    }
    let (short, long) = if meant.len() < known.len() { (meant, known) } else { (known, meant) };
    let is_ending = long.strip_prefix(short).is_some_and(|rest| rest.starts_with(['_', '.']));
    if is_ending && !short.is_empty() {
        return Some(1);
    }
    // One of five letters may differ, and at most four.
    let limit = (long.len() / 5).clamp(1, 4);
    if long.len() > MAX_LENGTH || long.len().saturating_sub(short.len()) > limit || short.len() < 3 {
        return None;
    }
    Some(edits(short.as_bytes(), long.as_bytes())).filter(|edits| *edits <= limit)
}

/// Returns the number of letters to insert, delete or replace (Levenshtein distance), ignoring case.
fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, x) in (1_usize..).zip(a) {
        let mut diagonal = std::mem::replace(row.first_mut().unwrap_or(&mut 0), index);
        let mut left = index;
        for (cell, y) in row.iter_mut().skip(1).zip(b) {
            let replaced = diagonal.saturating_add(usize::from(!x.eq_ignore_ascii_case(y)));
            diagonal = *cell;
            left = replaced.min(left.saturating_add(1)).min(diagonal.saturating_add(1));
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_are_similar() {
        for (meant, known, expected) in [
            ("http_requests", "http_requests_total", Some(1)),
            ("http_requests_total", "http_requests", Some(1)),
            ("http_request_total", "http_requests_total", Some(1)),
            ("HTTP_requests", "http_requests", Some(0)),
            ("cod", "code", Some(1)),
            ("statsu_code", "status_code", Some(2)),
            ("code", "pod", None),
            ("code", "method", None),
            ("a", "b", None),
            ("", "b", None),
            ("go_threads", "go_info", None),
        ] {
            assert_eq!(distance(meant, known), expected, "{meant} {known}");
        }
        assert_eq!(edits(b"kitten", b"sitting"), 3);
        assert_eq!(distance(&"a".repeat(65), &"a".repeat(66)), None);
    }
}
