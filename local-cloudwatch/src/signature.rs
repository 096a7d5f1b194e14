//! Verifies AWS Signature Version 4: signs the request again with AWS's own signer and compares the signatures.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use chrono::NaiveDateTime;
use subtle::ConstantTimeEq;

use crate::access_key::AccessKey;
use crate::authorization::{AuthorizationHeader, incomplete, text};
use crate::clock::basic;
use crate::error::{ApiError, ErrorKind};
use crate::quota::MAX_CLOCK_SKEW_MILLIS;

const TERMINATOR: &str = "aws4_request";
const INVALID_TOKEN: &str = "The security token included in the request is invalid.";
const EXPIRED_TOKEN: &str = "The security token included in the request is expired";
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS \
                        Secret Access Key and signing method. Consult the service documentation for details.";

/// The service in a signature's scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    CloudWatch,
    Sts,
}

impl Service {
    fn signing_name(self) -> &'static str {
        match self {
            Self::CloudWatch => "monitoring",
            Self::Sts => "sts",
        }
    }
}

/// Verifies requests against the accepted keys, region, service and time.
#[derive(Debug)]
pub(crate) struct SignatureVerifier<'a> {
    pub(crate) keys: &'a [AccessKey],
    /// `None` accepts every region.
    pub(crate) region: Option<&'a str>,
    pub(crate) service: Service,
    pub(crate) now_millis: i64,
}

impl SignatureVerifier<'_> {
    /// Verifies that an accepted, unexpired key signed this head and this `body`, both as received, within five minutes
    /// of the server's clock.
    pub(crate) fn verify(&self, head: &Parts, body: &[u8]) -> Result<(), ApiError> {
        let authorization = AuthorizationHeader::parse(&head.headers)?;
        let key = self.key(&authorization, &head.headers)?;
        let date = signing_date(&head.headers)?;
        self.check_scope(&authorization, date)?;
        check_signed_headers(&authorization, &head.headers)?;
        self.check_skew(date)?;
        let expected = signature(head, body, &authorization, key, date)?;
        if bool::from(expected.as_bytes().ct_eq(authorization.signature.as_bytes())) {
            Ok(())
        } else {
            Err(mismatch(MISMATCH))
        }
    }

    fn key(&self, authorization: &AuthorizationHeader<'_>, headers: &HeaderMap) -> Result<&AccessKey, ApiError> {
        let token = text(headers, "x-amz-security-token");
        let same_token = |key: &&AccessKey| match (key.session_token(), token) {
            (None, None) => true,
            (Some(expected), Some(sent)) => bool::from(expected.as_bytes().ct_eq(sent.as_bytes())),
            _ => false,
        };
        let key = self
            .keys
            .iter()
            .find(|key| key.access_key_id() == authorization.access_key_id)
            .filter(same_token)
            .ok_or_else(|| ApiError::new(ErrorKind::UnrecognizedClient, INVALID_TOKEN))?;
        if key.is_expired(system_time(self.now_millis)) {
            return Err(ApiError::new(ErrorKind::ExpiredToken, EXPIRED_TOKEN));
        }
        Ok(key)
    }

    fn check_scope(&self, authorization: &AuthorizationHeader<'_>, date: i64) -> Result<(), ApiError> {
        let timestamp = basic(date);
        let day = timestamp.get(..8).unwrap_or_default();
        if authorization.terminator != TERMINATOR {
            let found = authorization.terminator;
            return Err(mismatch(format!(
                "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{found}'."
            )));
        }
        let service = self.service.signing_name();
        if authorization.service != service {
            return Err(mismatch(format!("Credential should be scoped to correct service: '{service}'.")));
        }
        if self.region.is_some_and(|region| region != authorization.region) {
            let found = authorization.region;
            return Err(mismatch(format!("Credential should be scoped to a valid region, not '{found}'.")));
        }
        if authorization.date != day {
            let found = authorization.date;
            return Err(mismatch(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
                 '{found}' != '{day}', from '{timestamp}'."
            )));
        }
        Ok(())
    }

    fn check_skew(&self, date: i64) -> Result<(), ApiError> {
        let (signed, now) = (basic(date), basic(self.now_millis));
        if date < self.now_millis.saturating_sub(MAX_CLOCK_SKEW_MILLIS) {
            let bound = basic(self.now_millis.saturating_sub(MAX_CLOCK_SKEW_MILLIS));
            return Err(mismatch(format!("Signature expired: {signed} is now earlier than {bound} ({now} - 5 min.)")));
        }
        if date > self.now_millis.saturating_add(MAX_CLOCK_SKEW_MILLIS) {
            let bound = basic(self.now_millis.saturating_add(MAX_CLOCK_SKEW_MILLIS));
            return Err(mismatch(format!(
                "Signature not yet current: {signed} is still later than {bound} ({now} + 5 min.)"
            )));
        }
        Ok(())
    }
}

