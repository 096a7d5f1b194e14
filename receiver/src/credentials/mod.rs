//! Where the keys come from that requests are signed with, and when they are fetched anew.
//!
//! A [`Provider`] is a small state machine, one file each: asked with the last answer to its callout, it says which
//! callout it wants next, or ends with a set of credentials, with the word that there are none, or with a failure. The
//! [`Chain`] asks the providers in their order, keeps the set that is in use and knows when the next one is due.

pub mod chain;
pub mod credential_set;
pub mod provider;
pub mod raw;
pub mod step;

mod assume_role;
mod container;
mod document;
mod environment;
mod expiration;
mod file;
mod imds;
mod legacy_keys;
mod profile;
mod region;
mod shared_file;
mod static_keys;
mod sts;
mod web_identity;

pub use crate::call::{Call, Response};
pub use chain::{Chain, SetId, Signing};
pub use credential_set::CredentialSet;
pub use legacy_keys::LegacyKeys;
pub use profile::{FileKind, Profile, ProfileError, find_profile};
pub use provider::Provider;
pub use raw::RawProviders;
pub use region::RegionSource;
