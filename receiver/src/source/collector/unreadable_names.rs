//! Metric names for which a response has lines that cannot be parsed.

/// The maximum number of names to distinguish.
const MAX_NAMES: usize = 64;

/// The names for which this round's response has lines that cannot be parsed. A sum of gauges without such a line would
/// be wrong.
#[derive(Debug, Default)]
pub(super) struct UnreadableNames {
    /// Hashes of names, each with true if a missing series explains the line.
    names: Vec<(u64, bool)>,
    /// True if a line has no valid name.
    is_anywhere: bool,
    /// True if there are more names than the maximum.
    is_everywhere: bool,
}

impl UnreadableNames {
    pub(super) fn clear(&mut self) {
        self.names.clear();
        (self.is_anywhere, self.is_everywhere) = (false, false);
    }

    /// Adds a line with this name, or without a valid name.
    pub(super) fn add(&mut self, name: Option<u64>) {
        match name {
            None => self.is_anywhere = true,
            Some(name) if self.names.iter().any(|(known, _)| *known == name) => {}
            Some(_) if self.names.len() >= MAX_NAMES => self.is_everywhere = true,
            Some(name) => self.names.push((name, false)),
        }
    }

    /// Returns true if a missing series of this name may be on a line that cannot be parsed.
    pub(super) fn may_hide(&mut self, name: u64) -> bool {
        let found = self.names.iter_mut().find(|(known, _)| *known == name);
        let is_named = found.map(|(_, is_explained)| *is_explained = true).is_some();
        is_named || self.is_anywhere || self.is_everywhere
    }

    /// Returns true if a line of this name is not explained by a missing series. Call [`may_hide`](Self::may_hide) for
    /// all missing series first.
    pub(super) fn is_unexplained(&self, name: u64) -> bool {
        self.is_everywhere || self.names.contains(&(name, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_series_explains_a_line() {
        let mut names = UnreadableNames::default();
        assert!(!names.may_hide(1) && !names.is_unexplained(1));
        names.add(Some(1));
        names.add(Some(1));
        assert!(names.is_unexplained(1) && !names.is_unexplained(2) && !names.may_hide(2));
        assert!(names.may_hide(1) && !names.is_unexplained(1));
        names.add(None);
        assert!(names.may_hide(2) && !names.is_unexplained(2));
        names.clear();
        assert!(!names.may_hide(1) && !names.may_hide(2));
        for name in 0..=MAX_NAMES as u64 {
            names.add(Some(name));
        }
        assert!(names.is_unexplained(1_000) && names.may_hide(1_000));
    }
}
