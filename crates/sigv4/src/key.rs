//! The signing key and the signature made with it.

use core::fmt;

use alloc::borrow::ToOwned as _;
use alloc::string::String;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::scope::SigningScope;
use crate::string_to_sign::TERMINATION;

type HmacSha256 = Hmac<Sha256>;

/// The key of one secret, day, region and service.
pub(crate) struct SigningKey {
    date: String,
    key: [u8; 32],
}

impl SigningKey {
    /// *DeriveSigningKey*: the HMACs of date, region, service and `aws4_request`, each the key of the next, from
    /// `AWS4` and the secret on. `date` is `YYYYMMDD`.
    pub(crate) fn derive(secret_access_key: &str, date: &str, scope: &SigningScope) -> Self {
        let mut key = hmac(&[b"AWS4", secret_access_key.as_bytes()].concat(), date);
        for part in [scope.region(), scope.service(), TERMINATION] {
            key = hmac(&key, part);
        }
        Self { date: date.to_owned(), key }
    }

    /// Whether this is the key of the day `date`, `YYYYMMDD`.
    pub(crate) fn is_of(&self, date: &str) -> bool {
        self.date == date
    }

    /// *Signature*: the HMAC of a string to sign in lower-case hexadecimal.
    pub(crate) fn signature(&self, string_to_sign: &str) -> String {
        hex::encode(hmac(&self.key, string_to_sign))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("date", &self.date).field("key", &format_args!("<redacted>")).finish()
    }
}

fn hmac(key: &[u8], message: &str) -> [u8; 32] {
    // RFC 2104 fits a key to the block: a longer one is hashed, a shorter one filled with zeros. Done here because the
    // crate's constructor for keys of any length has a `Result` that is never an error.
    let mut block = hmac::digest::Key::<HmacSha256>::default();
    let hashed;
    let fitting = if key.len() > block.len() {
        hashed = Sha256::digest(key);
        hashed.as_slice()
    } else {
        key
    };
    for (place, byte) in block.iter_mut().zip(fitting) {
        *place = *byte;
    }
    HmacSha256::new(&block).chain_update(message).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    fn key(secret: &str) -> SigningKey {
        SigningKey::derive(secret, "20150830", &SigningScope::new("us-east-1", "iam").unwrap())
    }

    #[test]
    fn the_documented_iam_list_users_key_and_signature() {
        let key = key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        assert_eq!(hex::encode(key.key), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
        let string_to_sign = "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n\
                              f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59";
        let signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
        assert_eq!(key.signature(string_to_sign), signature);
    }

    #[test]
    fn keys_of_any_length_are_fitted_as_the_hmac_crate_does() {
        for length in [0, 1, 32, 63, 64, 65, 200] {
            let key = std::vec![b'k'; length];
            let mut oracle = HmacSha256::new_from_slice(&key).unwrap();
            oracle.update(b"message");
            assert_eq!(hmac(&key, "message"), <[u8; 32]>::from(oracle.finalize().into_bytes()), "{length}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let key = key("s3cr3t");
        let text = format!("{key:?}");
        assert_eq!(text, "SigningKey { date: \"20150830\", key: <redacted> }");
    }
}
