//! Finds the parts of a request that an error message names.

/// The parts of a request that an error message names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedParts {
    /// The indices of data, from 0, in ascending order without duplicates.
    pub data: Vec<usize>,
    /// True if the message names the entity.
    pub has_entity: bool,
}

impl NamedParts {
    /// Parses the paths in a message. CloudWatch writes them in two ways:
    ///
    /// - `The parameter EntityMetricData.member.1.MetricData.member.3.Timestamp must …` is datum 2;
    /// - `Value null at 'metricData.3.member.metricName' failed to satisfy constraint: …` is datum 2 too.
    ///
    /// Text in quotes is a path only after `at`. Elsewhere it is a value, which a client may have chosen.
    pub fn parse(message: &str) -> Self {
        let mut named = Self::default();
        let mut rest = message;
        while let Some(index) = rest.find(['\'', '"']) {
            let (plain, quoted) = rest.split_at_checked(index).unwrap_or((rest, ""));
            named.add_paths(plain);
            let mut inner = quoted.chars();
            let Some(quote) = inner.next() else { break };
            match inner.as_str().split_once(quote) {
                Some((path, after)) => {
                    if plain.ends_with(" at ") {
                        named.add_path(path);
                    }
                    rest = after;
                }
                // An apostrophe.
                None => rest = inner.as_str(),
            }
        }
        named.add_paths(rest);
        named.has_entity |= starts_with_entity(message);
        named.data.sort_unstable();
        named.data.dedup();
        named
    }

    fn add_paths(&mut self, text: &str) {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').for_each(|word| self.add_path(word));
    }

    /// Adds the part with a path such as `MetricData.member.3.Value` or `metricData.3.member.value`.
    fn add_path(&mut self, path: &str) {
        let mut segments = path.split('.').filter(|segment| !segment.eq_ignore_ascii_case("member"));
        let Some(mut segment) = segments.next() else { return };
        let is_of_entity = segment.eq_ignore_ascii_case("EntityMetricData");
        if is_of_entity {
            // This receiver sends one entity per request.
            if segments.next() != Some("1") {
                return;
            }
            segment = segments.next().unwrap_or_default();
        }
        if segment.eq_ignore_ascii_case("Entity") {
            // The word alone is not a path, as in "the request entity is too large".
            self.has_entity |= is_of_entity || segments.next().is_some_and(|segment| !segment.is_empty());
        } else if segment.eq_ignore_ascii_case("MetricData") {
            let index = segments.next().and_then(|number| number.parse::<usize>().ok());
            self.data.extend(index.and_then(|number| number.checked_sub(1)));
        }
    }
}

/// Returns true if a message without a path is about the entity, as in `The entity is invalid.`
fn starts_with_entity(message: &str) -> bool {
    let mut words = message.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let is_the = |word: Option<&str>| word.is_some_and(|word| word.eq_ignore_ascii_case("the"));
    let has_entity = |word: Option<&str>| {
        word.is_some_and(|word| ["entity", "KeyAttributes"].iter().any(|name| word.eq_ignore_ascii_case(name)))
    };
    let first = words.next();
    has_entity(first) || (is_the(first) && has_entity(words.next()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_data_named_in_a_message_are_found() {
        let message = "The parameter MetricData.member.3.Timestamp must specify a time within the past two weeks.\n\
            The collection MetricData.member.12.Values must not have a size greater than 150.\n\
            The parameter MetricData.member.3.Value must be a number.";
        let java = "2 validation errors detected: Value null at 'metricData.3.member.metricName' failed to satisfy \
            constraint: Member must not be null; Value '' at 'metricData.12.member.dimensions.1.member.value' failed";
        let entity = "The parameter EntityMetricData.member.1.MetricData.member.3.Timestamp must be so.\n\
            Value null at 'entityMetricData.1.member.metricData.12.member.value' failed";
        for message in [message, java, entity] {
            assert_eq!(NamedParts::parse(message), NamedParts { data: vec![2, 11], has_entity: false }, "{message}");
        }
        assert_eq!(NamedParts::parse("MetricData.member.1").data, [0]);
        let nothing = [
            "",
            "MetricData.member.",
            "MetricData.member.0.X",
            "MetricData.member.99999999999999999999",
            "EntityMetricData.member.2.MetricData.member.1.X",
            "EntityMetricData.member.1",
            "MetricData.X.1",
        ];
        for message in nothing {
            assert_eq!(NamedParts::parse(message), NamedParts::default(), "{message}");
        }
    }

    #[test]
    fn a_named_entity_is_found_without_data() {
        for message in [
            "The parameter EntityMetricData.member.1.Entity.KeyAttributes must have Type.",
            "Value at 'entityMetricData.1.member.entity.keyAttributes' failed to satisfy constraint",
            "The entity is invalid.",
            "Entity: missing KeyAttributes",
        ] {
            assert_eq!(NamedParts::parse(message), NamedParts { data: Vec::new(), has_entity: true }, "{message}");
        }
        assert!(!NamedParts::parse("The request entity is too large.").has_entity);
    }

    #[test]
    fn a_value_that_looks_like_a_path_is_ignored() {
        let message = "The value 'MetricData.member.5.x' for parameter MetricData.member.2.Unit isn't valid.";
        assert_eq!(NamedParts::parse(message).data, [1]);
        let message = "Value 'metricData.5.member' at 'metricData.2.member.unit' failed";
        assert_eq!(NamedParts::parse(message).data, [1]);
    }

    proptest! {
        #[test]
        fn any_text_gives_ascending_indices(message in "[a-zA-Z0-9. '\"]{0,100}|.*") {
            let named = NamedParts::parse(&message);
            prop_assert!(named.data.is_sorted());
        }

        #[test]
        fn exactly_the_named_data_are_found(indices in prop::collection::btree_set(1usize..1001, 0..50), is_java: bool) {
            let line = |n: &usize| if is_java {
                format!("Value null at 'metricData.{n}.member.metricName' failed; ")
            } else {
                format!("The parameter MetricData.member.{n}.Value must be a number.\n")
            };
            let message: String = indices.iter().map(line).collect();
            let expected: Vec<usize> = indices.iter().map(|n| n - 1).collect();
            prop_assert_eq!(NamedParts::parse(&message).data, expected);
        }
    }
}
