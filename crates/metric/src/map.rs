//! The maps of the modules, and the one hasher of all keys that strangers choose.

use indexmap::{IndexMap, IndexSet};

/// Hashes keys that come from requests, records and scraped pages.
///
/// Strangers choose such keys, and must not be able to choose keys that collide. The standard
/// library's hasher is documented to resist that. Its seed is random: in a module it comes from
/// WASI's `random_get`. (foldhash is faster, but seeds itself from addresses, which in Wasm are
/// always the same.)
pub type RandomState = std::hash::RandomState;

/// A map whose order is that of insertion, whatever the seed of its hasher.
pub type Map<K, V> = IndexMap<K, V, RandomState>;

/// A set whose order is that of insertion, whatever the seed of its hasher.
pub type Set<K> = IndexSet<K, RandomState>;
