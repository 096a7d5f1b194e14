//! The endpoints beside a program in AWS: ECS's agent, EKS's Pod Identity agent and EC2's metadata service.

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
use crate::issuer::{Endpoint, Issued};
use crate::state::Shared;

/// The role of everyone who asks.
pub(crate) const ROLE: &str = "local-role";

/// The region of a server that accepts any.
const DEFAULT_REGION: &str = "us-east-1";

const ROLE_PATH: &str = "/latest/meta-data/iam/security-credentials/";

/// All routes, at the paths that they have in AWS.
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
    hand_out(&shared, Endpoint::Ecs, &[])
}

async fn pod_identity(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !shared.lock().issuer.knows_identity(token) {
        return refuse(&shared, Endpoint::PodIdentity, StatusCode::UNAUTHORIZED, "AccessDeniedException");
    }
    hand_out(&shared, Endpoint::PodIdentity, &[])
}

/// A request that came through a proxy, or names no length of the session, is refused.
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
        return refuse(&shared, Endpoint::Imds, StatusCode::UNAUTHORIZED, "Unauthorized");
    }
    if role != ROLE {
        return refuse(&shared, Endpoint::Imds, StatusCode::NOT_FOUND, "NotFound");
    }
    hand_out(&shared, Endpoint::Imds, &[("Code", "Success"), ("Type", "AWS-HMAC")])
}

async fn region(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if !has_session(&shared, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    shared.region.clone().unwrap_or_else(|| DEFAULT_REGION.to_owned()).into_response()
}

fn has_session(shared: &Shared, headers: &HeaderMap) -> bool {
    let token = headers.get("x-aws-ec2-metadata-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
    shared.lock().issuer.is_session(token, shared.clock.now())
}

/// A new set in the form that all three share, with `more` members, unless a failure was ordered.
fn hand_out(shared: &Shared, endpoint: Endpoint, more: &[(&str, &str)]) -> Response {
    let ordered = shared.lock().issuer.ordered();
    if let Some(status) = ordered {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return refuse(shared, endpoint, status, "Ordered");
    }
    let Issued { key, expires } = shared.issue(endpoint);
    let (role, expiration) = (format!("arn:aws:iam::123456789012:role/{ROLE}"), iso8601(expires));
    let set = [
        ("RoleArn", role.as_str()),
        ("AccessKeyId", key.access_key_id()),
        ("SecretAccessKey", key.secret_access_key()),
        ("Token", key.session_token().unwrap_or_default()),
        ("Expiration", &expiration),
    ];
    axum::Json(set.iter().chain(more).copied().collect::<BTreeMap<_, _>>()).into_response()
}

fn refuse(shared: &Shared, endpoint: Endpoint, status: StatusCode, code: &str) -> Response {
    shared.lock().issuer.remember(endpoint, status.as_u16(), "");
    (status, axum::Json(json!({ "code": code, "message": "refused" }))).into_response()
}

/// `2026-11-20T10:30:00.125Z`: AWS's form of an expiry, with the fraction that short lives need.
pub(crate) fn iso8601(time: SystemTime) -> String {
    let millis = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    date(i64::try_from(millis).unwrap_or(i64::MAX)).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
