//! AWS Signature Version 4 for requests held in memory.
//!
//! A [`Signer`] binds [`Credentials`] to a [`SigningScope`] (region and service). For a [`SignableRequest`] and a time
//! it returns the headers to add, as [`Signed`]. The signer never modifies a request, and it treats all services alike,
//! so it signs calls to CloudWatch and to STS.
//!
//! ```
//! use acpw_sigv4::{Credentials, PayloadHash, SignableRequest, SigningScope, Signer};
//!
//! let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)?;
//! let mut signer = Signer::new(credentials, SigningScope::new("us-east-1", "monitoring")?);
//! let request = SignableRequest {
//!     method: "POST",
//!     host: "monitoring.us-east-1.amazonaws.com",
//!     path: "/",
//!     query: "",
//!     headers: &[("content-type", "application/x-amz-json-1.0")],
//!     body: b"{}",
//!     payload_hash: PayloadHash::Implied,
//! };
//! let signed = signer.sign(&request, 1_440_938_160)?;
//! let names: Vec<&str> = signed.headers().map(|(name, _)| name).collect();
//! assert_eq!(names, ["x-amz-date", "authorization"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Each step of the AWS procedure "Create a signed AWS API request" has a file: `canonical` for step 1 (with `uri` and
//! `header`) and step 2 (the hash of the canonical request), `string_to_sign` for step 3, `signing_key` for steps 4 and
//! 5 (the signature), and `signer` for step 6 (the `Authorization` header).
//!
//! The crate follows the rules for all services except Amazon S3: paths are normalised and encoded a second time. It
//! does not support query string authentication (presigned URLs), streamed bodies or SigV4a.
//!
//! The crate is `no_std`, so it cannot read a clock or the environment, draw random numbers or perform I/O.

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod canonical;
mod credentials;
mod error;
mod header;
mod signable_request;
mod signer;
mod signing_key;
mod signing_scope;
mod signing_time;
mod string_to_sign;
mod uri;

pub use credentials::Credentials;
pub use error::{SignError, SigningField, SigningFieldError};
pub use signable_request::{PayloadHash, SignableRequest};
pub use signer::{Signed, Signer};
pub use signing_scope::SigningScope;
