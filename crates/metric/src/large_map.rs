//! A map that grows in small steps.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    iter,
};

use indexmap::Equivalent;

use crate::Map;

/// The maximum number of entries of the first part. Hash tables double at seven eighths of a power of two, so the next
/// entry would move this many.
const FIRST: usize = 14_336;

/// The number of other parts.
const PARTS: usize = 64;

/// A map that grows in small steps, however many entries it has.
///
/// A [`Map`] that is full moves and hashes all of its entries, which takes 4 ms for 57,000 sets of dimensions in native
/// code. A large map is a [`Map`] up to 14,336 entries. Further ones are divided among 64 maps by a hash of their key,
/// and each of those grows on its own. The order of the entries depends on no seed.
#[derive(Clone, Debug)]
pub struct LargeMap<K, V> {
    first: Map<K, V>,
    /// Up to 64 parts. A part that is not there is empty.
    parts: Vec<Map<K, V>>,
}

impl<K, V> Default for LargeMap<K, V> {
    fn default() -> Self {
        Self { first: Map::default(), parts: Vec::new() }
    }
}

/// The place of an entry.
#[derive(Clone, Copy)]
struct Place {
    /// The index of the part, or `None` for the first one.
    part: Option<usize>,
    index: usize,
}

impl<K: Hash + Eq, V> LargeMap<K, V> {
    /// Returns the value of a key.
    pub fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<&V> {
        let Place { part, index } = self.find(key)?;
        let (_, value) = self.map(part)?.get_index(index)?;
        Some(value)
    }

    /// Returns the value of a key for changes.
    pub fn get_mut<Q: Hash + Equivalent<K> + ?Sized>(&mut self, key: &Q) -> Option<&mut V> {
        let place = self.find(key)?;
        let (_, value) = self.entry_at(place)?;
        Some(value)
    }

    /// Returns whether there is a value of a key.
    pub fn contains_key<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> bool {
        self.find(key).is_some()
    }

    /// Sets the value of a key.
    pub fn insert(&mut self, key: K, value: V) {
        match self.get_mut(&key) {
            Some(known) => *known = value,
            None => {
                self.push(key, value);
            }
        }
    }

    /// Returns the entry of a key, and whether it is new. `new` makes a missing one, with a key that equals `key`.
    pub fn entry_or_insert_with<Q: Hash + Equivalent<K> + ?Sized>(
        &mut self,
        key: &Q,
        new: impl FnOnce() -> (K, V),
    ) -> Option<(&K, &mut V, bool)> {
        let known = self.find(key);
        let place = known.unwrap_or_else(|| {
            let (key, value) = new();
            self.push(key, value)
        });
        let (key, value) = self.entry_at(place)?;
        Some((key, value, known.is_none()))
    }

    /// Removes and returns an entry. It is the last one that was added, unless there are more than 14,336.
    pub fn pop(&mut self) -> Option<(K, V)> {
        while let Some(last) = self.parts.last_mut() {
            let entry = last.pop();
            if entry.is_some() {
                return entry;
            }
            self.parts.pop();
        }
        self.first.pop()
    }

    /// Removes the entries for which `keep` returns false.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.first.retain(&mut keep);
        self.parts.iter_mut().for_each(|part| part.retain(&mut keep));
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns all entries.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.maps().flatten()
    }

    /// Returns all values.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.maps().map(Map::len).sum()
    }

    /// Returns whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.maps().all(Map::is_empty)
    }

    fn maps(&self) -> impl Iterator<Item = &Map<K, V>> {
        iter::once(&self.first).chain(&self.parts)
    }

    fn map(&self, part: Option<usize>) -> Option<&Map<K, V>> {
        part.map_or(Some(&self.first), |part| self.parts.get(part))
    }

    fn find<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<Place> {
        if let Some(index) = self.first.get_index_of(key) {
            return Some(Place { part: None, index });
        }
        // Most maps have no further parts, and need no second hash.
        if self.parts.is_empty() {
            return None;
        }
        let part = part_of(key);
        let index = self.parts.get(part)?.get_index_of(key)?;
        Some(Place { part: Some(part), index })
    }

    fn entry_at(&mut self, Place { part, index }: Place) -> Option<(&K, &mut V)> {
        let map = match part {
            Some(part) => self.parts.get_mut(part)?,
            None => &mut self.first,
        };
        map.get_index_mut(index)
    }

    /// Adds an entry whose key is not there. Returns its place.
    fn push(&mut self, key: K, value: V) -> Place {
        if self.first.len() >= FIRST {
            // A part that became empty may have been removed.
            self.parts.resize_with(PARTS, Map::default);
            let part = part_of(&key);
            if let Some(map) = self.parts.get_mut(part) {
                let (index, _) = map.insert_full(key, value);
                return Place { part: Some(part), index };
            }
        }
        let (index, _) = self.first.insert_full(key, value);
        Place { part: None, index }
    }
}

