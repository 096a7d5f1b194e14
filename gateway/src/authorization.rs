//! Whether a request may: a bearer token, or a signature of Signature Version 4.

use acpw_config::Secret;
use acpw_metric::datetime::parse_iso_8601_basic;
use acpw_sigv4::{Credentials, PayloadHash, SignableRequest, Signer, SigningScope};

use crate::request::Request;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "monitoring";

/// How far a signature's time may be from the gateway's, in seconds.
const MAX_SKEW: i64 = 300;

/// Headers that signing writes by itself.
const WRITTEN: [&str; 4] = ["host", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"];

/// An access key whose signatures are taken.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// Which it is.
    pub id: String,
    /// What it signs with.
    pub secret: Secret,
}

/// Why a request may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What is wrong, and what is taken.
    pub message: String,
    /// The schemes that are taken, as `www-authenticate` lists them.
    pub challenge: &'static str,
}

/// What a request has to show. With neither, nothing.
#[derive(Clone, Debug, Default)]
pub struct Authorization {
    /// A token.
    pub bearer_token: Option<Secret>,
    /// Keys, one of which signed it.
    pub access_keys: Vec<AccessKey>,
}

impl Authorization {
    /// Whether a request need show nothing.
    pub fn is_open(&self) -> bool {
        self.bearer_token.is_none() && self.access_keys.is_empty()
    }

    /// Checks a request whose body is, as sent, this one; `now` is in seconds since the epoch.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(&self, request: &Request, body: &[u8], now: i64) -> Result<(), Denial> {
        if self.is_open() {
            return Ok(());
        }
        self.check_header(request, body, now).map_err(|message| Denial { message, challenge: self.schemes().0 })
    }

    /// Returns the schemes that are taken, for `www-authenticate` and for people.
    fn schemes(&self) -> (&'static str, &'static str) {
        match (self.bearer_token.is_some(), self.access_keys.is_empty()) {
            (true, true) => ("Bearer", "a bearer token"),
            (true, false) => {
                ("Bearer, AWS4-HMAC-SHA256", "a bearer token, or a signature of Signature Version 4 (AWS4-HMAC-SHA256)")
            }
            (false, _) => ("AWS4-HMAC-SHA256", "a signature of Signature Version 4 (AWS4-HMAC-SHA256)"),
        }
    }

    fn check_header(&self, request: &Request, body: &[u8], now: i64) -> Result<(), String> {
        let (_, schemes) = self.schemes();
        let Some(header) = request.text("authorization") else {
            return Err(format!("The header authorization is required: {schemes}."));
        };
        match (header.split_once(' '), &self.bearer_token) {
            (Some((scheme, token)), Some(known)) if scheme.eq_ignore_ascii_case("bearer") => {
                let is_known = is_equal(token.trim().as_bytes(), known.expose().as_bytes());
                if is_known { Ok(()) } else { Err("The bearer token is not the configured one.".to_owned()) }
            }
            (Some((ALGORITHM, parts)), _) if !self.access_keys.is_empty() => {
                self.check_signature(request, parts, body, now)
            }
            _ => Err(format!("The header authorization must have {schemes}.")),
        }
    }

    /// Signs the request again with the key that it names, and compares.
    fn check_signature(&self, request: &Request, parts: &str, body: &[u8], now: i64) -> Result<(), String> {
        let malformed = || "The authorization header is incomplete.".to_owned();
        let part = |name: &str| parts.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let credential = part("Credential").ok_or_else(malformed)?;
        let names = part("SignedHeaders").ok_or_else(malformed)?;
        let signature = part("Signature").ok_or_else(malformed)?;
        let [id, date, region, service, "aws4_request"] = credential.split('/').collect::<Vec<_>>()[..] else {
            return Err(malformed());
        };
        let Some(key) = self.access_keys.iter().find(|key| key.id == id) else {
            return Err("The security token included in the request is invalid.".to_owned());
        };
        let stamp = request.text("x-amz-date").unwrap_or_default();
        let millis = parse_iso_8601_basic(stamp).filter(|_| stamp.starts_with(date));
        let time = millis.ok_or("x-amz-date is missing or not the scope's")? / 1_000;
        if time.abs_diff(now) > MAX_SKEW.unsigned_abs() {
            let when = if time < now { "expired" } else { "not yet current" };
            return Err(format!("Signature {when}: {stamp} is more than 5 minutes from this host's clock."));
        }
        if service != SERVICE || !names.split(';').any(|name| name == "host") {
            return Err(format!("The signature must be for the service {SERVICE}, and cover the host."));
        }
        let expected = expected(request, key, region, names, body, time)?;
        if is_equal(expected.as_bytes(), signature.as_bytes()) {
            Ok(())
        } else {
            Err("The signature does not match. Check the secret access key.".to_owned())
        }
    }
}

