//! The version that every value carries.

use std::fmt;

use serde::{Deserialize, de::DeserializeOwned};

/// Version of the values that this crate writes and reads. It changes with every change that an older module would
/// misread.
pub const VERSION: u32 = 1;

/// Reason why a value cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateError {
    /// A module with another version of the shared state wrote it.
    OtherVersion(u32),
    /// The bytes are not a value of this kind.
    Malformed,
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherVersion(version) => {
                write!(
                    f,
                    "the receiver's shared state has version {version}, and this module reads version {VERSION}; "
                )?;
                f.write_str("use receiver.wasm and gateway.wasm of the same release")
            }
            Self::Malformed => f.write_str("the receiver's shared state is malformed"),
        }
    }
}

impl std::error::Error for StateError {}

#[derive(Deserialize)]
struct Header {
    state_version: u32,
}

/// Reads a JSON object that has a version.
pub(crate) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StateError> {
    let Header { state_version } = serde_json::from_slice(bytes).map_err(|_| StateError::Malformed)?;
    if state_version != VERSION {
        return Err(StateError::OtherVersion(state_version));
    }
    serde_json::from_slice(bytes).map_err(|_| StateError::Malformed)
}

/// Splits the version off binary bytes. An empty value has none.
pub(crate) fn check_binary(bytes: &[u8]) -> Result<&[u8], StateError> {
    let (version, rest) = bytes.split_first().ok_or(StateError::Malformed)?;
    if u32::from(*version) == VERSION { Ok(rest) } else { Err(StateError::OtherVersion(u32::from(*version))) }
}

/// The version as the first byte of a binary value.
pub(crate) const BINARY_VERSION: u8 = VERSION as u8;