impl<K, V> IntoIterator for LargeMap<K, V> {
    type Item = (K, V);
    type IntoIter = iter::Chain<indexmap::map::IntoIter<K, V>, iter::Flatten<std::vec::IntoIter<Map<K, V>>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.parts.into_iter().flatten())
    }
}

/// Returns the index of the part of a key. The hasher has no seed, so that the order of the entries depends on none.
/// Keys that are chosen to share a part make it grow in larger steps, and no more than that, because each part hashes
/// with a seed.
fn part_of<Q: Hash + ?Sized>(key: &Q) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish() as usize % PARTS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A change of a map.
    #[derive(Clone, Debug)]
    enum Change {
        Insert(u32, u8),
        Pop(u16),
        Retain(u32),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            20 => (0u32..30_000, any::<u8>()).prop_map(|(key, value)| Change::Insert(key, value)),
            1 => (0u16..300).prop_map(Change::Pop),
            1 => (2u32..50).prop_map(Change::Retain),
        ]
    }

    #[test]
    fn no_part_has_many_more_entries_than_the_others() {
        let mut map = LargeMap::default();
        for key in 0..100_000u32 {
            map.insert(key, ());
        }
        let largest = map.parts.iter().map(Map::len).max();
        assert!(largest.is_some_and(|largest| largest <= 2 * (100_000 - FIRST) / PARTS), "{largest:?}");
        assert_eq!((map.len(), map.iter().count()), (100_000, 100_000));
    }

    #[test]
    fn the_order_is_the_same_in_every_map() {
        let [one, other] = [0, 1].map(|_| {
            let mut map = LargeMap::default();
            (0..30_000u32).for_each(|key| map.insert(key, ()));
            map.into_iter().map(|(key, ())| key).collect::<Vec<_>>()
        });
        assert_eq!(one, other);
        assert!(one.iter().take(FIRST).copied().eq(0..FIRST as u32));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_large_map_has_what_a_map_has(changes in prop::collection::vec(change(), 0..400), start in 14_000u32..14_500) {
            let mut map: LargeMap<u32, u8> = LargeMap::default();
            let mut model: Map<u32, u8> = Map::default();
            let start = (0..start).map(|key| Change::Insert(key, 0));
            for change in start.chain(changes) {
                match change {
                    Change::Insert(key, value) => {
                        prop_assert_eq!(map.contains_key(&key), model.contains_key(&key));
                        map.insert(key, value);
                        model.insert(key, value);
                        prop_assert_eq!(map.get(&key), Some(&value));
                    }
                    Change::Pop(times) => {
                        for _ in 0..times {
                            let Some((key, value)) = map.pop() else { break };
                            prop_assert_eq!(model.swap_remove(&key), Some(value));
                        }
                    }
                    Change::Retain(divisor) => {
                        map.retain(|key, _| key % divisor != 0);
                        model.retain(|key, _| key % divisor != 0);
                    }
                }
                prop_assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
            }
            let mut entries: Vec<_> = map.into_iter().collect();
            let mut expected: Vec<_> = model.into_iter().collect();
            entries.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(entries, expected);
        }
    }
}
