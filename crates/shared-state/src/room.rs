//! Room in the receiver's buffer, which gateways take before they accept a post.
//!
//! A gateway answers 202 only for data whose memory it has taken from the ledger, so the receiver never has to drop
//! them for want of room. All three numbers only grow while Envoy runs, but `granted`, which the receiver lowers when
//! other data fill the buffer. Both sides write by compare-and-swap, so no update is lost.

use crate::versioned::{BINARY_VERSION, StateError, check_binary};

/// Key of the [`RoomLedger`].
pub const ROOM_KEY: &str = "acpw.room";

/// Bytes of the receiver's buffer that gateways may take, have taken, and that have arrived at the receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoomLedger {
    /// Bytes that gateways may have taken in total.
    pub granted: u64,
    /// Bytes that gateways have taken.
    pub taken: u64,
    /// Bytes, of those taken, that the receiver has taken out of the queue.
    pub arrived: u64,
}

impl RoomLedger {
    /// Returns the bytes that gateways may take now.
    pub fn room(&self) -> u64 {
        self.granted.saturating_sub(self.taken)
    }

    /// Returns the bytes that were taken and have not arrived yet.
    pub fn outstanding(&self) -> u64 {
        self.taken.saturating_sub(self.arrived)
    }

    /// Returns the ledger after `bytes` were taken, or `None` if there is not enough room.
    #[must_use]
    pub fn take(self, bytes: u64) -> Option<Self> {
        (bytes <= self.room()).then(|| Self { taken: self.taken.saturating_add(bytes), ..self })
    }

    /// Returns the ledger after `bytes` that were taken are not used after all.
    #[must_use]
    pub fn give_back(self, bytes: u64) -> Self {
        Self { taken: self.taken.saturating_sub(bytes).max(self.arrived), ..self }
    }

    /// Encodes the ledger.
    pub fn encode(&self) -> Vec<u8> {
        let numbers = [self.granted, self.taken, self.arrived].map(u64::to_le_bytes);
        [&[BINARY_VERSION], numbers.as_flattened()].concat()
    }

    /// Decodes a ledger.
    ///
    /// # Errors
    /// The value has another version, or is malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let (numbers, rest) = check_binary(bytes)?.as_chunks();
        match (numbers, rest) {
            ([granted, taken, arrived], []) => {
                let [granted, taken, arrived] = [granted, taken, arrived].map(|bytes| u64::from_le_bytes(*bytes));
                Ok(Self { granted, taken, arrived })
            }
            _ => Err(StateError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_ledger_survives_a_round_trip(granted: u64, taken: u64, arrived: u64) {
            let ledger = RoomLedger { granted, taken, arrived };
            prop_assert_eq!(RoomLedger::decode(&ledger.encode()), Ok(ledger));
        }

        #[test]
        fn no_more_is_taken_than_was_granted(granted in 0u64..10_000, wanted: Vec<u16>) {
            let mut ledger = RoomLedger { granted, ..RoomLedger::default() };
            let mut taken = 0;
            for bytes in wanted.into_iter().map(u64::from) {
                if let Some(next) = ledger.take(bytes) {
                    taken += bytes;
                    ledger = next;
                } else {
                    prop_assert!(taken + bytes > granted);
                }
            }
            prop_assert_eq!(ledger.taken, taken);
            prop_assert!(taken <= granted);
        }
    }

    #[test]
    fn room_that_is_given_back_can_be_taken_again() {
        let ledger = RoomLedger { granted: 10, taken: 4, arrived: 3 };
        assert_eq!((ledger.room(), ledger.outstanding()), (6, 1));
        let full = ledger.take(6).unwrap();
        assert_eq!((full.take(1), full.take(0)), (None, Some(full)));
        assert_eq!(full.give_back(6), ledger);
        assert_eq!(full.give_back(100).outstanding(), 0);
    }

    #[test]
    fn another_version_is_recognised() {
        assert_eq!(RoomLedger::decode(&[BINARY_VERSION + 1]), Err(StateError::OtherVersion(2)));
        assert_eq!(RoomLedger::decode(&[BINARY_VERSION, 0]), Err(StateError::Malformed));
    }
}
