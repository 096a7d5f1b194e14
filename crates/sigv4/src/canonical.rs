//! The canonical request: one text that the signer and AWS both build from the same request.

use alloc::borrow::ToOwned as _;
use alloc::string::String;

use sha2::{Digest as _, Sha256};

use crate::error::SignError;
use crate::header::{CanonicalHeaders, HOST, X_AMZ_CONTENT_SHA256, X_AMZ_DATE, X_AMZ_SECURITY_TOKEN, is_token};
use crate::request::{PayloadHash, SignableRequest};
use crate::uri::{canonical_path, canonical_query};

/// A canonical request and the parts of it that are sent along. Its text holds the session token.
pub(crate) struct CanonicalRequest {
    text: String,
    /// The names for the `Authorization` header.
    pub(crate) signed_headers: String,
    /// *HashedPayload*: the body's SHA-256 in lower-case hexadecimal.
    pub(crate) payload_hash: String,
}

impl CanonicalRequest {
    /// Builds the six lines of AWS's "Create a canonical request". Signed are `host`, `x-amz-date`,
    /// `x-amz-security-token` with temporary credentials, `x-amz-content-sha256` on request, and the caller's headers.
    pub(crate) fn new(
        request: &SignableRequest<'_>,
        date_time: &str,
        session_token: Option<&str>,
    ) -> Result<Self, SignError> {
        if !is_token(request.method) {
            return Err(SignError::Method);
        }
        if request.host.is_empty() || !request.host.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SignError::Host);
        }
        let payload_hash = sha256_hex(request.body);
        let mut headers = CanonicalHeaders::parse(request.headers)?;
        headers.insert(HOST.to_owned(), request.host);
        headers.insert(X_AMZ_DATE.to_owned(), date_time);
        if let Some(token) = session_token {
            headers.insert(X_AMZ_SECURITY_TOKEN.to_owned(), token);
        }
        match request.payload_hash {
            PayloadHash::Implied => {}
            PayloadHash::Header => headers.insert(X_AMZ_CONTENT_SHA256.to_owned(), &payload_hash),
        }
        let signed_headers = headers.signed_headers();

        let mut text = String::new();
        for line in [request.method, &canonical_path(request.path), &canonical_query(request.query)] {
            text.push_str(line);
            text.push('\n');
        }
        headers.write_lines(&mut text);
        for part in ["\n", &signed_headers, "\n", &payload_hash] {
            text.push_str(part);
        }
        Ok(Self { text, signed_headers, payload_hash })
    }

    /// The SHA-256 of the text in lower-case hexadecimal.
    pub(crate) fn hash(&self) -> String {
        sha256_hex(self.text.as_bytes())
    }
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST_USERS: SignableRequest<'_> = SignableRequest {
        method: "GET",
        host: "iam.amazonaws.com",
        path: "/",
        query: "Action=ListUsers&Version=2010-05-08",
        headers: &[("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")],
        body: b"",
        payload_hash: PayloadHash::Implied,
    };

    #[test]
    fn the_documented_iam_list_users_request() {
        let canonical = CanonicalRequest::new(&LIST_USERS, "20150830T123600Z", None).unwrap();
        assert_eq!(
            canonical.text,
            "GET\n/\nAction=ListUsers&Version=2010-05-08\n\
             content-type:application/x-www-form-urlencoded; charset=utf-8\n\
             host:iam.amazonaws.com\nx-amz-date:20150830T123600Z\n\n\
             content-type;host;x-amz-date\n\
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(canonical.hash(), "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59");
    }

    #[test]
    fn token_and_payload_hash_are_signed_when_sent() {
        let request = SignableRequest { headers: &[], payload_hash: PayloadHash::Header, ..LIST_USERS };
        let canonical = CanonicalRequest::new(&request, "20150830T123600Z", Some("t0k3n")).unwrap();
        assert_eq!(canonical.signed_headers, "host;x-amz-content-sha256;x-amz-date;x-amz-security-token");
        assert!(canonical.text.contains("\nx-amz-security-token:t0k3n\n"));
        assert!(canonical.text.contains(&std::format!("\nx-amz-content-sha256:{}\n", canonical.payload_hash)));
    }

    #[test]
    fn a_method_or_host_that_could_forge_a_line_is_refused() {
        for method in ["", "GET /", "GET\n", "GÉT"] {
            let error = CanonicalRequest::new(&SignableRequest { method, ..LIST_USERS }, "", None).err();
            assert_eq!(error, Some(SignError::Method));
        }
        for host in ["", "a b", "a\nx-amz-date:1", "é.example"] {
            let error = CanonicalRequest::new(&SignableRequest { host, ..LIST_USERS }, "", None).err();
            assert_eq!(error, Some(SignError::Host));
        }
    }
}
