//! Adapts the work of a tick to the time that it takes.

use std::time::Duration;

/// The bounds of the work of a tick: bytes of records to merge, and bytes to encode and compress for each service.
const MIN_BYTES: usize = 8 * 1024;
const MAX_BYTES: usize = 64 * 1024;

/// The work of the first tick. V8 has not optimised the code yet, which is several times slower then.
const FIRST_BYTES: usize = 16 * 1024;

/// The duration of a tick from which the next one gets less work. Half of what a callback may take, since a record and
/// an answer cannot be split.
const LONG: Duration = Duration::from_millis(5);

/// The duration of a tick up to which the next one may have twice the work.
const SHORT: Duration = Duration::from_micros(2_500);

/// The work of a tick, as a number of bytes.
///
/// The same number of bytes takes several times as long on a slow CPU, in code that V8 has not optimised yet, and for
/// some data. The duration of one tick shows how many bytes the next one can process.
#[derive(Debug)]
pub struct Pace {
    bytes: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { bytes: FIRST_BYTES }
    }
}

impl Pace {
    /// Returns the number of bytes that a tick may process.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adapts the work to the duration of a tick. `has_more` is true if the tick had more work than it did.
    pub fn handle_tick_end(&mut self, duration: Duration, has_more: bool) {
        if duration > LONG {
            self.bytes = (self.bytes / 2).max(MIN_BYTES);
        } else if duration <= SHORT && has_more {
            self.bytes = self.bytes.saturating_mul(2).min(MAX_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs ticks on a machine that processes this number of bytes in a millisecond. Returns the durations.
    fn ticks(pace: &mut Pace, bytes_per_millisecond: f64) -> Vec<Duration> {
        let tick = |_| {
            let duration = Duration::from_secs_f64(pace.bytes() as f64 / bytes_per_millisecond / 1e3);
            pace.handle_tick_end(duration, true);
            duration
        };
        (0..20).map(tick).collect()
    }

    #[test]
    fn ticks_take_a_few_milliseconds_however_fast_the_code_is() {
        for (speed, bytes) in [(1e6, MAX_BYTES), (20_000.0, MAX_BYTES), (8_000.0, 32 * 1024), (2_500.0, MIN_BYTES)] {
            let mut pace = Pace::default();
            let durations = ticks(&mut pace, speed);
            assert_eq!(pace.bytes(), bytes, "{speed}");
            assert!(durations.iter().all(|duration| *duration < LONG * 3 / 2), "{speed}: {durations:?}");
            assert!(durations.iter().skip(2).all(|duration| *duration <= LONG), "{speed}: {durations:?}");
        }
    }

    #[test]
    fn a_pause_of_the_process_costs_a_few_ticks() {
        let mut pace = Pace::default();
        ticks(&mut pace, 1e6);
        pace.handle_tick_end(Duration::from_secs(10), true);
        assert_eq!(pace.bytes(), MAX_BYTES / 2);
        ticks(&mut pace, 1e6);
        assert_eq!(pace.bytes(), MAX_BYTES);
    }

    #[test]
    fn ticks_without_work_do_not_change_the_pace() {
        let mut pace = Pace::default();
        (0..100).for_each(|_| pace.handle_tick_end(Duration::from_micros(50), false));
        assert_eq!(pace.bytes(), FIRST_BYTES);
    }
}
