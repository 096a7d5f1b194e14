//! The known name that a misspelt one probably means.

/// How many letters may be wrong.
const MAX_DISTANCE: usize = 2;

/// Longer names are not compared.
const MAX_LENGTH: usize = 64;

/// Returns the known name that `name` is when case, `_` and `-` do not count, or else the one that differs from it in the
/// fewest letters, two at most.
pub fn similar<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    if name.len() > MAX_LENGTH {
        return None;
    }
    let name = folded(name);
    let distances = known.iter().map(|known| (distance(&name, &folded(known)), *known));
    let (distance, known) = distances.min_by_key(|(distance, _)| *distance)?;
    // Of short names, half must be right.
    (distance <= MAX_DISTANCE && distance.saturating_mul(2) <= name.len()).then_some(known)
}

fn folded(name: &str) -> Vec<u8> {
    name.bytes().filter(|byte| !b"_-".contains(byte)).map(|byte| byte.to_ascii_lowercase()).collect()
}

/// Returns how many bytes must be inserted, removed or replaced to make one of the other (Levenshtein's distance).
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, one) in left.iter().enumerate() {
        let mut diagonal = at;
        let mut before = at.saturating_add(1);
        let mut next = vec![before];
        for (other, above) in right.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal.saturating_add(usize::from(one != other));
            diagonal = *above;
            before = replaced.min(above.saturating_add(1)).min(before.saturating_add(1));
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["Namespace", "MetricData", "Dimensions", "Unit", "Value"];

    #[test]
    fn the_name_that_is_meant_is_found() {
        for (name, expected) in [
            ("namespace", Some("Namespace")),
            ("metricData", Some("MetricData")),
            ("metric_data", Some("MetricData")),
            ("METRIC-DATA", Some("MetricData")),
            ("Dimension", Some("Dimensions")),
            ("Dimesnions", Some("Dimensions")),
            ("unit", Some("Unit")),
            ("Untis", Some("Unit")),
            ("Valeu", Some("Value")),
            ("Colour", None),
            ("U", None),
            ("", None),
        ] {
            assert_eq!(similar(name, &KNOWN), expected, "{name}");
        }
        assert_eq!(similar(&"x".repeat(1 << 20), &KNOWN), None);
        assert_eq!(similar("x", &[]), None);
    }

    #[test]
    fn a_distance_counts_single_letters() {
        for (left, right, expected) in [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("abc", "acb", 2)] {
            assert_eq!(distance(left.as_bytes(), right.as_bytes()), expected);
            assert_eq!(distance(right.as_bytes(), left.as_bytes()), expected);
        }
    }
}
