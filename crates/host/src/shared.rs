//! Shared data: values by key, seen by all VMs of one vm_id.

use crate::{HostError, abi};

/// The value of a key, if it has one.
pub fn shared_data(key: &str) -> Option<Vec<u8>> {
    abi::shared_data(key).ok().map(|(value, _)| value)
}

/// Sets a key.
///
/// # Errors
/// What the host says.
pub fn set_shared_data(key: &str, value: &[u8]) -> Result<(), HostError> {
    const ANY_VERSION: u32 = 0;
    abi::set_shared_data(key, value, ANY_VERSION)
}

/// Raises the number of a key, little-endian and 0 at first, by one; gives what it is then. Two VMs that do so at the same
/// time get two numbers.
///
/// # Errors
/// What the host says, when that is not that another VM came first.
pub fn raise_shared_number(key: &str) -> Result<u64, HostError> {
    // The loser of a race tries again; as many VMs as race do not exist.
    const ATTEMPTS: usize = 1_000;
    let mut outcome = Err(HostError::mismatch());
    for _ in 0..ATTEMPTS {
        let (value, version) = match abi::shared_data(key) {
            Ok(found) => found,
            Err(status) if status.is_absence() => (Vec::new(), 0),
            Err(status) => return Err(status),
        };
        let next = number(&value).saturating_add(1);
        outcome = abi::set_shared_data(key, &next.to_le_bytes(), version).map(|()| next);
        match outcome {
            Err(status) if status.is_mismatch() => {}
            outcome => return outcome,
        }
    }
    outcome
}

/// The number of a key, 0 where there is none.
pub fn shared_number(key: &str) -> u64 {
    shared_data(key).map_or(0, |value| number(&value))
}

fn number(value: &[u8]) -> u64 {
    value.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