/// Signs the received request with the secret of `key`, over the headers that the client signed.
fn signature(
    head: &Parts,
    body: &[u8],
    authorization: &AuthorizationHeader<'_>,
    key: &AccessKey,
    date: i64,
) -> Result<String, ApiError> {
    let headers = head
        .headers
        .iter()
        .filter(|(name, _)| authorization.signed_headers.contains(&name.as_str()))
        .map(|(name, value)| value.to_str().map(|value| (name.as_str(), value)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| mismatch("The value of a signed header is not text."))?;
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut settings = SigningSettings::default();
    settings.excluded_headers = None;
    let token = key.session_token().map(str::to_owned);
    let identity =
        Credentials::new(key.access_key_id(), key.secret_access_key(), token, None, "local-cloudwatch").into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(authorization.region)
        .name(authorization.service)
        .time(system_time(date))
        .settings(settings)
        .build()
        .map_err(|error| mismatch(error.to_string()))?;
    let request = SignableRequest::new(head.method.as_str(), target, headers.into_iter(), SignableBody::Bytes(body))
        .map_err(|error| mismatch(error.to_string()))?;
    let signed = sign(request, &params.into()).map_err(|error| mismatch(error.to_string()))?;
    Ok(signed.signature().to_owned())
}

/// Checks that `host` and every `x-amz-*` header are signed, which AWS requires.
fn check_signed_headers(authorization: &AuthorizationHeader<'_>, headers: &HeaderMap) -> Result<(), ApiError> {
    let is_signed = |name: &str| authorization.signed_headers.contains(&name);
    if !is_signed("host") || !headers.contains_key("host") {
        return Err(mismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."));
    }
    let mut amz = headers.keys().map(|name| name.as_str()).filter(|name| name.starts_with("x-amz-"));
    if let Some(name) = amz.find(|name| !is_signed(name)) {
        return Err(mismatch(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.")));
    }
    match authorization.signed_headers.iter().find(|name| !headers.contains_key(**name)) {
        Some(name) => Err(mismatch(format!("The signed header '{name}' is not in the request."))),
        None => Ok(()),
    }
}

/// Reads `x-amz-date`, in milliseconds since the epoch.
fn signing_date(headers: &HeaderMap) -> Result<i64, ApiError> {
    let Some(value) = text(headers, "x-amz-date") else {
        return Err(incomplete("Authorization header requires existence of a 'X-Amz-Date' header."));
    };
    NaiveDateTime::parse_from_str(value, "%Y%m%dT%H%M%SZ")
        .map(|date| date.and_utc().timestamp_millis())
        .map_err(|_| incomplete(format!("Date must be in ISO-8601 'basic format'. Got '{value}'.")))
}

fn system_time(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}

pub(crate) fn mismatch(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::SignatureMismatch, message)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue, Request};

    use super::*;

    const NOW: i64 = 1_795_170_600_000;
    const BODY: &[u8] = b"{\"Namespace\":\"n\"}";

    struct SigningClient {
        key: AccessKey,
        region: &'static str,
        service: &'static str,
        date: i64,
        headers: Vec<(&'static str, &'static str)>,
    }

    impl Default for SigningClient {
        fn default() -> Self {
            let headers =
                vec![("host", "127.0.0.1:4582"), ("x-amz-target", "GraniteServiceVersion20100801.PutMetricData")];
            Self {
                key: AccessKey::new("AKID", "secret"),
                region: "eu-west-1",
                service: Service::CloudWatch.signing_name(),
                date: NOW,
                headers,
            }
        }
    }

    impl SigningClient {
        /// Signs a request as AWS's SDKs do.
        fn sign(&self) -> Parts {
            let mut builder = Request::post("/");
            for (name, value) in &self.headers {
                builder = builder.header(*name, *value);
            }
            let mut request = builder.body(()).unwrap();
            let token = self.key.session_token().map(str::to_owned);
            let (id, secret) = (self.key.access_key_id(), self.key.secret_access_key());
            let identity = Credentials::new(id, secret, token, None, "test").into();
            let params = SigningParams::builder()
                .identity(&identity)
                .region(self.region)
                .name(self.service)
                .time(system_time(self.date))
                .settings(SigningSettings::default())
                .build()
                .unwrap();
            let headers = self.headers.iter().copied();
            let signable = SignableRequest::new("POST", "http://127.0.0.1:4582/", headers, SignableBody::Bytes(BODY));
            let instructions = sign(signable.unwrap(), &params.into()).unwrap().into_parts().0;
            instructions.apply_to_request_http1x(&mut request);
            request.into_parts().0
        }
    }

    fn verify_with(
        keys: &[AccessKey],
        region: Option<&str>,
        head: &Parts,
        body: &[u8],
    ) -> Result<(), (ErrorKind, String)> {
        let verifier = SignatureVerifier { keys, region, service: Service::CloudWatch, now_millis: NOW };
        verifier.verify(head, body).map_err(|error| (error.kind().clone(), error.message().to_owned()))
    }

    fn verify(head: &Parts) -> Result<(), (ErrorKind, String)> {
        verify_with(&[AccessKey::new("other", "x"), AccessKey::new("AKID", "secret")], None, head, BODY)
    }

    fn kind(result: Result<(), (ErrorKind, String)>) -> ErrorKind {
        result.unwrap_err().0
    }

    #[test]
    fn a_valid_signature_is_accepted() {
        assert_eq!(verify(&SigningClient::default().sign()), Ok(()));
    }

    #[test]
    fn a_changed_request_does_not_match() {
        let good = SigningClient::default().sign();
        assert_eq!(
            kind(verify_with(&[AccessKey::new("AKID", "secret")], None, &good, b"{}")),
            ErrorKind::SignatureMismatch
        );
        let changes: [fn(&mut Parts); 4] = [
            |head| head.uri = "/?a=b".parse().unwrap(),
            |head| head.method = axum::http::Method::PUT,
            |head| set(head, "x-amz-target", "GraniteServiceVersion20100801.ListMetrics"),
            |head| set(head, "host", "elsewhere"),
        ];
        for change in changes {
            let mut head = SigningClient::default().sign();
            change(&mut head);
            assert_eq!(verify(&head), Err((ErrorKind::SignatureMismatch, MISMATCH.to_owned())));
        }
    }

    #[test]
    fn another_secret_does_not_match() {
        let client = SigningClient { key: AccessKey::new("AKID", "Secret"), ..SigningClient::default() };
        assert_eq!(kind(verify(&client.sign())), ErrorKind::SignatureMismatch);
    }

    #[test]
    fn an_unknown_key_is_not_recognized() {
        let client = SigningClient { key: AccessKey::new("UNKNOWN", "secret"), ..SigningClient::default() };
        assert_eq!(kind(verify(&client.sign())), ErrorKind::UnrecognizedClient);
    }

    #[test]
    fn the_session_token_must_belong_to_the_key() {
        let plain = AccessKey::new("AKID", "secret");
        let temporary = plain.clone().with_session_token("token");
        let other = plain.clone().with_session_token("Token");
        for (client, server) in [(&plain, &plain), (&plain, &temporary), (&temporary, &temporary)] {
            for sent in [client, server, &other] {
                let head = SigningClient { key: sent.clone(), ..SigningClient::default() }.sign();
                let result = verify_with(std::slice::from_ref(server), None, &head, BODY);
                if sent == server {
                    assert_eq!(result, Ok(()));
                } else {
                    assert_eq!(kind(result), ErrorKind::UnrecognizedClient);
                }
            }
        }
    }

    #[test]
    fn an_expired_key_is_reported_as_expired() {
        let head = SigningClient::default().sign();
        let ends = |millis| AccessKey::new("AKID", "secret").with_expiry(system_time(millis));
        assert_eq!(verify_with(&[ends(NOW + 1)], None, &head, BODY), Ok(()));
        assert_eq!(kind(verify_with(&[ends(NOW)], None, &head, BODY)), ErrorKind::ExpiredToken);
    }

    #[test]
    fn the_scope_must_match_region_and_service() {
        let keys = [AccessKey::new("AKID", "secret")];
        let head = SigningClient::default().sign();
        assert_eq!(verify_with(&keys, Some("eu-west-1"), &head, BODY), Ok(()));
        let (kind, message) = verify_with(&keys, Some("us-east-1"), &head, BODY).unwrap_err();
        assert_eq!(kind, ErrorKind::SignatureMismatch);
        assert_eq!(message, "Credential should be scoped to a valid region, not 'eu-west-1'.");
        let (_, message) = verify(&SigningClient { service: "logs", ..SigningClient::default() }.sign()).unwrap_err();
        assert_eq!(message, "Credential should be scoped to correct service: 'monitoring'.");
    }

    #[test]
    fn the_day_in_the_scope_must_match_the_date() {
        let mut head = SigningClient::default().sign();
        let authorization = head.headers["authorization"].to_str().unwrap().replace("/20261120/", "/20261119/");
        set(&mut head, "authorization", &authorization);
        assert!(verify(&head).unwrap_err().1.starts_with("Date in Credential scope does not match"));
    }

    #[test]
    fn five_minutes_of_clock_skew_are_accepted() {
        let at = |millis| verify(&SigningClient { date: NOW + millis, ..SigningClient::default() }.sign());
        let max = MAX_CLOCK_SKEW_MILLIS;
        for skew in [max - 1_000, max, 1_000 - max, -max] {
            assert_eq!(at(skew), Ok(()), "{skew}");
        }
        assert_eq!(
            at(-max - 1_000).unwrap_err().1,
            "Signature expired: 20261120T102459Z is now earlier than 20261120T102500Z (20261120T103000Z - 5 min.)"
        );
        assert_eq!(
            at(max + 1_000).unwrap_err().1,
            "Signature not yet current: 20261120T103501Z is still later than 20261120T103500Z (20261120T103000Z + 5 min.)"
        );
    }

    #[test]
    fn missing_and_malformed_headers_have_different_errors() {
        let without = |name: &str| {
            let mut head = SigningClient::default().sign();
            head.headers.remove(name);
            verify(&head)
        };
        assert_eq!(kind(without("authorization")), ErrorKind::MissingAuthenticationToken);
        assert_eq!(kind(without("x-amz-date")), ErrorKind::IncompleteSignature);
        assert_eq!(kind(without("x-amz-target")), ErrorKind::SignatureMismatch);
        assert_eq!(kind(without("host")), ErrorKind::SignatureMismatch);
        let good = SigningClient::default().sign().headers["authorization"].to_str().unwrap().to_owned();
        for malformed in [
            good.replace("Signature=", "Sig="),
            good.replace("SignedHeaders=", "Headers="),
            good.replace("Credential=", "Cred="),
            good.replace("/monitoring", ""),
            good.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
            "Bearer x".to_owned(),
        ] {
            let mut head = SigningClient::default().sign();
            set(&mut head, "authorization", &malformed);
            assert_eq!(kind(verify(&head)), ErrorKind::IncompleteSignature, "{malformed}");
        }
    }

    #[test]
    fn host_and_x_amz_headers_must_be_signed() {
        let mut head = SigningClient::default().sign();
        set(&mut head, "x-amz-extra", "unsigned");
        assert!(verify(&head).unwrap_err().1.starts_with("'x-amz-extra' must be a 'SignedHeader'"));
        let mut head = SigningClient::default().sign();
        let authorization = head.headers["authorization"].to_str().unwrap().replace("host;", "");
        set(&mut head, "authorization", &authorization);
        assert!(verify(&head).unwrap_err().1.starts_with("'Host' or ':authority' must be a 'SignedHeader'"));
    }

    #[test]
    fn other_headers_can_be_unsigned() {
        let mut head = SigningClient::default().sign();
        set(&mut head, "x-envoy-attempt-count", "1");
        assert_eq!(verify(&head), Ok(()));
    }

    fn set(head: &mut Parts, name: &'static str, value: &str) {
        head.headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value).unwrap());
    }
}
