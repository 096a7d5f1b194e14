//! MatchCache of which an answer has lines that cannot be read.

/// The most names that are told apart.
const MAX_NAMES: usize = 64;

/// The names of which this round's answer has lines that cannot be read. A sum of gauges that lacks
/// one of them would be wrong.
#[derive(Debug, Default)]
pub(super) struct UnreadableNames {
    /// Hashes of names, and whether a series is missing that such a line may have been.
    names: Vec<(u64, bool)>,
    /// Whether there is a line without a readable name.
    is_anywhere: bool,
    /// Whether there are more names.
    is_everywhere: bool,
}

impl UnreadableNames {
    pub(super) fn clear(&mut self) {
        self.names.clear();
        (self.is_anywhere, self.is_everywhere) = (false, false);
    }

    /// Takes note of a line of this name, or without a readable name.
    pub(super) fn add(&mut self, name: Option<u64>) {
        match name {
            None => self.is_anywhere = true,
            Some(name) if self.names.iter().any(|(known, _)| *known == name) => {}
            Some(_) if self.names.len() >= MAX_NAMES => self.is_everywhere = true,
            Some(name) => self.names.push((name, false)),
        }
    }

    /// Returns whether a series of this name that is missing may be there, on a line that cannot be
    /// read.
    pub(super) fn may_hide(&mut self, name: u64) -> bool {
        let found = self.names.iter_mut().find(|(known, _)| *known == name);
        let is_named = found.map(|(_, is_explained)| *is_explained = true).is_some();
        is_named || self.is_anywhere || self.is_everywhere
    }

    /// Returns whether a line of this name cannot be read that is of no series that is missing. To
    /// be asked after all missing series.
    pub(super) fn is_unexplained(&self, name: u64) -> bool {
        self.is_everywhere || self.names.contains(&(name, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_explained_by_a_series_that_is_missing() {
        let mut unreadable = UnreadableNames::default();
        assert!(!unreadable.may_hide(1) && !unreadable.is_unexplained(1));
        unreadable.add(Some(1));
        unreadable.add(Some(1));
        assert!(unreadable.is_unexplained(1) && !unreadable.is_unexplained(2) && !unreadable.may_hide(2));
        assert!(unreadable.may_hide(1) && !unreadable.is_unexplained(1));
        unreadable.add(None);
        assert!(unreadable.may_hide(2) && !unreadable.is_unexplained(2));
        unreadable.clear();
        assert!(!unreadable.may_hide(1) && !unreadable.may_hide(2));
        for name in 0..=MAX_NAMES as u64 {
            unreadable.add(Some(name));
        }
        assert!(unreadable.is_unexplained(1_000) && unreadable.may_hide(1_000));
    }
}
