//! Answers that a filter gives by itself.

use crate::{HostError, abi, number::Buffer, pairs::to_map};

/// Answers the current request.
///
/// # Errors
/// What the host says.
pub fn send_response(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Result<(), HostError> {
    abi::send_local_response(u32::from(status), &to_map(headers), body)
}

/// Makes a stream, by the number of its context, the one that host calls are about; until the end of the current callback.
///
/// # Errors
/// What the host says: there is no such stream any more.
pub fn set_effective_context(context: u32) -> Result<(), HostError> {
    abi::set_effective_context(context)
}

/// The first `most` bytes of the current request's body, as far as they have come.
pub fn request_body(most: usize) -> Vec<u8> {
    abi::buffer(Buffer::RequestBody, most).unwrap_or_default()
}
