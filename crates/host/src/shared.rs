//! Shared data: values by key, which all VMs of one `vm_id` see.

use proxy_wasm::{hostcalls, types::Status};

/// Returns the value of a key.
pub fn shared_data(key: &str) -> Option<Vec<u8>> {
    hostcalls::get_shared_data(key).ok().and_then(|(value, _)| value)
}

/// Sets a key, whatever its value is.
///
/// # Errors
/// Any status of the host but `Ok`.
pub fn set_shared_data(key: &str, value: &[u8]) -> Result<(), Status> {
    hostcalls::set_shared_data(key, Some(value), None)
}

/// Adds one to the number of a key, which is little-endian and starts at 0, and returns the sum. Two VMs that do so at the
/// same time get two numbers.
///
/// # Errors
/// Any status of the host but `Ok`. `CasMismatch` means that other VMs came first in every attempt.
pub fn increment_shared_number(key: &str) -> Result<u64, Status> {
    // One VM for each worker competes, so a thousand attempts are never used up.
    const ATTEMPTS: usize = 1_000;
    for _ in 0..ATTEMPTS {
        let (value, version) = hostcalls::get_shared_data(key)?;
        let next = number(&value.unwrap_or_default()).saturating_add(1);
        match hostcalls::set_shared_data(key, Some(&next.to_le_bytes()), version) {
            Err(Status::CasMismatch) => {}
            outcome => return outcome.map(|()| next),
        }
    }
    Err(Status::CasMismatch)
}

/// Returns the number of a key, 0 if there is none.
pub fn shared_number(key: &str) -> u64 {
    shared_data(key).map_or(0, |value| number(&value))
}

fn number(value: &[u8]) -> u64 {
    value.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
