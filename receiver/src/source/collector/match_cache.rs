//! Caches which rules match a name.

use std::{hash::BuildHasher, rc::Rc};

use acpw_metric::{Map, RandomState};

use crate::source::{reading::Wanted, rule::Rule};

/// The maximum number of cached names.
const MAX_NAMES: usize = 65_536;

/// The cost of looking up a name other than the last one, and of comparing a name with a rule, as the number of bytes
/// that could have been parsed in the same time.
const LOOK_UP_WORK: usize = 8;
const COMPARE_WORK: usize = 2;

/// A cache of the rules that names match. Each name is compared with the rules once, instead of in every response.
#[derive(Debug, Default)]
pub(super) struct MatchCache {
    hasher: RandomState,
    /// Matches by the hash of the name, which takes less memory than the name.
    known: Map<u64, Match>,
    last: String,
    last_match: Match,
}

/// The rules that a name matches.
#[derive(Clone, Debug, Default)]
pub(super) struct Match {
    pub(super) rules: Option<Rc<[usize]>>,
    /// The hash of the name.
    pub(super) name: u64,
    is_by_name: bool,
}

impl Match {
    pub(super) fn wanted(&self) -> Wanted {
        match (&self.rules, self.is_by_name) {
            (None, _) => Wanted::No,
            (Some(_), true) => Wanted::ByName,
            (Some(_), false) => Wanted::ByPattern,
        }
    }
}

impl MatchCache {
    /// Clears the cache if it is full. The names then differ between responses.
    pub(super) fn begin(&mut self) {
        if self.known.len() >= MAX_NAMES {
            self.known.clear();
        }
    }

    /// Returns the rules that match a name, and adds the cost to `work`.
    pub(super) fn look_up(&mut self, name: &str, rules: &[Rule], work: &mut usize) -> Match {
        if self.last == name && self.last_match.rules.is_some() {
            return self.last_match.clone();
        }
        *work = work.saturating_add(LOOK_UP_WORK);
        let key = self.hasher.hash_one(name);
        let found = match self.known.get(&key) {
            Some(known) => known.clone(),
            None => {
                *work = work.saturating_add(rules.len().saturating_mul(COMPARE_WORK));
                let is_match = |(index, rule): (usize, &Rule)| rule.metric.matches(name).then_some(index);
                let indexes: Vec<_> = rules.iter().enumerate().filter_map(is_match).collect();
                let is_by_name =
                    indexes.iter().any(|index| rules.get(*index).is_some_and(|rule| rule.metric.is_name()));
                let rules = (!indexes.is_empty()).then(|| Rc::from(indexes));
                let found = Match { rules, name: key, is_by_name };
                if self.known.len() < MAX_NAMES {
                    self.known.insert(key, found.clone());
                }
                found
            }
        };
        self.last.clear();
        self.last.push_str(name);
        self.last_match = found.clone();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_compared_with_the_rules_once() {
        let rules = [Rule::new("a*"), Rule::new("ab"), Rule::new("b")];
        let mut matches = MatchCache::default();
        let mut look_up = |name: &str| {
            let mut work = 0;
            let found = matches.look_up(name, &rules, &mut work);
            (found.rules.as_deref().unwrap_or_default().to_vec(), found.wanted(), work)
        };
        let compared = LOOK_UP_WORK + COMPARE_WORK * rules.len();
        assert_eq!(look_up("ab"), (vec![0, 1], Wanted::ByName, compared));
        assert_eq!(look_up("ab"), (vec![0, 1], Wanted::ByName, 0));
        assert_eq!(look_up("ac"), (vec![0], Wanted::ByPattern, compared));
        assert_eq!(look_up("c"), (vec![], Wanted::No, compared));
        assert_eq!(look_up("c"), (vec![], Wanted::No, LOOK_UP_WORK));
        assert_eq!(look_up("ab"), (vec![0, 1], Wanted::ByName, LOOK_UP_WORK));
    }
}
