//! Byte strings, numbered.

use crate::Places;

/// Each byte string once, numbered from 0 on in the order in which they came. Nothing is allocated for one already known.
#[derive(Clone, Debug, Default)]
pub struct Interner {
    keys: Vec<Box<[u8]>>,
    places: Places,
}

impl Interner {
    /// The number of a string that is known.
    pub fn get(&self, key: &[u8]) -> Option<usize> {
        match self.keys.as_slice() {
            // As often as not one is all there are, which takes no hash to tell.
            [only] => (**only == *key).then_some(0),
            _ => self.find(self.places.hash(key), key),
        }
    }

    /// The number of a string, which is the next one if it was not known.
    pub fn insert(&mut self, key: &[u8]) -> usize {
        let hash = self.places.hash(key);
        let next = self.keys.len();
        self.find(hash, key).unwrap_or_else(|| {
            self.places.insert(hash, next);
            self.keys.push(key.into());
            next
        })
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// All of them, by their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.iter().map(AsRef::as_ref)
    }

    fn find(&self, hash: u32, key: &[u8]) -> Option<usize> {
        self.places.find(hash, |number| self.keys.get(number).is_some_and(|known| **known == *key))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_string_has_the_number_of_its_first_coming(keys: Vec<Vec<u8>>) {
            let mut interner = Interner::default();
            let mut expected: Vec<&[u8]> = Vec::new();
            for key in keys.iter().chain(&keys) {
                let number = expected.iter().position(|known| known == key);
                prop_assert_eq!(interner.get(key), number);
                prop_assert_eq!(interner.insert(key), number.unwrap_or(expected.len()));
                if number.is_none() {
                    expected.push(key);
                }
            }
            prop_assert!(interner.iter().eq(expected.iter().copied()));
            prop_assert_eq!((interner.len(), interner.is_empty()), (expected.len(), expected.is_empty()));
        }
    }
}
