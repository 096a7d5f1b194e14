//! Where things lie in lists, by the hashes of their keys.

use std::hash::{BuildHasher, Hash, RandomState};

use foldhash::{SharedSeed, fast::SeedableRandomState};

/// A hash table of the places of a list. The list is its owner's, who also tells whether what lies at a place has the key
/// that is looked for.
///
/// So there is one table in a module, whatever the keys: of a library's map, most is compiled again for each kind of key,
/// two kilobytes of it. Whole hashes are kept, so to grow it asks for no key, and hardly ever for the wrong one to find
/// one. Collisions lie behind each other; no more than half of it is taken, so they are few.
#[derive(Clone, Debug)]
pub struct Places {
    hasher: SeedableRandomState,
    /// None, or a power of two of them.
    slots: Vec<Slot>,
    count: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    place: u32,
}

impl Default for Places {
    /// An empty table with a seed from the system's random numbers: strangers choose keys, and must not know which of them
    /// collide. (What foldhash takes for random are addresses, which in Wasm are always the same.)
    fn default() -> Self {
        let seed = RandomState::new().hash_one(());
        let hasher = SeedableRandomState::with_seed(seed, SharedSeed::global_fixed());
        Self { hasher, slots: Vec::new(), count: 0 }
    }
}

const FREE: Slot = Slot { hash: 0, place: u32::MAX };

impl Slot {
    fn new(hash: u32, place: usize) -> Self {
        Self { hash, place: u32::try_from(place).unwrap_or(FREE.place) }
    }
}

impl Places {
    /// The hash of a key, which differs from table to table.
    #[inline]
    pub fn hash(&self, key: impl Hash) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    /// The place for which `is` tells that it has the key of this hash.
    #[inline]
    pub fn find(&self, hash: u32, is: impl Fn(usize) -> bool) -> Option<usize> {
        let mut at = self.home(hash);
        loop {
            let slot = self.taken(at)?;
            if slot.hash == hash && is(slot.place as usize) {
                return Some(slot.place as usize);
            }
            at = self.next(at);
        }
    }

    /// Adds a place that it does not have.
    pub fn insert(&mut self, hash: u32, place: usize) {
        const FEWEST: usize = 4;
        self.count = self.count.saturating_add(1);
        if self.count > self.slots.len() / 2 {
            let slots = vec![FREE; self.slots.len().saturating_mul(2).max(FEWEST)];
            for slot in std::mem::replace(&mut self.slots, slots) {
                self.put(slot);
            }
        }
        self.put(Slot::new(hash, place));
    }

    /// What lay at the first place lies at the second one now.
    pub fn replace(&mut self, hash: u32, place: usize, by: usize) {
        if let Some(at) = self.slot(hash, place) {
            self.set(at, Slot::new(hash, by));
        }
    }

    /// Takes out a place.
    pub fn remove(&mut self, hash: u32, place: usize) {
        let Some(mut hole) = self.slot(hash, place) else { return };
        self.count = self.count.saturating_sub(1);
        let mut at = self.next(hole);
        // What lies behind it may not have found room before it: that moves up, unless it would come before its home.
        while let Some(slot) = self.taken(at) {
            let from = |start: usize| self.wrap(at.wrapping_sub(start));
            if from(self.home(slot.hash)) >= from(hole) {
                self.set(hole, slot);
                hole = at;
            }
            at = self.next(at);
        }
        self.set(hole, FREE);
    }

    /// What is kept in a slot, if anything is.
    #[inline]
    fn taken(&self, at: usize) -> Option<Slot> {
        self.slots.get(at).copied().filter(|slot| slot.place != FREE.place)
    }

    /// The slot of a place.
    fn slot(&self, hash: u32, place: usize) -> Option<usize> {
        let mut at = self.home(hash);
        loop {
            let slot = self.taken(at)?;
            if slot.place as usize == place {
                return Some(at);
            }
            at = self.next(at);
        }
    }

    fn put(&mut self, slot: Slot) {
        let mut at = self.home(slot.hash);
        while self.taken(at).is_some() {
            at = self.next(at);
        }
        self.set(at, slot);
    }

    fn set(&mut self, at: usize, slot: Slot) {
        if let Some(known) = self.slots.get_mut(at) {
            *known = slot;
        }
    }

    /// Where a slot of this hash is looked for first.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        self.wrap(hash as usize)
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        self.wrap(at.wrapping_add(1))
    }

    /// Of no slots at all there is none.
    #[inline]
    fn wrap(&self, at: usize) -> usize {
        at & self.slots.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A list, and its places by the numbers in it, of which some collide.
    #[derive(Default)]
    struct List {
        keys: Vec<u32>,
        places: Places,
    }

    impl List {
        /// Hashes of which many have the same home, in tables of any size, some of them the last slot.
        fn hash(key: u32) -> u32 {
            [7, 0x1_0007, 0xffff_ffff][key as usize % 3] ^ (key / 9)
        }

        fn find(&self, key: u32) -> Option<usize> {
            self.places.find(Self::hash(key), |place| self.keys[place] == key)
        }

        fn insert(&mut self, key: u32) {
            if self.find(key).is_none() {
                self.places.insert(Self::hash(key), self.keys.len());
                self.keys.push(key);
            }
        }

        fn remove(&mut self, key: u32) {
            let Some(place) = self.find(key) else { return };
            self.places.remove(Self::hash(key), place);
            self.keys.swap_remove(place);
            if let Some(moved) = self.keys.get(place) {
                self.places.replace(Self::hash(*moved), self.keys.len(), place);
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_in_the_list_is_found_and_nothing_else(
            steps in prop::collection::vec((0u32..80, prop::bool::weighted(0.6)), 0..400)
        ) {
            let mut list = List::default();
            let mut expected = std::collections::BTreeSet::new();
            for (key, is_added) in steps {
                if is_added {
                    list.insert(key);
                    expected.insert(key);
                } else {
                    list.remove(key);
                    expected.remove(&key);
                }
                prop_assert_eq!(list.keys.len(), expected.len());
                prop_assert!((0..80).all(|key| list.find(key).is_some() == expected.contains(&key)));
            }
        }
    }

    #[test]
    fn at_most_half_is_taken_and_what_is_given_back_is_taken_again() {
        let mut list = List::default();
        assert_eq!((list.find(0), list.places.slots.len()), (None, 0));
        for (keys, slots) in [(1, 4), (2, 4), (3, 8), (1_000, 2_048)] {
            (0..keys).for_each(|key| list.insert(key));
            assert_eq!((list.places.count, list.places.slots.len()), (keys as usize, slots), "{keys}");
        }
        for key in 1_000..10_000 {
            list.remove(key - 1_000);
            list.insert(key);
        }
        assert_eq!((list.places.count, list.places.slots.len()), (1_000, 2_048));
    }

    #[test]
    fn two_tables_hash_differently() {
        assert_ne!(Places::default().hash("key"), Places::default().hash("key"));
    }
}
