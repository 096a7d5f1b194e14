//! AWS Signature Version 4 for a request held in memory.
//!
//! A [`Signer`] binds [`Credentials`] to a [`SigningScope`] (region and service). For each [`SignableRequest`] and time it gives a
//! [`Signed`]: the headers to add. It never changes a request and knows nothing of the service it signs for, so
//! CloudWatch and STS calls are signed alike.
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
//! One file per step of the AWS procedure "Create a signed AWS API request": `canonical` (step 1, with `uri` and
//! `header` for its parts, and step 2, its hash), `string_to_sign` (step 3), `key` (step 4, and step 5, the
//! signature) and `signer` (step 6, the `Authorization` header).
//!
//! The rules are those of every service but Amazon S3: paths are normalised and encoded a second time. Query string
//! authentication (presigned URLs), streamed bodies and SigV4a are not here.
//!
//! The crate is `no_std`, which is what keeps it from a clock, the environment, randomness and I/O.

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod canonical;
mod credentials;
mod error;
mod header;
mod key;
mod request;
mod scope;
mod signer;
mod string_to_sign;
mod timestamp;
mod uri;

pub use credentials::Credentials;
pub use error::{SignError, SigningField, SigningFieldError};
pub use request::{PayloadHash, SignableRequest};
pub use scope::SigningScope;
pub use signer::{Signed, Signer};
