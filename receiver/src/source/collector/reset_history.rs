//! Detects totals that go back.

/// The number of readings without a decrease after which the increases of a series are published again. Until then they
/// are held back. After a restart they are right, but if several processes respond in turn they are differences between
/// processes.
const SETTLED: u8 = 5;

/// The initial number of such readings for a series of the first response of a target.
const START: u8 = 2;

/// The number of readings without a decrease after which earlier decreases are forgotten.
const FORGET_AFTER: u8 = 20;

/// The movement of a total since its last reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Movement {
    /// The total has increased or stayed the same, or is new.
    Onward,
    /// The total has decreased.
    Back,
    /// The total has decreased recently and is now at least what it was before.
    Forth,
}

/// The decreases of one total and the readings since then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ResetHistory {
    last: Option<f64>,
    /// The highest total before a decrease; infinite once the total has reached it again.
    high: f64,
    /// The number of decreases, up to 255.
    backs: u8,
    /// The number of readings since the total went back or forth.
    quiet: u8,
    has_moved: bool,
}

impl ResetHistory {
    /// Creates a history without readings. The increases of a series whose target is new are held back for some
    /// readings.
    pub(super) fn new(is_target_known: bool) -> Self {
        let quiet = if is_target_known { SETTLED } else { START };
        Self { last: None, high: 0.0, backs: 0, quiet, has_moved: false }
    }

    /// Returns the movement to this total.
    pub(super) fn movement(&self, total: f64) -> Movement {
        match self.last {
            Some(last) if total < last => Movement::Back,
            Some(last) if total > last && self.backs > 0 && self.is_unsettled() && total >= self.high => {
                Movement::Forth
            }
            _ => Movement::Onward,
        }
    }

    /// Adds a reading.
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
                self.quiet = self.quiet.saturating_add(1).min(FORGET_AFTER);
                if self.quiet == FORGET_AFTER {
                    (self.backs, self.high) = (0, 0.0);
                }
            }
        }
    }

    /// Adds the first reading of a series that has restarted, as reported by its target.
    pub(super) fn restart(&mut self, total: f64) {
        *self = Self { last: Some(total), has_moved: self.has_moved, ..Self::new(true) };
    }

    /// Holds increases back as after a decrease.
    pub(super) fn unsettle(&mut self) {
        self.quiet = 0;
    }

    /// Returns true if increases must be held back unless the responses are known to be from the same process.
    pub(super) fn is_unsettled(&self) -> bool {
        self.quiet < SETTLED
    }

    /// Returns true if the total has decreased and this is not forgotten.
    pub(super) fn has_gone_back(&self) -> bool {
        self.backs > 0
    }

    /// Returns true if the total has decreased repeatedly, counting a movement that was not added yet.
    pub(super) fn is_flipping(&self, movement: Movement) -> bool {
        self.backs.saturating_add(u8::from(movement == Movement::Back)) >= 2
    }

    /// Returns true if the total has ever changed, counting one that was not added yet.
    pub(super) fn has_moved(&self, total: f64) -> bool {
        self.has_moved || self.last.is_some_and(|last| last != total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(history: &mut ResetHistory, total: f64) -> Movement {
        let movement = history.movement(total);
        history.accept(total);
        movement
    }

    #[test]
    fn increases_are_held_back_after_a_decrease() {
        let mut history = ResetHistory::new(true);
        for total in [5.0, 5.0, 1_000.0] {
            assert_eq!(moved(&mut history, total), Movement::Onward);
            assert!(!history.is_unsettled());
        }
        assert_eq!(moved(&mut history, 3.0), Movement::Back);
        for total in [4.0, 5.0, 6.0, 7.0] {
            assert_eq!(moved(&mut history, total), Movement::Onward);
            assert!(history.is_unsettled());
        }
        assert_eq!(moved(&mut history, 8.0), Movement::Onward);
        assert!(!history.is_unsettled() && history.has_gone_back());
        // Later it may exceed the earlier total.
        assert_eq!(moved(&mut history, 1_001.0), Movement::Onward);
        for _ in 0..FORGET_AFTER {
            moved(&mut history, 1_001.0);
        }
        assert!(!history.has_gone_back());
    }

    #[test]
    fn a_total_that_goes_back_and_forth_is_detected() {
        let mut history = ResetHistory::new(true);
        moved(&mut history, 1_000.0);
        assert_eq!(moved(&mut history, 20.0), Movement::Back);
        assert_eq!(moved(&mut history, 1_001.0), Movement::Forth);
        assert!(!history.is_flipping(Movement::Onward) && history.is_flipping(Movement::Back));
        assert_eq!(moved(&mut history, 1_002.0), Movement::Onward);
        assert_eq!(moved(&mut history, 21.0), Movement::Back);
        assert!(history.is_flipping(Movement::Onward) && history.is_unsettled());
    }

    #[test]
    fn increases_of_a_new_target_are_held_back_for_three_readings() {
        let mut history = ResetHistory::new(false);
        for (total, is_unsettled) in [(1.0, true), (2.0, true), (3.0, true), (4.0, false)] {
            moved(&mut history, total);
            assert_eq!(history.is_unsettled(), is_unsettled, "{total}");
        }
        history.unsettle();
        assert!(history.is_unsettled());
        history.restart(1.0);
        assert!(!history.is_unsettled() && !history.has_gone_back());
    }
}
