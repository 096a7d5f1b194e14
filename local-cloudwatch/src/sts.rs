//! STS: AssumeRole, signed, and AssumeRoleWithWebIdentity, in the Query protocol beside CloudWatch's own operations.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use quick_xml::escape::escape;

use crate::error::ApiError;
use crate::issuer::{Endpoint, Issued};
use crate::metadata::iso8601;
use crate::protocol::Protocol;
use crate::signature::{Service, Verifier};
use crate::state::Shared;

const API_VERSION: &str = "2011-06-15";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const XML_NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// A call of STS.
#[derive(Debug)]
pub(crate) struct Call {
    endpoint: Endpoint,
    form: Vec<(String, String)>,
}

/// Why a call is refused.
struct Refusal {
    status: StatusCode,
    code: String,
    message: String,
}

impl Call {
    /// The call in a form, if it is one of STS.
    pub(crate) fn of(body: &[u8]) -> Option<Self> {
        let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        let value = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let endpoint = match value("Action")? {
            "AssumeRole" => Endpoint::AssumeRole,
            "AssumeRoleWithWebIdentity" => Endpoint::AssumeRoleWithWebIdentity,
            _ => return None,
        };
        (value("Version") == Some(API_VERSION)).then_some(Self { endpoint, form })
    }

    /// Carries it out.
    pub(crate) fn answer(&self, shared: &Shared, head: &Parts, body: &[u8], request_id: &str) -> Response<Body> {
        let outcome = self.check(shared, head, body).map(|()| shared.issue(self.endpoint));
        let (status, xml) = match outcome {
            Ok(issued) => (StatusCode::OK, self.result(&issued, request_id)),
            Err(Refusal { status, code, message }) => {
                shared.lock().issuer.remember(self.endpoint, status.as_u16(), "");
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
        self.form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// As with CloudWatch, an ordered failure comes after the signature, so that it hides no badly signed call.
    fn check(&self, shared: &Shared, head: &Parts, body: &[u8]) -> Result<(), Refusal> {
        if self.endpoint == Endpoint::AssumeRole {
            let keys = shared.lock().keys.clone();
            let now_millis = shared.clock.now_millis();
            let verifier =
                Verifier { keys: &keys, region: shared.region.as_deref(), service: Service::Sts, now_millis };
            verifier.verify(head, body)?;
        }
        for name in ["RoleArn", "RoleSessionName"] {
            if self.value(name).is_none_or(str::is_empty) {
                return Err(Refusal::new(
                    StatusCode::BAD_REQUEST,
                    "ValidationError",
                    format!("{name} must not be null."),
                ));
            }
        }
        let token = self.value("WebIdentityToken").unwrap_or_default();
        let mut state = shared.lock();
        if self.endpoint == Endpoint::AssumeRoleWithWebIdentity && !state.issuer.knows_identity(token) {
            // The worst that a server could do: it repeats the token.
            let message = format!("The ID Token provided is not a valid JWT: {token}");
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidIdentityToken", message));
        }
        match state.issuer.ordered() {
            Some(status) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Err(Refusal::new(status, "Ordered", "This failure was ordered.".to_owned()))
            }
            None => Ok(()),
        }
    }

    fn result(&self, Issued { key, expires }: &Issued, request_id: &str) -> String {
        let operation = match self.endpoint {
            Endpoint::AssumeRoleWithWebIdentity => "AssumeRoleWithWebIdentity",
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

impl Refusal {
    fn new(status: StatusCode, code: &str, message: String) -> Self {
        Self { status, code: code.to_owned(), message }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let message = error.message().to_owned();
        Self::new(error.status(Protocol::Query), error.query_code(), message)
    }
}
