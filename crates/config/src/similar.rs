//! Finds the name that a misspelt name probably stands for.

/// The maximum edit distance of a suggestion.
const MAX_DISTANCE: usize = 2;

/// The maximum length of a name in bytes; longer names are not compared.
const MAX_LENGTH: usize = 64;

/// Returns the known name with the smallest edit distance to `name`, at most 2. Case, `_` and `-` are ignored.
pub fn similar<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    if name.len() > MAX_LENGTH {
        return None;
    }
    let name = folded(name);
    let distances = known.iter().map(|known| (distance(&name, &folded(known)), *known));
    let (distance, known) = distances.min_by_key(|(distance, _)| *distance)?;
    // At least half of a short name must match.
    (distance <= MAX_DISTANCE && distance.saturating_mul(2) <= name.len()).then_some(known)
}

fn folded(name: &str) -> Vec<u8> {
    name.bytes().filter(|byte| !b"_-".contains(byte)).map(|byte| byte.to_ascii_lowercase()).collect()
}

/// Returns the Levenshtein distance: the number of bytes to insert, remove or replace to turn one name into the other.
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
    fn a_misspelt_name_is_matched_to_a_known_one() {
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
    fn the_distance_is_symmetric_and_counts_single_edits() {
        for (left, right, expected) in [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("abc", "acb", 2)] {
            assert_eq!(distance(left.as_bytes(), right.as_bytes()), expected);
            assert_eq!(distance(right.as_bytes(), left.as_bytes()), expected);
        }
    }
}
