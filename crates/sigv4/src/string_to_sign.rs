//! The credential scope and the string to sign.

use alloc::format;
use alloc::string::String;

use crate::scope::SigningScope;
use crate::timestamp::Timestamp;

/// The name of the algorithm, first in the string to sign and in the `Authorization` header.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The end of every credential scope and the last input to the signing key.
pub(crate) const TERMINATION: &str = "aws4_request";

/// *CredentialScope*: `YYYYMMDD/region/service/aws4_request`.
pub(crate) fn credential_scope(date: &str, scope: &SigningScope) -> String {
    format!("{date}/{}/{}/{TERMINATION}", scope.region(), scope.service())
}

/// *StringToSign*, from a credential scope and the hash of the canonical request.
pub(crate) fn string_to_sign(timestamp: &Timestamp, credential_scope: &str, canonical_hash: &str) -> String {
    format!("{ALGORITHM}\n{}\n{credential_scope}\n{canonical_hash}", timestamp.date_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_iam_list_users_request() {
        let timestamp = Timestamp::from_unix(1_440_938_160).unwrap();
        let scope = credential_scope(&timestamp.date, &SigningScope::new("us-east-1", "iam").unwrap());
        assert_eq!(
            string_to_sign(&timestamp, &scope, "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"),
            "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n\
             f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
        );
    }
}
