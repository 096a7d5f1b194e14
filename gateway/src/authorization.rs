//! Authorizes requests by bearer token or Signature Version 4.

use acpw_config::Secret;
use acpw_metric::datetime::parse_iso_8601_basic;
use acpw_sigv4::{Credentials, PayloadHash, SignableRequest, Signer, SigningScope};

use crate::request::Request;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "monitoring";

/// The largest difference between a signature's time and the gateway's clock, in seconds. AWS allows the same.
const MAX_SKEW: i64 = 300;

/// Headers that the signer adds itself.
const SIGNER_HEADERS: [&str; 4] = ["host", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"];

/// An access key that clients may sign with.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// The access key ID.
    pub id: String,
    /// The secret access key.
    pub secret: Secret,
}

/// The reason why a request is not authorized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// An explanation for the client, with what the gateway accepts instead.
    pub message: String,
    /// The accepted schemes, as the value of `www-authenticate`.
    pub challenge: &'static str,
}

/// The credentials that authorize a request. Without any, every request is authorized.
#[derive(Clone, Debug, Default)]
pub struct Authorization {
    /// The bearer token, if one is accepted.
    pub bearer_token: Option<Secret>,
    /// The keys that clients may sign with.
    pub access_keys: Vec<AccessKey>,
}

impl Authorization {
    /// Returns true if requests need no credentials.
    pub fn is_open(&self) -> bool {
        self.bearer_token.is_none() && self.access_keys.is_empty()
    }

    /// Checks the credentials of a request.
    ///
    /// `body` is the body as sent, before decompression. `now` is in seconds since the epoch.
    ///
    /// # Errors
    /// Missing or wrong credentials.
    pub fn check(&self, request: &Request, body: &[u8], now: i64) -> Result<(), Denial> {
        if self.is_open() {
            return Ok(());
        }
        self.check_header(request, body, now).map_err(|message| Denial { message, challenge: self.schemes().0 })
    }

    /// Returns the accepted schemes, as the value of `www-authenticate` and as text.
    fn schemes(&self) -> (&'static str, &'static str) {
        match (self.bearer_token.is_some(), self.access_keys.is_empty()) {
            (true, true) => ("Bearer", "a bearer token"),
            (true, false) => ("Bearer, AWS4-HMAC-SHA256", "a bearer token or an AWS4-HMAC-SHA256 signature"),
            (false, _) => ("AWS4-HMAC-SHA256", "an AWS4-HMAC-SHA256 signature"),
        }
    }

    fn check_header(&self, request: &Request, body: &[u8], now: i64) -> Result<(), String> {
        let (_, schemes) = self.schemes();
        let Some(header) = request.text("authorization") else {
            return Err(format!("The authorization header is missing; send it with {schemes}."));
        };
        match (header.split_once(' '), &self.bearer_token) {
            (Some((scheme, token)), Some(known)) if scheme.eq_ignore_ascii_case("bearer") => {
                let is_known = is_equal(token.trim().as_bytes(), known.expose().as_bytes());
                if is_known { Ok(()) } else { Err("The bearer token does not match the configured one.".to_owned()) }
            }
            (Some((ALGORITHM, parts)), _) if !self.access_keys.is_empty() => {
                self.check_signature(request, parts, body, now)
            }
            _ => Err(format!("The authorization header must contain {schemes}.")),
        }
    }

    /// Signs the request with the key that it names and compares the signatures.
    fn check_signature(&self, request: &Request, parts: &str, body: &[u8], now: i64) -> Result<(), String> {
        let malformed = || {
            "The authorization header must have Credential=KEY_ID/DATE/REGION/monitoring/aws4_request, SignedHeaders \
             and Signature."
                .to_owned()
        };
        let part = |name: &str| parts.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let credential = part("Credential").ok_or_else(malformed)?;
        let names = part("SignedHeaders").ok_or_else(malformed)?;
        let signature = part("Signature").ok_or_else(malformed)?;
        let [id, date, region, service, "aws4_request"] = credential.split('/').collect::<Vec<_>>()[..] else {
            return Err(malformed());
        };
        let Some(key) = self.access_keys.iter().find(|key| key.id == id) else {
            return Err("The access key ID is not one of the gateway's access_keys.".to_owned());
        };
        let stamp = request.text("x-amz-date").unwrap_or_default();
        let millis = parse_iso_8601_basic(stamp).filter(|_| stamp.starts_with(date));
        let time = millis.ok_or(
            "The x-amz-date header must be a time such as 20261128T093000Z, on the date in the signature's Credential.",
        )? / 1_000;
        if time.abs_diff(now) > MAX_SKEW.unsigned_abs() {
            let when = if time < now { "expired" } else { "not yet current" };
            return Err(format!(
                "Signature {when}: {stamp} differs from the gateway's clock by more than 5 minutes. Correct the client's \
                 clock."
            ));
        }
        if service != SERVICE || !names.split(';').any(|name| name == "host") {
            return Err(format!("The signature must be for the service {SERVICE} and must cover the host header."));
        }
        let expected = expected_signature(request, key, region, names, body, time)?;
        if is_equal(expected.as_bytes(), signature.as_bytes()) {
            Ok(())
        } else {
            Err("The signature does not match. Check the secret access key.".to_owned())
        }
    }
}