fn expected(
    request: &Request,
    key: &AccessKey,
    region: &str,
    names: &str,
    body: &[u8],
    time: i64,
) -> Result<String, String> {
    let told = |error: &dyn std::fmt::Display| format!("The signature cannot be checked: {error}.");
    let mut headers = Vec::new();
    for name in names.split(';').filter(|name| !WRITTEN.contains(name)) {
        if let Some(value) = request.header(name) {
            let value = std::str::from_utf8(value).map_err(|_| {
                let name = name.escape_default();
                told(&format_args!("header \"{name}\": the value is not UTF-8; leave it out of SignedHeaders"))
            })?;
            headers.push((name, value));
        }
    }
    let token = request.text("x-amz-security-token");
    let credentials = Credentials::new(&key.id, key.secret.expose(), token).map_err(|error| told(&error))?;
    let scope = SigningScope::new(region, SERVICE).map_err(|error| told(&error))?;
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
    let signed = signed.map_err(|error| told(&error))?;
    let authorization = signed.headers().find(|(name, _)| *name == "authorization").map(|(_, value)| value);
    let signature = authorization.and_then(|value| value.rsplit_once('=')).map(|(_, signature)| signature);
    signature.map(str::to_owned).ok_or_else(|| "The request cannot be signed.".to_owned())
}

/// Compares in a time that does not tell where two secrets differ.
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

    /// A request that AWS's own signer signed with this secret.
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
    fn what_another_signer_signed_with_a_known_key_may() {
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
    fn what_was_altered_or_signed_with_another_secret_may_not() {
        let good = signed("s3cr3t", None);
        assert!(keys().check(&request(&signed("other", None)), BODY, NOW as i64).is_err());
        for name in [":path", ":authority", "content-type", "x-amz-target", "x-amz-date", "authorization"] {
            let mut altered = good.clone();
            let pair = altered.iter_mut().find(|(known, _)| known == name).unwrap();
            pair.1.push('0');
            assert!(keys().check(&request(&altered), BODY, NOW as i64).is_err(), "{name}");
            // No path is the same as "/".
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
    fn the_challenge_has_what_is_taken() {
        let token = Authorization { bearer_token: Some(Secret::new("t0k3n")), access_keys: Vec::new() };
        let both = Authorization { bearer_token: token.bearer_token.clone(), ..keys() };
        let bearer = "a bearer token";
        let signature = "a signature of Signature Version 4 (AWS4-HMAC-SHA256)";
        for (authorization, challenge, schemes) in [
            (&token, "Bearer", bearer.to_owned()),
            (&keys(), "AWS4-HMAC-SHA256", signature.to_owned()),
            (&both, "Bearer, AWS4-HMAC-SHA256", format!("{bearer}, or {signature}")),
        ] {
            let none = denied(authorization, &[]);
            assert_eq!(
                (none.challenge, none.message),
                (challenge, format!("The header authorization is required: {schemes}."))
            );
            let basic = denied(authorization, &[("authorization".to_owned(), "Basic Ym9iOnB3".to_owned())]);
            assert_eq!(basic.message, format!("The header authorization must have {schemes}."));
        }
        let bearer = [("authorization".to_owned(), "Bearer t0k3n".to_owned())];
        assert!(denied(&keys(), &bearer).message.ends_with(&format!("must have {signature}.")));
    }

    #[test]
    fn a_header_that_cannot_be_signed_is_named_and_its_value_is_not() {
        let signed = |more: &str| {
            let mut pairs = signed("s3cr3t", None);
            let (_, header) = pairs.iter_mut().find(|(name, _)| name == "authorization").unwrap();
            *header = header.replace("SignedHeaders=", &format!("SignedHeaders={more};"));
            pairs
        };
        let named = |more: &str, value: &[u8]| {
            let pairs = signed(more);
            let request = Request::new(|name| match pairs.iter().find(|(known, _)| known == name) {
                Some((_, known)) => Some(known.as_bytes().to_vec()),
                None => (name == "x-note").then(|| value.to_vec()),
            });
            keys().check(&request, BODY, NOW as i64).unwrap_err().message
        };
        let authorization = named("authorization", b"");
        assert_eq!(
            authorization,
            r#"The signature cannot be checked: header "authorization": the signer adds this header; remove it."#
        );
        for (value, what) in [
            (b"hidden\tvalue".as_slice(), "the value contains a control character"),
            (b"hidden \xe9", "the value is not UTF-8; leave it out of SignedHeaders"),
        ] {
            let message = named("x-note", value);
            assert_eq!(message, format!(r#"The signature cannot be checked: header "x-note": {what}."#));
        }
    }

    #[test]
    fn a_bearer_token_is_compared_whole() {
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
