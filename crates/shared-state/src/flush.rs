//! Requests to publish everything at once, and their answers.

use std::time::Duration;

use crate::versioned::{BINARY_VERSION, StateError, check_binary};

/// Key of the number of flushes that were requested, a [`FlushNumber`]. A gateway that wants a flush raises it by one.
pub const FLUSH_REQUESTED_KEY: &str = "acpw.flush.requested";

/// Key of the last flush that ended, a [`FlushDone`].
pub const FLUSH_DONE_KEY: &str = "acpw.flush.done";

/// Time that senders have to hand over their data when a flush is requested: a little more than their default flush
/// interval.
pub const FLUSH_SETTLE: Duration = Duration::from_millis(1_200);

/// Number of flushes that were requested since Envoy started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlushNumber(pub u64);

impl FlushNumber {
    /// Returns the number of the next request.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Encodes the number.
    pub fn encode(self) -> Vec<u8> {
        [&[BINARY_VERSION], self.0.to_le_bytes().as_slice()].concat()
    }

    /// Decodes a number; an absent one is 0.
    ///
    /// # Errors
    /// The value has another version, or is malformed.
    pub fn decode(bytes: Option<&[u8]>) -> Result<Self, StateError> {
        let Some(bytes) = bytes else { return Ok(Self::default()) };
        let number = check_binary(bytes)?.try_into().map_err(|_| StateError::Malformed)?;
        Ok(Self(u64::from_le_bytes(number)))
    }
}

/// Flush that ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlushDone {
    /// Number up to which all flushes are done.
    pub id: u64,
    /// Values that are held now. They were received after the flush was requested.
    pub held: u64,
}

impl FlushDone {
    /// Encodes the answer.
    pub fn encode(&self) -> Vec<u8> {
        let numbers = [self.id, self.held].map(u64::to_le_bytes);
        [&[BINARY_VERSION], numbers.as_flattened()].concat()
    }

    /// Decodes an answer.
    ///
    /// # Errors
    /// The value has another version, or is malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        match check_binary(bytes)?.as_chunks() {
            ([id, held], []) => Ok(Self { id: u64::from_le_bytes(*id), held: u64::from_le_bytes(*held) }),
            _ => Err(StateError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VERSION;

    #[test]
    fn numbers_and_answers_survive_a_round_trip() {
        for number in [0, 1, u64::MAX] {
            assert_eq!(FlushNumber::decode(Some(&FlushNumber(number).encode())), Ok(FlushNumber(number)));
            let done = FlushDone { id: number, held: number };
            assert_eq!(FlushDone::decode(&done.encode()), Ok(done));
        }
        assert_eq!(FlushNumber::decode(None), Ok(FlushNumber(0)));
        assert_eq!(FlushNumber(7).next(), FlushNumber(8));
    }

    #[test]
    fn another_version_is_recognised() {
        let mut number = FlushNumber(3).encode();
        number[0] = BINARY_VERSION + 1;
        assert_eq!(FlushNumber::decode(Some(&number)), Err(StateError::OtherVersion(VERSION + 1)));
        assert_eq!(FlushNumber::decode(Some(&[])), Err(StateError::Malformed));
        assert_eq!(FlushNumber::decode(Some(&[BINARY_VERSION, 0])), Err(StateError::Malformed));
        assert_eq!(FlushDone::decode(&[9, 1]), Err(StateError::OtherVersion(9)));
        assert_eq!(FlushDone::decode(&[BINARY_VERSION, 1, 2]), Err(StateError::Malformed));
    }
}
