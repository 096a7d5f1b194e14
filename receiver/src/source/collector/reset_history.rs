//! Totals that go back.

/// The number of readings without going back after which the increases of a series are published
/// again. Until then they are held back: after the restart of a process they are right, and among
/// several processes that answer in turn they are differences between two of them.
const SETTLED: u8 = 5;

/// The number of readings that a series starts with which was there at the first answer of a
/// target.
const START: u8 = 2;

/// The number of readings without going back after which it is forgotten that a series ever did.
const FORGOTTEN: u8 = 20;

/// How a total has moved since its last reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Movement {
    /// It has grown, or stayed, or is read for the first time.
    Onward,
    /// It has become less.
    Back,
    /// It has gone back lately, and is now at least what it was before.
    Forth,
}

/// The ups and downs of one total.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ResetHistory {
    last: Option<f64>,
    /// The highest total before it went back; infinite once it has come forth again.
    high: f64,
    /// How often it went back, up to 255.
    backs: u8,
    /// Readings since it went back or forth.
    quiet: u8,
    has_moved: bool,
}

impl ResetHistory {
    /// Returns a total that was not read yet. One of a target that is new itself is held back for
    /// some readings.
    pub(super) fn new(is_target_known: bool) -> Self {
        let quiet = if is_target_known { SETTLED } else { START };
        Self { last: None, high: 0.0, backs: 0, quiet, has_moved: false }
    }

    /// Returns how a total has moved.
    pub(super) fn movement(&self, total: f64) -> Movement {
        match self.last {
            Some(last) if total < last => Movement::Back,
            Some(last) if total > last && self.backs > 0 && self.is_unsettled() && total >= self.high => {
                Movement::Forth
            }
            _ => Movement::Onward,
        }
    }

    /// Takes in a total.
    pub(super) fn accept(&mut self, total: f64) {
        let movement = self.movement(total);
        let last = self.last.replace(total);
        self.has_moved |= last.is_some_and(|last| last != total);
        match movement {
            Movement::Back => {
                let last = last.unwrap_or(0.0);
                self.high = if self.high.is_finite() { self.high.max(last) } else { last };
                self.backs = self.backs.saturating_add(1);
                self.quiet = 0;
            }
            Movement::Forth => (self.quiet, self.high) = (0, f64::INFINITY),
            Movement::Onward if last.is_none() => {}
            Movement::Onward => {
                self.quiet = self.quiet.saturating_add(1).min(FORGOTTEN);
                if self.quiet == FORGOTTEN {
                    (self.backs, self.high) = (0, 0.0);
                }
            }
        }
    }

    /// Takes in a total of a series that has begun anew, as its target says.
    pub(super) fn restart(&mut self, total: f64) {
        *self = Self { last: Some(total), has_moved: self.has_moved, ..Self::new(true) };
    }

    /// Holds increases back as after going back.
    pub(super) fn unsettle(&mut self) {
        self.quiet = 0;
    }

    /// Returns whether increases are to be held back, if nothing else says that the same process
    /// answers.
    pub(super) fn is_unsettled(&self) -> bool {
        self.quiet < SETTLED
    }

    /// Returns whether it has ever gone back, as far as that is remembered.
    pub(super) fn has_gone_back(&self) -> bool {
        self.backs > 0
    }

    /// Returns whether it has gone back again and again, with a movement that was not accepted yet.
    pub(super) fn is_flipping(&self, movement: Movement) -> bool {
        self.backs.saturating_add(u8::from(movement == Movement::Back)) >= 2
    }

    /// Returns whether it has ever moved, this total included.
    pub(super) fn has_moved(&self, total: f64) -> bool {
        self.has_moved || self.last.is_some_and(|last| last != total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(resets: &mut ResetHistory, total: f64) -> Movement {
        let movement = resets.movement(total);
        resets.accept(total);
        movement
    }

    #[test]
    fn a_total_that_goes_back_is_held_back_for_a_while() {
        let mut resets = ResetHistory::new(true);
        for total in [5.0, 5.0, 1_000.0] {
            assert_eq!(moved(&mut resets, total), Movement::Onward);
            assert!(!resets.is_unsettled());
        }
        assert_eq!(moved(&mut resets, 3.0), Movement::Back);
        for total in [4.0, 5.0, 6.0, 7.0] {
            assert_eq!(moved(&mut resets, total), Movement::Onward);
            assert!(resets.is_unsettled());
        }
        assert_eq!(moved(&mut resets, 8.0), Movement::Onward);
        assert!(!resets.is_unsettled() && resets.has_gone_back());
        // It may come to what it was before.
        assert_eq!(moved(&mut resets, 1_001.0), Movement::Onward);
        for _ in 0..FORGOTTEN {
            moved(&mut resets, 1_001.0);
        }
        assert!(!resets.has_gone_back());
    }

    #[test]
    fn a_total_that_goes_back_and_forth_is_known_by_it() {
        let mut resets = ResetHistory::new(true);
        moved(&mut resets, 1_000.0);
        assert_eq!(moved(&mut resets, 20.0), Movement::Back);
        assert_eq!(moved(&mut resets, 1_001.0), Movement::Forth);
        assert!(!resets.is_flipping(Movement::Onward) && resets.is_flipping(Movement::Back));
        assert_eq!(moved(&mut resets, 1_002.0), Movement::Onward);
        assert_eq!(moved(&mut resets, 21.0), Movement::Back);
        assert!(resets.is_flipping(Movement::Onward) && resets.is_unsettled());
    }

    #[test]
    fn a_total_of_a_new_target_is_held_back_for_three_readings() {
        let mut resets = ResetHistory::new(false);
        for (total, is_unsettled) in [(1.0, true), (2.0, true), (3.0, true), (4.0, false)] {
            moved(&mut resets, total);
            assert_eq!(resets.is_unsettled(), is_unsettled, "{total}");
        }
        resets.unsettle();
        assert!(resets.is_unsettled());
        resets.restart(1.0);
        assert!(!resets.is_unsettled() && !resets.has_gone_back());
    }
}
