//! Fetches and refreshes the credentials that sign requests.
//!
//! A [`Provider`] is a small state machine. Given the response to its last callout, it requests another callout,
//! returns a set of credentials, or reports that it has none or has failed. The [`Chain`] tries the providers in their
//! order, stores the set in use, and schedules its replacement.

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
mod refresh;
mod region;
mod role_keys;
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
