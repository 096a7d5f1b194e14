//! Shared data: a key-value store common to all VMs with the same `vm_id`.

use proxy_wasm::{hostcalls, types::Status};

/// Returns the value of a key, or `None` if it is not set.
pub fn shared_data(key: &str) -> Option<Vec<u8>> {
    hostcalls::get_shared_data(key).ok().and_then(|(value, _)| value)
}

/// Sets the value of a key unconditionally.
///
/// # Errors
/// Returns the host's status if it is not `Ok`.
pub fn set_shared_data(key: &str, value: &[u8]) -> Result<(), Status> {
    hostcalls::set_shared_data(key, Some(value), None)
}

/// Atomically updates the value of a key. Returns the first part of the result of `next`.
///
/// `next` receives the current value and returns a result together with the new value, or with `None` to keep the
/// current one. If another VM updates the key at the same time, `next` is called again with that VM's value.
///
/// # Errors
/// Returns the host's status if it is not `Ok`. `CasMismatch` means that another VM came first in every attempt.
pub fn update_shared_data<T>(
    key: &str,
    mut next: impl FnMut(Option<&[u8]>) -> (T, Option<Vec<u8>>),
) -> Result<T, Status> {
    // At most one VM per worker thread competes for the key, so the limit is never reached in practice.
    const ATTEMPTS: usize = 1_000;
    for _ in 0..ATTEMPTS {
        let (value, version) = match hostcalls::get_shared_data(key) {
            Ok(found) => found,
            Err(Status::NotFound) => (None, None),
            Err(status) => return Err(status),
        };
        let (result, bytes) = next(value.as_deref());
        let Some(bytes) = bytes else { return Ok(result) };
        match hostcalls::set_shared_data(key, Some(&bytes), version) {
            Err(Status::CasMismatch) => {}
            written => return written.map(|()| result),
        }
    }
    Err(Status::CasMismatch)
}
