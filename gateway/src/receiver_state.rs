//! What the receiver tells of itself in shared data.

use acpw_metric::{Now, Timestamp};

use crate::{
    fault::{Faults, Path},
    fields::{Fields, UnknownFields},
    protocol::json,
};

/// A receiver that has not written for so long is not there. It writes every second.
const MAX_SILENCE_MILLIS: u64 = 10_000;

/// The part of the receiver's status that a gateway acts on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverState {
    /// When it was written, by this host's clock, in milliseconds since the epoch.
    time: u64,
    /// How many bytes unpublished data take.
    held_bytes: u64,
    /// How many they may take.
    buffer_limit_bytes: u64,
    /// What is added to this host's clock to make it right.
    clock_skew_millisecond: i64,
    /// How many values are held.
    held: u64,
}

/// A flush that came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlushDone {
    /// Its number.
    pub id: u64,
    /// How many values are held that came after it was asked for.
    pub held: u64,
}

/// Whether a receiver can take data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// Its buffer is so full that it would soon have to drop data.
    Full,
    /// There is none.
    Absent,
}

impl ReceiverState {
    /// The state that a status tells; none when it tells none.
    pub fn from_json(status: &[u8]) -> Option<Self> {
        let [time, held_bytes, buffer_limit_bytes, clock_skew, held] =
            numbers(status, ["time", "held_bytes", "buffer_limit_bytes", "clock_skew_millisecond", "held"])?;
        Some(Self {
            time: time as u64,
            held_bytes: held_bytes as u64,
            buffer_limit_bytes: buffer_limit_bytes as u64,
            clock_skew_millisecond: clock_skew as i64,
            held: held as u64,
        })
    }

    /// Whether data are taken now. A quarter of the receiver's buffer is kept for what is under way, and for the senders'
    /// metrics, so that what was accepted is not dropped at the bound.
    pub fn readiness(state: Option<&Self>, now: Now) -> Readiness {
        match state {
            Some(state) if now.wall.as_millis().abs_diff(state.time) <= MAX_SILENCE_MILLIS => {
                let is_full = state.held_bytes >= state.buffer_limit_bytes / 4 * 3;
                if is_full { Readiness::Full } else { Readiness::Ready }
            }
            _ => Readiness::Absent,
        }
    }

    /// The time, as right as the receiver knows it.
    pub fn corrected(state: Option<&Self>, now: Now) -> Timestamp {
        now.wall.shifted(state.map_or(0, |state| state.clock_skew_millisecond))
    }

    /// How many values are held.
    pub fn held(&self) -> u64 {
        self.held
    }
}

impl FlushDone {
    /// The flush that the receiver tells; none when it tells none.
    pub fn from_json(done: &[u8]) -> Option<Self> {
        let [id, held] = numbers(done, ["id", "held"])?;
        Some(Self { id: id as u64, held: held as u64 })
    }
}

/// Numbers of a JSON object, all of which must be there.
fn numbers<const N: usize>(object: &[u8], names: [&str; N]) -> Option<[f64; N]> {
    let object = json::decode(object).ok()?;
    let mut faults = Faults::default();
    let fields = Fields::of(&object, &Path::Root, &names, UnknownFields::Ignored, &mut faults)?;
    let mut numbers = [0.0; N];
    for (number, name) in numbers.iter_mut().zip(names) {
        *number = fields.number(name, &mut faults)?;
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> Now {
        Now { wall: Timestamp::from_millis(millis), steady: Duration::ZERO }
    }

    #[test]
    fn a_silent_receiver_is_absent_and_one_of_three_quarters_full() {
        let status = |held_bytes: u64| {
            let json = format!(
                r#"{{"time": 100000, "held": 3, "held_bytes": {held_bytes}, "buffer_limit_bytes": 1000,
                    "clock_skew_millisecond": -7, "errors": []}}"#
            );
            ReceiverState::from_json(json.as_bytes())
        };
        for (held, millis, expected) in [
            (0, 100_000, Readiness::Ready),
            (749, 110_000, Readiness::Ready),
            (750, 110_000, Readiness::Full),
            (0, 110_001, Readiness::Absent),
            (0, 89_999, Readiness::Absent),
        ] {
            assert_eq!(ReceiverState::readiness(status(held).as_ref(), at(millis)), expected, "{held} {millis}");
        }
        assert_eq!(ReceiverState::readiness(None, at(0)), Readiness::Absent);
        assert_eq!(ReceiverState::corrected(status(0).as_ref(), at(100_000)), Timestamp::from_millis(99_993));
        assert_eq!(ReceiverState::from_json(b"{}"), None);
    }
}
