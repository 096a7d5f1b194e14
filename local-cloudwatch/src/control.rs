//! The HTTP interface for tests, under `/_local/`. It offers the methods of `LocalCloudWatch`.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;

use crate::access_key::AccessKey;
use crate::call::ApiCall;
use crate::fault::{DropPoint, Failure, Fault, WriteOperation};
use crate::issuer::CredentialCall;
use crate::otlp::total::OtlpSeriesTotal;
use crate::state::Shared;
use crate::total::SeriesTotal;

/// Returns the routes below `/_local`.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/health", get(async || "ok\n"))
        .route("/fail", post(fail))
        .route("/faults", delete(clear_faults))
        .route("/drop", post(drop_next))
        .route("/delay", post(delay))
        .route("/clock", post(shift_clock))
        .route("/keys", get(list_keys).post(add_key).put(set_keys))
        .route("/keys/{access_key_id}", delete(remove_key))
        .route("/credentials", get(credential_calls).post(configure_credentials))
        .route("/reset", post(reset))
        .route("/calls", get(calls))
        .route("/totals", get(totals))
        .route("/otlp/totals", get(otlp_totals))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailRequest {
    calls: usize,
    status: u16,
    /// Required unless `body` is given.
    #[serde(default)]
    code: Option<String>,
    message: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// Restricts the failure to calls with this namespace.
    namespace: Option<String>,
    /// Restricts the failure to calls of this operation.
    operation: Option<WriteOperation>,
    /// Body of a response from a server other than CloudWatch; it has no request ID.
    body: Option<String>,
}

async fn fail(State(shared): State<Arc<Shared>>, Json(request): Json<FailRequest>) -> StatusCode {
    let mut failure = match (request.body, request.code) {
        (Some(body), None) => Failure::foreign(request.status, body),
        (None, Some(code)) => Failure::new(request.status, code),
        _ => return StatusCode::UNPROCESSABLE_ENTITY,
    };
    if let Some(namespace) = request.namespace {
        failure = failure.for_namespace(namespace);
    }
    if let Some(operation) = request.operation {
        failure = failure.for_operation(operation);
    }
    if let Some(message) = request.message {
        failure = failure.with_message(message);
    }
    for (name, value) in request.headers {
        failure = failure.with_header(name, value);
    }
    shared.lock().faults.push(request.calls, Fault::Fail(failure));
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DropRequest {
    calls: usize,
    when: DropPoint,
    /// Restricts the fault to calls of this operation.
    operation: Option<WriteOperation>,
}

async fn drop_next(State(shared): State<Arc<Shared>>, Json(request): Json<DropRequest>) -> StatusCode {
    let fault = Fault::Drop { point: request.when, operation: request.operation };
    shared.lock().faults.push(request.calls, fault);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.lock().faults.clear();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DelayRequest {
    millis: u64,
}

async fn delay(State(shared): State<Arc<Shared>>, Json(request): Json<DelayRequest>) -> StatusCode {
    shared.lock().delay = Duration::from_millis(request.millis);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockRequest {
    shift_millis: i64,
}

async fn shift_clock(State(shared): State<Arc<Shared>>, Json(request): Json<ClockRequest>) -> StatusCode {
    shared.clock.shift(request.shift_millis);
    StatusCode::NO_CONTENT
}

/// An access key in a request. Deliberately without `Debug`, so that its secret cannot reach a log.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRequest {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    /// Seconds since the epoch.
    expires: Option<u64>,
}

impl From<KeyRequest> for AccessKey {
    fn from(request: KeyRequest) -> Self {
        let mut key = Self::new(request.access_key_id, request.secret_access_key);
        if let Some(token) = request.session_token {
            key = key.with_session_token(token);
        }
        match request.expires.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds))) {
            Some(expires) => key.with_expiry(expires),
            None => key,
        }
    }
}

async fn list_keys(State(shared): State<Arc<Shared>>) -> Json<Vec<String>> {
    Json(shared.lock().keys.iter().map(|key| key.access_key_id().to_owned()).collect())
}

async fn set_keys(State(shared): State<Arc<Shared>>, Json(requests): Json<Vec<KeyRequest>>) -> StatusCode {
    shared.lock().keys = requests.into_iter().map(AccessKey::from).collect();
    StatusCode::NO_CONTENT
}

async fn add_key(State(shared): State<Arc<Shared>>, Json(request): Json<KeyRequest>) -> StatusCode {
    let key = AccessKey::from(request);
    let keys = &mut shared.lock().keys;
    keys.retain(|existing| existing.access_key_id() != key.access_key_id());
    keys.push(key);
    StatusCode::NO_CONTENT
}

async fn remove_key(State(shared): State<Arc<Shared>>, Path(access_key_id): Path<String>) -> StatusCode {
    let keys = &mut shared.lock().keys;
    let before = keys.len();
    keys.retain(|key| key.access_key_id() != access_key_id);
    if keys.len() < before { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn credential_calls(State(shared): State<Arc<Shared>>) -> Json<Vec<CredentialCall>> {
    Json(shared.lock().issuer.calls().cloned().collect())
}

/// Settings of the credential endpoints. An absent field leaves its setting unchanged.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialsRequest {
    lifetime_millis: Option<u64>,
    identity_tokens: Option<Vec<String>>,
    #[serde(default)]
    fail_calls: usize,
    #[serde(default = "default_fail_status")]
    fail_status: u16,
}

fn default_fail_status() -> u16 {
    500
}

async fn configure_credentials(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<CredentialsRequest>,
) -> StatusCode {
    let issuer = &mut shared.lock().issuer;
    if let Some(millis) = request.lifetime_millis {
        issuer.lifetime = Duration::from_millis(millis);
    }
    if let Some(tokens) = request.identity_tokens {
        issuer.identity_tokens = tokens;
    }
    issuer.fail_next(request.fail_calls, request.fail_status);
    StatusCode::NO_CONTENT
}

async fn reset(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.reset();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct CallsQuery {
    /// Returns only calls with a higher number.
    #[serde(default)]
    after: u64,
}

async fn calls(State(shared): State<Arc<Shared>>, Query(query): Query<CallsQuery>) -> Json<Vec<ApiCall>> {
    Json(shared.lock().calls.iter().filter(|call| call.number > query.after).cloned().collect())
}

#[derive(Deserialize)]
struct TotalsQuery {
    namespace: Option<String>,
}

async fn totals(State(shared): State<Arc<Shared>>, Query(query): Query<TotalsQuery>) -> Json<Vec<SeriesTotal>> {
    let state = shared.lock();
    let matches = |namespace: &str| query.namespace.as_deref().is_none_or(|filter| filter == namespace);
    let series = state.store.iter().filter(|(id, _)| matches(&id.metric.namespace));
    Json(series.map(|(id, series)| SeriesTotal::new(id, series)).collect())
}

#[derive(Deserialize)]
struct OtlpTotalsQuery {
    metric: Option<String>,
}

async fn otlp_totals(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<OtlpTotalsQuery>,
) -> Json<Vec<OtlpSeriesTotal>> {
    let state = shared.lock();
    let matches = |metric: &str| query.metric.as_deref().is_none_or(|filter| filter == metric);
    let series = state.otlp.iter().filter(|(id, _)| matches(&id.metric));
    Json(series.map(|(id, series)| OtlpSeriesTotal::new(id, series)).collect())
}