/// Returns the signature that the request should have.
fn expected_signature(
    request: &Request,
    key: &AccessKey,
    region: &str,
    names: &str,
    body: &[u8],
    time: i64,
) -> Result<String, String> {
    let cannot_check = |error: &dyn std::fmt::Display| format!("The signature cannot be checked: {error}.");
    let mut headers = Vec::new();
    for name in names.split(';').filter(|name| !SIGNER_HEADERS.contains(name)) {
        if let Some(value) = request.header(name) {
            let value = std::str::from_utf8(value).map_err(|_| {
                let name = name.escape_default();
                cannot_check(&format_args!("header \"{name}\": the value is not UTF-8; leave it out of SignedHeaders"))
            })?;
            headers.push((name, value));
        }
    }
    let token = request.text("x-amz-security-token");
    let credentials = Credentials::new(&key.id, key.secret.expose(), token).map_err(|error| cannot_check(&error))?;
    let scope = SigningScope::new(region, SERVICE).map_err(|error| cannot_check(&error))?;
    let is_hash_signed = names.split(';').any(|name| name == "x-amz-content-sha256");
    let signed = Signer::new(credentials, scope).sign(
        &SignableRequest {
            method: request.method(),
            host: request.authority(),
            path: request.path(),
            query: request.query(),
            headers: &headers,
            body,
            payload_hash: if is_hash_signed { PayloadHash::Header } else { PayloadHash::Implied },
        },
        time,
    );
    let signed = signed.map_err(|error| cannot_check(&error))?;
    let authorization = signed.headers().find(|(name, _)| *name == "authorization").map(|(_, value)| value);
    let signature = authorization.and_then(|value| value.rsplit_once('=')).map(|(_, signature)| signature);
    signature.map(str::to_owned).ok_or_else(|| "The signature cannot be checked.".to_owned())
}

