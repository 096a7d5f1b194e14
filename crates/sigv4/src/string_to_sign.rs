//! The credential scope and the string to sign.

use alloc::format;
use alloc::string::String;

use crate::signing_scope::SigningScope;
use crate::signing_time::SigningTime;

/// The name of the algorithm, which starts the string to sign and the `Authorization` header.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The last part of every credential scope, and the last input of the signing key.
pub(crate) const TERMINATION: &str = "aws4_request";

/// Returns *CredentialScope*: `YYYYMMDD/region/service/aws4_request`.
pub(crate) fn credential_scope(date: &str, scope: &SigningScope) -> String {
    format!("{date}/{}/{}/{TERMINATION}", scope.region(), scope.service())
}

/// Returns *StringToSign* for a credential scope and the hash of the canonical request.
pub(crate) fn string_to_sign(time: &SigningTime, credential_scope: &str, canonical_hash: &str) -> String {
    format!("{ALGORITHM}\n{}\n{credential_scope}\n{canonical_hash}", time.date_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_iam_list_users_example_has_the_documented_string_to_sign() {
        let time = SigningTime::from_unix(1_440_938_160).unwrap();
        let scope = credential_scope(&time.date, &SigningScope::new("us-east-1", "iam").unwrap());
        assert_eq!(
            string_to_sign(&time, &scope, "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"),
            "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n\
             f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
        );
    }
}
