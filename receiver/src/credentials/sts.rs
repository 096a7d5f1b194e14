//! Calls AWS's Security Token Service in the Query protocol and reads its XML responses.

use std::time::Duration;

use acpw_config::Secret;
use acpw_sigv4::Credentials;
use percent_encoding::utf8_percent_encode;

use super::{
    Call, CredentialSet, Response,
    document::printable_code,
    expiration::Expiration,
    step::{ProviderFailure, ProviderStep, RetryPolicy},
};
use crate::{
    endpoint::Region,
    percent::RESERVED,
    xml::{element, unescaped},
};

const CONTENT_TYPE: &str = "application/x-www-form-urlencoded";
const TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum number of characters of an error message in the log.
const MESSAGE_LIMIT: usize = 300;

/// The cluster and the host of STS.
#[derive(Clone, Debug)]
pub(crate) struct Sts {
    pub(crate) cluster: String,
    /// The host, if it is not the region's default.
    pub(crate) host: Option<String>,
}

impl Sts {
    /// Returns the host for a region.
    pub(crate) fn host(&self, region: &Region) -> String {
        self.host.clone().unwrap_or_else(|| region.sts_host())
    }

    /// Returns an unsigned call of an operation.
    pub(crate) fn call(&self, region: &Region, operation: &str, parameters: &[(&str, &str)]) -> Call {
        let mut body = format!("Action={operation}&Version=2011-06-15");
        for (name, value) in parameters {
            body.extend(["&", name, "="]);
            body.extend(utf8_percent_encode(value, RESERVED));
        }
        let headers = [
            (":method", "POST"),
            (":path", "/"),
            (":authority", &self.host(region)),
            (":scheme", "https"),
            ("content-type", CONTENT_TYPE),
        ];
        Call {
            cluster: self.cluster.clone(),
            headers: headers.map(|(name, value)| (name, value.to_owned())).to_vec(),
            custom_headers: Vec::new(),
            body: body.into_bytes(),
            timeout: TIMEOUT,
            signed_at: None,
        }
    }

    /// Reads the set in a response. `sent` is the secret in the body of the call, if there was one. A message that
    /// contains it is not shown.
    pub(crate) fn read(&self, answer: &Response, sent: Option<&Secret>) -> ProviderStep {
        let (status, body) = match answer {
            Response::Complete { status, body, .. } => (*status, String::from_utf8_lossy(body)),
            Response::Missing(reason) => return ProviderStep::soon(self.error(reason)),
        };
        if status == 200 {
            return match set(&body) {
                Ok(set) => ProviderStep::Ready(set),
                Err(reason) => ProviderStep::soon(self.error(&reason)),
            };
        }
        let code = printable_code(element(&body, "Code").unwrap_or_default());
        let message = unescaped(element(&body, "Message").unwrap_or_default());
        // If a signature is refused, AWS repeats the canonical string, which contains the session token.
        let message = message.split("The Canonical String").next().unwrap_or_default().trim();
        let shown = if sent.is_some_and(|sent| message.contains(sent.expose())) { "" } else { message };
        let shown: String = shown.chars().take(MESSAGE_LIMIT).collect();
        let retry = match code.strip_suffix("Exception").unwrap_or(&code) {
            // A retry, a corrected clock or a new token may succeed.
            "IDPCommunicationError"
            | "InvalidIdentityToken"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "Throttling"
            | "RequestLimitExceeded"
            | "SignatureDoesNotMatch"
            | "RequestExpired"
            | "InvalidClientTokenId" => RetryPolicy::Soon,
            _ if status == 429 || status >= 500 => RetryPolicy::Soon,
            _ => RetryPolicy::Later,
        };
        ProviderStep::Failed(ProviderFailure { reason: self.error(&format!("{status} {code} {shown}")), retry })
    }

    fn error(&self, reason: &str) -> String {
        format!("STS through cluster \"{}\": {reason}", self.cluster)
    }
}

