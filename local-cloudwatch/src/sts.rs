//! AssumeRole (signed) and AssumeRoleWithWebIdentity of STS, which share the Query protocol's path with CloudWatch.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use quick_xml::escape::escape;

use crate::credential_endpoint::iso8601;
use crate::error::ApiError;
use crate::issuer::{CredentialEndpoint, TemporaryCredentials};
use crate::protocol::ApiProtocol;
use crate::signature::{Service, SignatureVerifier};
use crate::state::Shared;

const API_VERSION: &str = "2011-06-15";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const XML_NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// A call to STS.
#[derive(Debug)]
pub(crate) struct StsCall {
    endpoint: CredentialEndpoint,
    form: Vec<(String, String)>,
}

/// The error response to a call.
struct StsError {
    status: StatusCode,
    code: String,
    message: String,
}

impl StsCall {
    /// Parses a form. Returns `None` if it is not a call to STS.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        let value = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let endpoint = match value("Action")? {
            "AssumeRole" => CredentialEndpoint::AssumeRole,
            "AssumeRoleWithWebIdentity" => CredentialEndpoint::AssumeRoleWithWebIdentity,
            _ => return None,
        };
        (value("Version") == Some(API_VERSION)).then_some(Self { endpoint, form })
    }

    /// Executes the call and returns the response.
    pub(crate) fn respond(&self, shared: &Shared, head: &Parts, body: &[u8], request_id: &str) -> Response<Body> {
        let outcome = self.check(shared, head, body).map(|()| shared.issue(self.endpoint));
        let (status, xml) = match outcome {
            Ok(issued) => (StatusCode::OK, self.result(&issued, request_id)),
            Err(StsError { status, code, message }) => {
                shared.lock().issuer.record(self.endpoint, status.as_u16(), "");
                let error = format!(
                    "<Error><Type>Sender</Type><Code>{code}</Code><Message>{}</Message></Error>",
                    escape(message)
                );
                let request_id = format!("<RequestId>{request_id}</RequestId>");
                (status, format!("<ErrorResponse xmlns=\"{XML_NAMESPACE}\">{error}{request_id}</ErrorResponse>"))
            }
        };
        let mut response = Response::new(Body::from(xml));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
        headers.extend(HeaderValue::try_from(request_id).map(|id| (REQUEST_ID, id)).ok());
        response
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Validates the call. As with CloudWatch, injected failures apply after the signature check, so that they never
    /// hide a badly signed call.
    fn check(&self, shared: &Shared, head: &Parts, body: &[u8]) -> Result<(), StsError> {
        if self.endpoint == CredentialEndpoint::AssumeRole {
            let keys = shared.lock().keys.clone();
            let now_millis = shared.clock.now_millis();
            let verifier =
                SignatureVerifier { keys: &keys, region: shared.region.as_deref(), service: Service::Sts, now_millis };
            verifier.verify(head, body)?;
        }
        for name in ["RoleArn", "RoleSessionName"] {
            if self.value(name).is_none_or(str::is_empty) {
                return Err(StsError::new(
                    StatusCode::BAD_REQUEST,
                    "ValidationError",
                    format!("{name} must not be null."),
                ));
            }
        }
        let token = self.value("WebIdentityToken").unwrap_or_default();
        let mut state = shared.lock();
        if self.endpoint == CredentialEndpoint::AssumeRoleWithWebIdentity && !state.issuer.accepts_identity_token(token)
        {
            // The worst case for a client that logs errors: the message contains the token.
            let message = format!("The ID Token provided is not a valid JWT: {token}");
            return Err(StsError::new(StatusCode::BAD_REQUEST, "InvalidIdentityToken", message));
        }
        match state.issuer.take_failure() {
            Some(status) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Err(StsError::new(status, "InjectedFailure", "A test injected this failure.".to_owned()))
            }
            None => Ok(()),
        }
    }

    fn result(&self, TemporaryCredentials { key, expires }: &TemporaryCredentials, request_id: &str) -> String {
        let operation = match self.endpoint {
            CredentialEndpoint::AssumeRoleWithWebIdentity => "AssumeRoleWithWebIdentity",
            _ => "AssumeRole",
        };
        let credentials = format!(
            "<AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken>\
             <Expiration>{}</Expiration>",
            key.access_key_id(),
            key.secret_access_key(),
            key.session_token().unwrap_or_default(),
            iso8601(*expires),
        );
        let arn = escape(self.value("RoleArn").unwrap_or_default());
        let user =
            format!("<AssumedRoleUser><Arn>{arn}</Arn><AssumedRoleId>AROALOCAL</AssumedRoleId></AssumedRoleUser>");
        let result = format!("<{operation}Result><Credentials>{credentials}</Credentials>{user}</{operation}Result>");
        let metadata = format!("<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>");
        format!("<{operation}Response xmlns=\"{XML_NAMESPACE}\">{result}{metadata}</{operation}Response>")
    }
}

impl StsError {
    fn new(status: StatusCode, code: &str, message: String) -> Self {
        Self { status, code: code.to_owned(), message }
    }
}

impl From<ApiError> for StsError {
    fn from(error: ApiError) -> Self {
        let message = error.message().to_owned();
        Self::new(error.status(ApiProtocol::Query), error.query_code(), message)
    }
}
