//! Reading a plugin's configuration: a JSON document becomes a raw type whose every field knows whether it was given and
//! whether it was of the right type, so that all faults are told at once, each with its path.
//!
//! A raw type is declared with [`object!`]; what it means (ranges, names, defaults) is checked by the plugin, which turns
//! it into its own configuration type and adds what it finds to the same [`ValidationErrors`].

mod document;
mod fault;
mod field;
mod list;
mod members;
mod object;
mod path;
mod protobuf_struct;
mod secret;
mod similar;
mod value;

pub use fault::{PathStyle, ValidationError, ValidationErrorKind, ValidationErrors};
pub use field::Field;
pub use list::comma_separated;
pub use members::{Members, ShortOr};
pub use object::{Object, read, unknown_keys};
pub use path::Path;
pub use secret::Secret;
pub use similar::similar;
pub use value::{FromJson, OrNull};

#[doc(hidden)]
pub use serde_json;

#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
pub use schemars;

// The macro names the crate from outside; its own tests are inside.
#[cfg(test)]
extern crate self as acpw_config;
