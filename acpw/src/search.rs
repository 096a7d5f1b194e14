//! CloudWatch's search expressions, which find the series of a set whose dimension values are not known.

use crate::publication::{MetricNames, PublishedSet};

/// Returns an expression that finds all series of a set, with a statistic over periods of `period` seconds.
///
/// A search matches series whose dimensions have exactly these names. It finds at most 500 series, and none that had no
/// data for two weeks.
pub fn expression(set: &PublishedSet, statistic: &str, period: u64) -> String {
    let mut schema = vec![quoted_name(&set.namespace)];
    schema.extend(set.dimensions.iter().map(|dimension| quoted_name(&dimension.name)));
    let mut terms = vec![match &set.name {
        MetricNames::Exact(name) => format!("MetricName={}", quoted(name)),
        MetricNames::Matching(pattern) => {
            words(pattern).iter().map(|word| format!("MetricName={word}")).collect::<Vec<_>>().join(" ")
        }
    }];
    // Only a constant is part of the search: the overflow series has `__other__` in the other dimensions.
    for dimension in set.dimensions.iter().filter(|dimension| dimension.is_constant) {
        terms.extend(dimension.value().map(|value| format!("{}={}", quoted_name(&dimension.name), quoted(value))));
    }
    let query = format!("{{{}}} {}", schema.join(","), terms.join(" "));
    format!("SEARCH('{}', '{statistic}', {period})", query.trim_end())
}

/// Returns an expression that finds the ten series of a set with the highest values by `order` (`SUM`, `AVG` or `MAX`).
pub fn top(set: &PublishedSet, statistic: &str, period: u64, order: &str) -> String {
    format!("SORT({}, {order}, DESC, 10)", expression(set, statistic, period))
}

/// Quotes a namespace or the name of a dimension if it has a character that is neither a letter nor a digit.
fn quoted_name(name: &str) -> String {
    match name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

/// Quotes a text for an exact match.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        if matches!(character, '"' | '\\' | '\'') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

/// Returns the whole words of a pattern. CloudWatch splits names into words at other characters than letters and
/// digits, and matches whole words only.
fn words(pattern: &str) -> Vec<&str> {
    let pieces = pattern.split(|character: char| !character.is_ascii_alphanumeric() && character != '*');
    pieces.filter(|piece| !piece.is_empty() && !piece.contains('*')).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use acpw_metric::{StorageResolution, Unit};
    use receiver::source::published_metric::ValueKind;

    use super::*;
    use crate::publication::{SetDimension, Source};

    fn set(name: MetricNames, dimensions: &[(&str, &[&str], bool)]) -> PublishedSet {
        let dimension = |(name, values, is_constant): &(&str, &[&str], bool)| SetDimension {
            name: (*name).to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            is_constant: *is_constant,
            built_in: None,
        };
        PublishedSet {
            namespace: "Envoy/Requests".to_owned(),
            name,
            role: None,
            unit: Some(Unit::COUNT),
            resolution: StorageResolution::Standard,
            dimensions: dimensions.iter().map(dimension).collect(),
            values: ValueKind::Events,
            source: Source::Requests,
            interval: Duration::from_secs(60),
            buffer_limit: 1,
            has_zeros: false,
            entity: None,
        }
    }

    #[test]
    fn a_search_names_all_dimensions_and_the_values_of_constants() {
        let dimensions: [(&str, &[&str], bool); 3] =
            [("Stage", &["it's \"1\""], true), ("host", &["a"], false), ("path_template", &[], false)];
        let set = set(MetricNames::Exact("5XXError".to_owned()), &dimensions);
        assert_eq!(
            expression(&set, "Average", 60),
            r#"SEARCH('{"Envoy/Requests",Stage,host,"path_template"} MetricName="5XXError" Stage="it\'s \"1\""', 'Average', 60)"#
        );
        assert!(top(&set, "Sum", 300, "SUM").ends_with("'Sum', 300), SUM, DESC, 10)"));
    }

    #[test]
    fn a_pattern_is_searched_by_its_whole_words() {
        let search = |pattern: &str| expression(&set(MetricNames::Matching(pattern.to_owned()), &[]), "Sum", 60);
        assert_eq!(
            search("queue_*_size"),
            r#"SEARCH('{"Envoy/Requests"} MetricName=queue MetricName=size', 'Sum', 60)"#
        );
        assert_eq!(search("que*"), r#"SEARCH('{"Envoy/Requests"}', 'Sum', 60)"#);
    }
}
