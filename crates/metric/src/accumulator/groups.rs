//! The groups of one period.

use indexmap::Equivalent;

use super::Group;
use crate::{Dimensions, Distribution, LargeMap, Metric};

/// The groups of one period by dimensions.
#[derive(Debug, Default)]
pub(super) struct Groups(LargeMap<Dimensions, Vec<(Metric, Distribution)>>);

/// A group to which data are added.
pub(super) struct Entry<'a> {
    pub(super) dimensions: &'a Dimensions,
    pub(super) distributions: &'a mut Vec<(Metric, Distribution)>,
    /// True if the group was created for this entry.
    pub(super) is_new: bool,
}

/// Borrowed dimensions, sorted by name. They have the same hash as equal [`Dimensions`], so that an existing group is
/// found without an allocation.
#[derive(Hash)]
struct Key<'a>(&'a [(&'a str, &'a str)]);

impl Equivalent<Dimensions> for Key<'_> {
    fn equivalent(&self, dimensions: &Dimensions) -> bool {
        dimensions.iter().eq(self.0.iter().copied())
    }
}

impl Groups {
    /// Returns the group with these dimensions, which must be sorted by name. Creates it if it does not exist.
    pub(super) fn entry(&mut self, names: &[(&str, &str)]) -> Option<Entry<'_>> {
        let new = || (Dimensions::from_borrowed(names), Vec::new());
        let (dimensions, distributions, is_new) = self.0.entry_or_insert_with(&Key(names), new)?;
        Some(Entry { dimensions, distributions, is_new })
    }

    /// Returns whether there are no groups.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes and returns a group.
    pub(super) fn pop(&mut self) -> Option<Group> {
        let (dimensions, distributions) = self.0.pop()?;
        Some(Group { dimensions, distributions })
    }

    /// Returns all groups.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Dimensions, &[(Metric, Distribution)])> {
        self.0.iter().map(|(dimensions, distributions)| (dimensions, distributions.as_slice()))
    }

    /// Converts into the groups.
    pub(super) fn into_groups(self) -> impl Iterator<Item = Group> {
        self.0.into_iter().map(|(dimensions, distributions)| Group { dimensions, distributions })
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use proptest::prelude::*;

    use super::*;
    use crate::{DimensionName, DimensionValue};

    proptest! {
        #[test]
        fn borrowed_dimensions_have_the_hash_of_owned_ones(
            texts in prop::collection::btree_map("[a-c]{1,3}", "[a-c]{1,3}", 0..5)
        ) {
            let owned = texts.iter().map(|(name, value)| {
                (DimensionName::new(name).unwrap(), DimensionValue::new(value).unwrap())
            });
            let owned = Dimensions::new(owned.collect()).unwrap();
            let borrowed: Vec<_> = texts.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let hasher = crate::RandomState::new();
            prop_assert_eq!(hasher.hash_one(Key(&borrowed)), hasher.hash_one(&owned));
            prop_assert!(Key(&borrowed).equivalent(&owned));
        }
    }
}
