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

/// Replaces the value of a key by what `next` makes of it, and returns that together with the bytes that were written.
/// Nothing is written if `next` returns no bytes. Two VMs that do so at the same time do it one after the other: `next` is
/// called again for the one that came second.
///
/// # Errors
/// Any status of the host but `Ok`. `CasMismatch` means that other VMs came first in every attempt.
pub fn update_shared_data<T>(
    key: &str,
    mut next: impl FnMut(Option<&[u8]>) -> (T, Option<Vec<u8>>),
) -> Result<T, Status> {
    // One VM for each worker competes, so a thousand attempts are never used up.
    const ATTEMPTS: usize = 1_000;
    for _ in 0..ATTEMPTS {
        let (value, version) = match hostcalls::get_shared_data(key) {
            Ok(found) => found,
            Err(Status::NotFound) => (None, None),
            Err(status) => return Err(status),
        };
        let (outcome, bytes) = next(value.as_deref());
        let Some(bytes) = bytes else { return Ok(outcome) };
        match hostcalls::set_shared_data(key, Some(&bytes), version) {
            Err(Status::CasMismatch) => {}
            written => return written.map(|()| outcome),
        }
    }
    Err(Status::CasMismatch)
}
