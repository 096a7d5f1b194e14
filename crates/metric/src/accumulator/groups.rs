//! The groups of one period.

use indexmap::Equivalent;

use super::Group;
use crate::{Dimensions, Distribution, Map, Metric};

/// The groups of one period by dimensions, in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Groups(Map<Dimensions, Vec<(Metric, Distribution)>>);

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
        let known = self.0.get_index_of(&Key(names));
        let index = known.unwrap_or_else(|| self.0.insert_full(Dimensions::from_borrowed(names), Vec::new()).0);
        let (dimensions, distributions) = self.0.get_index_mut(index)?;
        Some(Entry { dimensions, distributions, is_new: known.is_none() })
    }

    /// Returns whether there are no groups.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes and returns the last group.
    pub(super) fn pop(&mut self) -> Option<Group> {
        let (dimensions, distributions) = self.0.pop()?;
        Some(Group { dimensions, distributions })
    }

    /// Returns all groups, in the order in which they were added.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Dimensions, &[(Metric, Distribution)])> {
        self.0.iter().map(|(dimensions, distributions)| (dimensions, distributions.as_slice()))
    }

    /// Converts into the groups, in the order in which they were added.
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
