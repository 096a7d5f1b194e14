//! Reads the JSON documents in which ECS, EKS and EC2 return credentials.

use acpw_sigv4::Credentials;
use serde_json::Value;

use super::{CredentialSet, expiration::Expiration};

/// The maximum number of characters of an error code in a message.
const CODE_LIMIT: usize = 64;

/// Returns the set in a document.
///
/// # Errors
/// A description of what is wrong, without any text of the document.
pub(crate) fn set(body: &[u8]) -> Result<CredentialSet, String> {
    let document: Value = serde_json::from_slice(body).map_err(|_| "the response is not JSON".to_owned())?;
    // EC2 responds with 200 and another code if it has no credentials.
    if let Some(code) = document.get("Code").and_then(Value::as_str).filter(|code| *code != "Success") {
        return Err(format!("the response has the code {}", printable_code(code)));
    }
    let text = |name: &str| {
        let value = document.get(name).and_then(Value::as_str);
        value.ok_or_else(|| format!("the response has no {name}"))
    };
    let credentials = Credentials::new(text("AccessKeyId")?, text("SecretAccessKey")?, text("Token").ok())
        .map_err(|error| error.to_string())?;
    Ok(CredentialSet::expiring(credentials, Expiration::of_json(document.get("Expiration"))))
}

/// Returns the error code of a document as ` (CODE)`, or an empty string if it has no code.
pub(crate) fn code(body: &[u8]) -> String {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = document.get("code").or_else(|| document.get("Code")).and_then(Value::as_str);
    code.map(|code| format!(" ({})", printable_code(code))).unwrap_or_default()
}

/// Returns a code without characters that do not occur in codes.
pub(crate) fn printable_code(code: &str) -> String {
    code.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '.').take(CODE_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use acpw_metric::Timestamp;
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = r#"{"RoleArn": "arn:aws:iam::123456789012:role/r", "AccessKeyId": "ASIAEXAMPLE",
        "SecretAccessKey": "wJalrXUtnFEMI", "Token": "TOKENTOKEN", "Expiration": "2026-08-22T18:00:00Z"}"#;

    #[test]
    fn documents_are_read() {
        let read = set(GOOD.as_bytes()).unwrap();
        assert_eq!(read.credentials.access_key_id(), "ASIAEXAMPLE");
        assert_eq!(read.expires, Some(Timestamp::from_secs(1_787_421_600)));
        let lasting = GOOD.replace("Expiration", "Other");
        assert_eq!(set(lasting.as_bytes()).unwrap().expires, None);
        let unread = set(GOOD.replace("2026-08-22T18:00:00Z", "later").as_bytes()).unwrap();
        assert_eq!((unread.expires, unread.has_invalid_expiry, read.has_invalid_expiry), (None, true, false));
    }

    proptest! {
        #[test]
        fn a_mutated_field_changes_only_itself_and_is_not_shown(field in 0usize..6, text in "[ -~]{0,30}") {
            let names = ["AccessKeyId", "SecretAccessKey", "Token", "Expiration", "RoleArn", "Other"];
            let before = set(GOOD.as_bytes()).unwrap();
            let mut document: Value = serde_json::from_str(GOOD).unwrap();
            document[names[field]] = format!("HIDDEN{text}").into();
            match set(document.to_string().as_bytes()) {
                Ok(after) => {
                    let same_key = after.credentials.access_key_id() == before.credentials.access_key_id();
                    prop_assert_eq!(same_key, field != 0);
                    prop_assert_eq!(after.expires == before.expires, field != 3);
                    let shown = format!("{after:?}");
                    prop_assert!(!shown.contains("HIDDEN") || field == 0, "{}", shown);
                }
                Err(error) => {
                    prop_assert!(field < 3, "{} {}", names[field], error);
                    prop_assert!(!error.contains("HIDDEN"), "{}", error);
                }
            }
        }

        #[test]
        fn any_bytes_give_a_bounded_message(body: Vec<u8>) {
            prop_assert!(set(&body).err().is_none_or(|error| error.len() < 200));
            prop_assert!(code(&body).len() <= CODE_LIMIT + " ()".len());
        }
    }

    #[test]
    fn missing_and_invalid_fields_are_named_but_not_shown() {
        let cases = [
            ("", "the response is not JSON"),
            ("[]", "the response has no AccessKeyId"),
            (&GOOD.replace("AccessKeyId\": \"ASIAEXAMPLE\"", "X\": 1"), "the response has no AccessKeyId"),
            (&GOOD.replace("\"wJalrXUtnFEMI\"", "7"), "the response has no SecretAccessKey"),
            (&GOOD.replace("TOKENTOKEN", "TOKEN\\r\\nTOKEN"), "the session token contains an invalid character"),
            (r#"{"Code": "AssumeRoleUnauthorizedAccess\n"}"#, "the response has the code AssumeRoleUnauthorizedAccess"),
        ];
        for (document, expected) in cases {
            let error = set(document.as_bytes()).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains("wJalr") && !error.contains("TOKEN\r"), "{error}");
        }
    }

    #[test]
    fn codes_are_shortened_and_sanitized() {
        assert_eq!(code(br#"{"code":"InvalidIdInRequest","message":"x"}"#), " (InvalidIdInRequest)");
        assert_eq!(code(br#"{"Code":"a b\u0007"}"#), " (ab)");
        assert_eq!(code(b"<html>"), "");
        assert_eq!(code(format!(r#"{{"code":"{}"}}"#, "x".repeat(1_000)).as_bytes()).len(), CODE_LIMIT + 3);
    }
}
