//! Maps and sets, and the hasher for untrusted keys.

use indexmap::{IndexMap, IndexSet};

/// The hasher for keys from requests, records and scraped pages.
///
/// Such keys are untrusted, and it must not be possible to choose keys that collide. The standard library documents
/// that its hasher resists this. It is seeded at random, in a module by WASI's `random_get`. foldhash is faster, but
/// seeds itself from memory addresses, which never change in Wasm.
pub type RandomState = std::hash::RandomState;

/// A map in insertion order, so that its order does not depend on the seed of its hasher.
pub type Map<K, V> = IndexMap<K, V, RandomState>;

/// A set in insertion order, so that its order does not depend on the seed of its hasher.
pub type Set<K> = IndexSet<K, RandomState>;
