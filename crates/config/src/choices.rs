//! A list of names out of a fixed set.

use std::fmt::Display;

use crate::{Field, ValidationErrors, comma_separated};

impl Field<Vec<Field<String>>> {
    /// Returns the indices of the listed names in `names`, or `None` if the list is absent. Adds errors if the list is
    /// empty, has a name twice, or has any other name.
    pub fn choices(self, names: &[&str], path: impl Display, errors: &mut ValidationErrors) -> Option<Vec<usize>> {
        let listed = self.optional(&path, errors)?;
        let mut chosen = Vec::new();
        let known = || comma_separated(&mut names.iter().copied());
        if listed.is_empty() {
            errors.add(&path, format_args!("must have at least one of {}", known()));
        }
        for (index, name) in listed.into_iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Some(name) = name.required(&path, errors) else { continue };
            match names.iter().position(|known| *known == name) {
                Some(choice) if chosen.contains(&choice) => {
                    errors.add(path, format_args!("\"{name}\" is listed twice; remove one of the two"));
                }
                Some(choice) => chosen.push(choice),
                None => errors.add(path, format_args!("must be one of {}", known())),
            }
        }
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str]) -> (Option<Vec<usize>>, Vec<String>) {
        let mut errors = ValidationErrors::default();
        let list = names.iter().map(|name| Field::Valid((*name).to_owned())).collect();
        let chosen = Field::Valid(list).choices(&["cloudwatch", "otlp"], "to", &mut errors);
        (chosen, errors.lines().collect())
    }

    #[test]
    fn names_become_indices() {
        assert_eq!(chosen(&["otlp", "cloudwatch"]), (Some(vec![1, 0]), vec![]));
        let mut errors = ValidationErrors::default();
        assert_eq!(Field::<Vec<Field<String>>>::Absent.choices(&["a"], "to", &mut errors), None);
        assert!(errors.is_empty());
    }

    #[test]
    fn other_lists_are_refused() {
        assert_eq!(chosen(&[]).1, ["to: must have at least one of cloudwatch, otlp"]);
        assert_eq!(
            chosen(&["otlp", "Cloudwatch", "otlp"]).1,
            ["to[1]: must be one of cloudwatch, otlp", "to[2]: \"otlp\" is listed twice; remove one of the two"]
        );
    }
}
