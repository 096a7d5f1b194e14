//! The whole procedure, and the headers that come out of it.

use core::fmt;

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::canonical::CanonicalRequest;
use crate::credentials::Credentials;
use crate::error::SignError;
use crate::header::{AUTHORIZATION, X_AMZ_CONTENT_SHA256, X_AMZ_DATE, X_AMZ_SECURITY_TOKEN};
use crate::key::SigningKey;
use crate::request::{PayloadHash, SignableRequest};
use crate::scope::SigningScope;
use crate::string_to_sign::{ALGORITHM, credential_scope, string_to_sign};
use crate::timestamp::Timestamp;

/// Signs requests with one set of credentials for one region and service.
///
/// It keeps the signing key, which depends on the day, for the next request; new credentials mean a new signer, so a
/// key never outlives its secret. `Debug` shows no secret.
#[derive(Debug)]
pub struct Signer {
    credentials: Credentials,
    scope: SigningScope,
    key: Option<SigningKey>,
}

impl Signer {
    /// Binds credentials to a region and service.
    #[must_use]
    pub fn new(credentials: Credentials, scope: SigningScope) -> Self {
        Self { credentials, scope, key: None }
    }

    /// Gives the headers that make `request` a signed one at `signed_at`, in seconds since 1970-01-01T00:00:00Z.
    ///
    /// AWS accepts a signature only near that time, so every attempt to send a request is signed anew.
    ///
    /// # Errors
    /// A method, host, header or time that cannot be signed; see [`SignError`].
    pub fn sign(&mut self, request: &SignableRequest<'_>, signed_at: i64) -> Result<Signed, SignError> {
        let timestamp = Timestamp::from_unix(signed_at)?;
        let session_token = self.credentials.session_token();
        let canonical = CanonicalRequest::new(request, &timestamp.date_time, session_token)?;
        let credential_scope = credential_scope(&timestamp.date, &self.scope);
        let key = match self.key.take() {
            Some(key) if key.is_of(&timestamp.date) => key,
            _ => SigningKey::derive(self.credentials.secret_access_key(), &timestamp.date, &self.scope),
        };
        let signature = key.signature(&string_to_sign(&timestamp, &credential_scope, &canonical.hash()));
        self.key = Some(key);

        let authorization = format!(
            "{ALGORITHM} Credential={}/{credential_scope}, SignedHeaders={}, Signature={signature}",
            self.credentials.access_key_id(),
            canonical.signed_headers,
        );
        let mut headers = Vec::with_capacity(4);
        headers.push((X_AMZ_DATE, timestamp.date_time));
        if let Some(token) = session_token {
            headers.push((X_AMZ_SECURITY_TOKEN, token.to_owned()));
        }
        match request.payload_hash {
            PayloadHash::Implied => {}
            PayloadHash::Header => headers.push((X_AMZ_CONTENT_SHA256, canonical.payload_hash)),
        }
        headers.push((AUTHORIZATION, authorization));
        Ok(Signed { headers })
    }
}

/// The headers to add to a request. `Debug` shows their names only.
pub struct Signed {
    headers: Vec<(&'static str, String)>,
}

impl Signed {
    /// The headers in lower case, each once: `x-amz-date`, `x-amz-security-token` with temporary credentials,
    /// `x-amz-content-sha256` if it was asked for, `authorization`.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.headers.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: i64 = 1_440_938_160;
    const DAY: i64 = 86_400;
    const REQUEST: SignableRequest<'_> = SignableRequest {
        method: "POST",
        host: "sts.us-east-1.amazonaws.com",
        path: "/",
        query: "",
        headers: &[("content-type", "application/x-www-form-urlencoded")],
        body: b"Action=GetCallerIdentity&Version=2011-06-15",
        payload_hash: PayloadHash::Implied,
    };

    fn signer() -> Signer {
        let credentials = Credentials::new("AKIDEXAMPLE", "s3cr3t", Some("t0k3n")).unwrap();
        Signer::new(credentials, SigningScope::new("us-east-1", "sts").unwrap())
    }

    fn headers(signer: &mut Signer, signed_at: i64) -> Vec<(&'static str, String)> {
        signer.sign(&REQUEST, signed_at).unwrap().headers
    }

    #[test]
    fn a_kept_key_signs_as_a_fresh_one_on_every_day() {
        let mut kept = signer();
        for signed_at in [TODAY, TODAY + 1, TODAY + DAY, TODAY + DAY + 1, TODAY] {
            assert_eq!(headers(&mut kept, signed_at), headers(&mut signer(), signed_at), "{signed_at}");
        }
        assert_ne!(headers(&mut kept, TODAY), headers(&mut kept, TODAY + DAY));
    }

    #[test]
    fn an_error_leaves_the_signer_usable() {
        let mut signer = signer();
        let before = headers(&mut signer, TODAY);
        assert_eq!(signer.sign(&REQUEST, i64::MAX).err(), Some(SignError::Timestamp(i64::MAX)));
        assert_eq!(signer.sign(&SignableRequest { host: "", ..REQUEST }, TODAY).err(), Some(SignError::Host));
        assert_eq!(headers(&mut signer, TODAY), before);
    }

    #[test]
    fn headers_come_as_documented() {
        let request = SignableRequest { payload_hash: PayloadHash::Header, ..REQUEST };
        let signed = signer().sign(&request, TODAY).unwrap();
        let names: Vec<_> = signed.headers().map(|(name, _)| name).collect();
        assert_eq!(names, ["x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "authorization"]);
    }

    #[test]
    fn debug_shows_no_secret_token_or_signature() {
        let mut signer = signer();
        let signed = signer.sign(&REQUEST, TODAY).unwrap();
        let (_, authorization) = signed.headers().last().unwrap();
        let signature = authorization.rsplit('=').next().unwrap();
        assert_eq!(signature.len(), 64);
        for text in [format!("{signer:?} {signed:?}"), format!("{signer:#?} {signed:#?}")] {
            assert!(text.contains("AKIDEXAMPLE") && text.contains("x-amz-security-token"), "{text}");
            for secret in ["s3cr3t", "t0k3n", signature] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }
}
