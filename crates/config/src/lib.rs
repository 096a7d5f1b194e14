//! Reads plugin configurations and reports all of their errors together, each with its path.
//!
//! A JSON document is first read into a raw type, declared with [`object!`]. Each [`Field`] of a raw type records
//! whether its key was absent, had a value of the right type, or had something else. The plugin then checks ranges,
//! names and defaults, converts the raw type into its own configuration type, and adds errors to the same
//! [`ValidationErrors`].

mod choices;
mod document;
mod field;
mod list;
mod members;
mod object;
mod path;
mod protobuf_struct;
mod secret;
mod similar;
mod validation_error;
mod value;

pub use field::Field;
pub use list::comma_separated;
pub use members::{Members, ShortOr};
pub use object::{Object, read, unknown_keys};
pub use path::Path;
pub use secret::Secret;
pub use similar::similar;
pub use validation_error::{PathStyle, ValidationError, ValidationErrorKind, ValidationErrors};
pub use value::{FromJson, OrNull};

#[doc(hidden)]
pub use serde_json;

#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
pub use schemars;

// The macro `object!` refers to this crate by name, also when the crate's own tests use it.
#[cfg(test)]
extern crate self as acpw_config;