/// Reads the set in a successful response.
fn set(xml: &str) -> Result<CredentialSet, String> {
    let inner = element(xml, "Credentials").ok_or("the response has no Credentials")?;
    let text = |name: &str| element(inner, name).map(unescaped).ok_or_else(|| format!("the response has no {name}"));
    let (id, secret, token) = (text("AccessKeyId")?, text("SecretAccessKey")?, text("SessionToken")?);
    let credentials = Credentials::new(&id, &secret, Some(&token)).map_err(|error| error.to_string())?;
    let expiration = element(inner, "Expiration").map_or(Expiration::Absent, Expiration::of_text);
    Ok(CredentialSet::expiring(credentials, expiration))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sts() -> Sts {
        Sts { cluster: "sts".to_owned(), host: None }
    }

    fn read(status: u16, body: &str) -> ProviderStep {
        sts().read(
            &Response::Complete { status, body: body.as_bytes().to_vec(), date: None },
            Some(&Secret::new("sent-secret")),
        )
    }

    fn failure(status: u16, code: &str, message: &str) -> ProviderFailure {
        let error = format!("<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>");
        let body = format!("<ErrorResponse xmlns=\"x\"><Error>{error}</Error><RequestId>i</RequestId></ErrorResponse>");
        match read(status, &body) {
            ProviderStep::Failed(failure) => failure,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_call_is_a_form() {
        let call =
            sts().call(&Region::new("cn-north-1").unwrap(), "AssumeRole", &[("RoleArn", "arn:aws:iam::1:role/r")]);
        let expected = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr";
        assert_eq!(call.body, expected.as_bytes());
        assert!(call.headers.contains(&(":authority", "sts.cn-north-1.amazonaws.com.cn".to_owned())));
    }

    #[test]
    fn temporary_errors_are_retried_soon_and_others_later() {
        let cases = [
            (400, "IDPCommunicationError", RetryPolicy::Soon),
            (400, "InvalidIdentityToken", RetryPolicy::Soon),
            (400, "ExpiredTokenException", RetryPolicy::Soon),
            (403, "SignatureDoesNotMatch", RetryPolicy::Soon),
            (500, "InternalFailure", RetryPolicy::Soon),
            (503, "", RetryPolicy::Soon),
            (429, "", RetryPolicy::Soon),
            (400, "Throttling", RetryPolicy::Soon),
            (403, "AccessDenied", RetryPolicy::Later),
            (403, "IDPRejectedClaim", RetryPolicy::Later),
            (400, "MalformedPolicyDocument", RetryPolicy::Later),
            (400, "ValidationError", RetryPolicy::Later),
        ];
        for (status, code, retry) in cases {
            assert_eq!(failure(status, code, "m").retry, retry, "{code}");
        }
    }

    #[test]
    fn messages_are_shown_without_secrets() {
        let reason =
            failure(403, "AccessDenied", "User: &quot;a&quot; is not authorized to perform: sts:AssumeRole").reason;
        let expected = "403 AccessDenied User: \"a\" is not authorized to perform: sts:AssumeRole";
        assert!(reason.ends_with(expected), "{reason}");
        assert!(!failure(400, "InvalidIdentityToken", "bad: sent-secret").reason.contains("sent-secret"));
        let mismatch = "No match. The Canonical String for this request should have been 'x-amz-security-token:TOKEN'";
        assert!(!failure(403, "SignatureDoesNotMatch", mismatch).reason.contains("TOKEN"));
        assert!(failure(400, "X", &"m".repeat(10_000)).reason.len() < 400);
    }

    #[test]
    fn missing_elements_are_named() {
        for (body, missing) in [
            ("", "the response has no Credentials"),
            ("<Credentials><AccessKeyId>AKID</AccessKeyId></Credentials>", "the response has no SecretAccessKey"),
            ("<Credentials><AccessKeyId>AKID", "the response has no Credentials"),
        ] {
            let ProviderStep::Failed(failure) = read(200, body) else { panic!("{body}") };
            assert!(failure.reason.ends_with(missing), "{}", failure.reason);
        }
    }

    proptest! {
        #[test]
        fn no_message_shows_the_sent_secret(status in 0u16..1_000, text in "[ -~]{0,200}") {
            let error = format!("<Error><Code>{text}</Code><Message>{text} sent-secret</Message></Error>");
            for body in [&text, &error] {
                if let ProviderStep::Failed(failure) = read(status, body) {
                    prop_assert!(!failure.reason.contains("sent-secret"), "{}", failure.reason);
                }
            }
        }

        #[test]
        fn parameters_survive_form_encoding(value in "\\PC{0,40}") {
            let call = sts().call(&Region::new("us-east-1").unwrap(), "A", &[("V", &value)]);
            let read: Vec<(String, String)> = form_urlencoded::parse(&call.body).into_owned().collect();
            prop_assert_eq!(&read[2], &("V".to_owned(), value));
        }
    }
}
