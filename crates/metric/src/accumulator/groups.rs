//! What one period holds.

use std::hash::{Hash, Hasher};

use super::Group;
use crate::{Dimensions, Places};

/// The groups of one period, by their dimensions.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// In the order in which they came.
    groups: Vec<(u32, Group)>,
    /// By their hashes, which are beside them.
    places: Places,
}

impl Groups {
    /// The group of these dimensions, which are in the order of their names, and whether it is new.
    pub(super) fn entry(&mut self, names: &[(&str, &str)]) -> Option<(&mut Group, bool)> {
        let hash = self.places.hash(Key(names));
        let end = self.groups.len();
        let place = self.places.find(hash, |place| {
            self.groups.get(place).is_some_and(|(_, group)| group.dimensions.iter().eq(names.iter().copied()))
        });
        if place.is_none() {
            self.places.insert(hash, end);
            self.groups.push((hash, Group { dimensions: Dimensions::from_borrowed(names), distributions: Vec::new() }));
        }
        Some((&mut self.groups.get_mut(place.unwrap_or(end))?.1, place.is_none()))
    }

    /// Takes out the last group.
    pub(super) fn pop(&mut self) -> Option<Group> {
        let (hash, group) = self.groups.pop()?;
        self.places.remove(hash, self.groups.len());
        Some(group)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().map(|(_, group)| group)
    }
}

/// Names and values without what `Hash` puts between texts: where one ends tells in this hash, since its length does.
struct Key<'a>(&'a [(&'a str, &'a str)]);

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.iter().flat_map(|(name, value)| [name, value]).for_each(|text| hasher.write(text.as_bytes()));
    }
}

impl IntoIterator for Groups {
    type Item = Group;
    type IntoIter = std::iter::Map<std::vec::IntoIter<(u32, Group)>, fn((u32, Group)) -> Group>;

    fn into_iter(self) -> Self::IntoIter {
        self.groups.into_iter().map(|(_, group)| group)
    }
}
