//! The credential endpoints on a host in AWS: the ECS agent, the EKS Pod Identity agent and the EC2 metadata service.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use serde_json::json;

use crate::clock::date;
use crate::issuer::{CredentialEndpoint, TemporaryCredentials};
use crate::state::Shared;

/// The name of the only role.
pub(crate) const ROLE: &str = "local-role";

/// The region that the metadata service returns if the server accepts every region.
const DEFAULT_REGION: &str = "us-east-1";

const ROLE_PATH: &str = "/latest/meta-data/iam/security-credentials/";

/// Returns the routes, at the same paths as in AWS.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v2/credentials/{id}", get(ecs))
        .route("/v1/credentials", get(pod_identity))
        .route("/latest/api/token", put(open_session))
        .route(ROLE_PATH, get(role))
        .route("/latest/meta-data/iam/security-credentials/{role}", get(role_credentials))
        .route("/latest/meta-data/placement/region", get(region))
}

async fn ecs(State(shared): State<Arc<Shared>>) -> Response {
    issue_credentials(&shared, CredentialEndpoint::Ecs, &[])
}

async fn pod_identity(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !shared.lock().issuer.accepts_identity_token(token) {
        return reject(&shared, CredentialEndpoint::PodIdentity, StatusCode::UNAUTHORIZED, "AccessDeniedException");
    }
    issue_credentials(&shared, CredentialEndpoint::PodIdentity, &[])
}

/// Starts a session. Rejects requests that came through a proxy or do not specify a valid session length.
async fn open_session(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let length =
        headers.get("x-aws-ec2-metadata-token-ttl-seconds").and_then(|value| value.to_str().ok()?.parse().ok());
    match length {
        _ if headers.contains_key("x-forwarded-for") => StatusCode::FORBIDDEN.into_response(),
        Some(seconds @ 1..=21_600) => {
            let now = shared.clock.now();
            shared.lock().issuer.open_session(now, Duration::from_secs(seconds)).into_response()
        }
        _ => StatusCode::BAD_REQUEST.into_response(),
    }
}

async fn role(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if has_session(&shared, &headers) { ROLE.into_response() } else { StatusCode::UNAUTHORIZED.into_response() }
}

async fn role_credentials(State(shared): State<Arc<Shared>>, Path(role): Path<String>, headers: HeaderMap) -> Response {
    if !has_session(&shared, &headers) {
        return reject(&shared, CredentialEndpoint::Imds, StatusCode::UNAUTHORIZED, "Unauthorized");
    }
    if role != ROLE {
        return reject(&shared, CredentialEndpoint::Imds, StatusCode::NOT_FOUND, "NotFound");
    }
    issue_credentials(&shared, CredentialEndpoint::Imds, &[("Code", "Success"), ("Type", "AWS-HMAC")])
}

async fn region(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if !has_session(&shared, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    shared.region.clone().unwrap_or_else(|| DEFAULT_REGION.to_owned()).into_response()
}

fn has_session(shared: &Shared, headers: &HeaderMap) -> bool {
    let token = headers.get("x-aws-ec2-metadata-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
    shared.lock().issuer.has_session(token, shared.clock.now())
}

/// Issues a set as JSON, in the format that all three endpoints share, with the `additional` members. Fails if a test
/// injected a failure.
fn issue_credentials(shared: &Shared, endpoint: CredentialEndpoint, additional: &[(&str, &str)]) -> Response {
    let failure = shared.lock().issuer.take_failure();
    if let Some(status) = failure {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return reject(shared, endpoint, status, "InjectedFailure");
    }
    let TemporaryCredentials { key, expires } = shared.issue(endpoint);
    let (role, expiration) = (format!("arn:aws:iam::123456789012:role/{ROLE}"), iso8601(expires));
    let set = [
        ("RoleArn", role.as_str()),
        ("AccessKeyId", key.access_key_id()),
        ("SecretAccessKey", key.secret_access_key()),
        ("Token", key.session_token().unwrap_or_default()),
        ("Expiration", &expiration),
    ];
    axum::Json(set.iter().chain(additional).copied().collect::<BTreeMap<_, _>>()).into_response()
}

fn reject(shared: &Shared, endpoint: CredentialEndpoint, status: StatusCode, code: &str) -> Response {
    shared.lock().issuer.record(endpoint, status.as_u16(), "");
    (status, axum::Json(json!({ "code": code, "message": "The request was rejected." }))).into_response()
}

/// Formats an expiry as AWS does, but with milliseconds, which short lifetimes need: `2026-11-20T10:30:00.125Z`.
pub(crate) fn iso8601(time: SystemTime) -> String {
    let millis = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    date(i64::try_from(millis).unwrap_or(i64::MAX)).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