/// Compares two secrets in time that does not depend on where they differ.
fn is_equal(left: &[u8], right: &[u8]) -> bool {
    let differences = left.iter().zip(right).fold(0u8, |differences, (left, right)| differences | (left ^ right));
    left.len() == right.len() && std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use aws_sigv4::{
        http_request::{SignableBody, SignableRequest, SigningSettings, sign},
        sign::v4::SigningParams,
    };

    use super::*;

    const NOW: u64 = 1_795_170_600;
    const BODY: &[u8] = b"{\"Namespace\":\"N\"}";

    fn keys() -> Authorization {
        let key = AccessKey { id: "AKID".to_owned(), secret: Secret::new("s3cr3t") };
        Authorization { bearer_token: None, access_keys: vec![key] }
    }

    /// Returns the headers of a request signed with this secret by the AWS SDK's signer.
    fn signed(secret: &str, token: Option<&str>) -> Vec<(String, String)> {
        let identity =
            aws_credential_types::Credentials::new("AKID", secret, token.map(str::to_owned), None, "test").into();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region("eu-central-1")
            .name("monitoring")
            .time(SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let own = [
            ("host", "localhost:3000"),
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-target", "GraniteServiceVersion20100801.PutMetricData"),
        ];
        let request =
            SignableRequest::new("POST", "http://localhost:3000/", own.into_iter(), SignableBody::Bytes(BODY)).unwrap();
        let (instructions, _) = sign(request, &parameters).unwrap().into_parts();
        let added = instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let pseudo = [(":method", "POST"), (":path", "/"), (":authority", "localhost:3000")];
        let pairs = pseudo.into_iter().chain(own).filter(|(name, _)| *name != "host");
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).chain(added).collect()
    }

    fn request(pairs: &[(String, String)]) -> Request {
        Request::new(|name| {
            let (_, value) = pairs.iter().find(|(known, _)| known == name)?;
            Some(value.as_bytes().to_vec())
        })
    }

    #[test]
    fn a_request_signed_by_the_aws_sdk_with_a_known_key_is_authorized() {
        for token in [None, Some("T0k3n")] {
            let request = request(&signed("s3cr3t", token));
            assert_eq!(keys().check(&request, BODY, NOW as i64), Ok(()));
            for (time, fits) in [(300, true), (301, false), (-300, true), (-301, false)] {
                assert_eq!(keys().check(&request, BODY, NOW as i64 + time).is_ok(), fits, "{time}");
            }
            assert!(keys().check(&request, b"another body", NOW as i64).is_err());
        }
    }

    #[test]
    fn an_altered_request_and_another_secret_are_denied() {
        let good = signed("s3cr3t", None);
        assert!(keys().check(&request(&signed("other", None)), BODY, NOW as i64).is_err());
        for name in [":path", ":authority", "content-type", "x-amz-target", "x-amz-date", "authorization"] {
            let mut altered = good.clone();
            let pair = altered.iter_mut().find(|(known, _)| known == name).unwrap();
            pair.1.push('0');
            assert!(keys().check(&request(&altered), BODY, NOW as i64).is_err(), "{name}");
            // An empty path is signed like "/".
            if name == ":path" {
                continue;
            }
            let without: Vec<_> = good.iter().filter(|(known, _)| known != name).cloned().collect();
            assert!(keys().check(&request(&without), BODY, NOW as i64).is_err(), "{name}");
        }
    }

    fn denied(authorization: &Authorization, pairs: &[(String, String)]) -> Denial {
        authorization.check(&request(pairs), BODY, NOW as i64).unwrap_err()
    }

    #[test]
    fn the_challenge_lists_the_accepted_schemes() {
        let token = Authorization { bearer_token: Some(Secret::new("t0k3n")), access_keys: Vec::new() };
        let both = Authorization { bearer_token: token.bearer_token.clone(), ..keys() };
        let bearer = "a bearer token";
        let signature = "an AWS4-HMAC-SHA256 signature";
        for (authorization, challenge, schemes) in [
            (&token, "Bearer", bearer.to_owned()),
            (&keys(), "AWS4-HMAC-SHA256", signature.to_owned()),
            (&both, "Bearer, AWS4-HMAC-SHA256", format!("{bearer} or {signature}")),
        ] {
            let denial = denied(authorization, &[]);
            let message = format!("The authorization header is missing; send it with {schemes}.");
            assert_eq!((denial.challenge, denial.message), (challenge, message));
            let basic = denied(authorization, &[("authorization".to_owned(), "Basic Ym9iOnB3".to_owned())]);
            assert_eq!(basic.message, format!("The authorization header must contain {schemes}."));
        }
        let bearer = [("authorization".to_owned(), "Bearer t0k3n".to_owned())];
        assert!(denied(&keys(), &bearer).message.ends_with(&format!("must contain {signature}.")));
    }

    #[test]
    fn the_name_of_an_unsignable_header_is_reported_without_its_value() {
        let signed = |more: &str| {
            let mut pairs = signed("s3cr3t", None);
            let (_, header) = pairs.iter_mut().find(|(name, _)| name == "authorization").unwrap();
            *header = header.replace("SignedHeaders=", &format!("SignedHeaders={more};"));
            pairs
        };
        let message = |more: &str, value: &[u8]| {
            let pairs = signed(more);
            let request = Request::new(|name| match pairs.iter().find(|(known, _)| known == name) {
                Some((_, known)) => Some(known.as_bytes().to_vec()),
                None => (name == "x-note").then(|| value.to_vec()),
            });
            keys().check(&request, BODY, NOW as i64).unwrap_err().message
        };
        let authorization = message("authorization", b"");
        assert_eq!(
            authorization,
            r#"The signature cannot be checked: header "authorization": the signer adds this header; remove it."#
        );
        for (value, what) in [
            (b"hidden\tvalue".as_slice(), "the value contains a control character"),
            (b"hidden \xe9", "the value is not UTF-8; leave it out of SignedHeaders"),
        ] {
            let expected = format!(r#"The signature cannot be checked: header "x-note": {what}."#);
            assert_eq!(message("x-note", value), expected);
        }
    }

    #[test]
    fn only_the_whole_bearer_token_is_authorized() {
        let token = Authorization { bearer_token: Some(Secret::new("t0k3n")), access_keys: Vec::new() };
        for (header, fits) in [
            ("Bearer t0k3n", true),
            ("bearer t0k3n", true),
            ("Bearer t0k3", false),
            ("Bearer t0k3n1", false),
            ("Basic t0k3n", false),
            ("", false),
        ] {
            let pairs = [("authorization".to_owned(), header.to_owned())];
            let checked = token.check(&request(&pairs), BODY, 0);
            assert_eq!(checked.is_ok(), fits, "{header}");
            assert!(checked.err().is_none_or(|denial| !denial.message.contains("t0k3n")));
        }
        assert!(token.check(&request(&signed("s3cr3t", None)), BODY, NOW as i64).is_err());
        assert_eq!(Authorization::default().check(&request(&[]), BODY, 0), Ok(()));
    }
}
