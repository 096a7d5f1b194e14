//! The controls of tests over HTTP: what the library's handle does, under `/_local/`.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;

use crate::call::{Call, SeriesTotal};
use crate::issuer::CredentialCall;
use crate::key::Key;
use crate::rule::{Action, Failure, When};
use crate::state::Shared;

/// Routes below `/_local`.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/health", get(async || "ok\n"))
        .route("/fail", post(fail))
        .route("/drop", post(drop_next))
        .route("/delay", post(delay))
        .route("/clock", post(shift_clock))
        .route("/keys", get(list_keys).post(add_key).put(set_keys))
        .route("/keys/{access_key_id}", delete(remove_key))
        .route("/credentials", get(credential_calls).post(order_credentials))
        .route("/reset", post(reset))
        .route("/calls", get(calls))
        .route("/totals", get(totals))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailOrder {
    calls: usize,
    status: u16,
    /// Not needed beside a body.
    #[serde(default)]
    code: Option<String>,
    message: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// Only for calls of this namespace.
    namespace: Option<String>,
    /// Another server's whole answer, without a request ID.
    body: Option<String>,
}

async fn fail(State(shared): State<Arc<Shared>>, Json(order): Json<FailOrder>) -> StatusCode {
    let mut failure = match (order.body, order.code) {
        (Some(body), None) => Failure::foreign(order.status, body),
        (None, Some(code)) => Failure::new(order.status, code),
        _ => return StatusCode::UNPROCESSABLE_ENTITY,
    };
    if let Some(namespace) = order.namespace {
        failure = failure.of_namespace(namespace);
    }
    if let Some(message) = order.message {
        failure = failure.with_message(message);
    }
    for (name, value) in order.headers {
        failure = failure.with_header(name, value);
    }
    shared.lock().rules.push(order.calls, Action::Fail(failure));
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DropOrder {
    calls: usize,
    when: When,
}

async fn drop_next(State(shared): State<Arc<Shared>>, Json(order): Json<DropOrder>) -> StatusCode {
    shared.lock().rules.push(order.calls, Action::Drop(order.when));
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DelayOrder {
    millis: u64,
}

async fn delay(State(shared): State<Arc<Shared>>, Json(order): Json<DelayOrder>) -> StatusCode {
    shared.lock().delay = Duration::from_millis(order.millis);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockOrder {
    shift_millis: i64,
}

async fn shift_clock(State(shared): State<Arc<Shared>>, Json(order): Json<ClockOrder>) -> StatusCode {
    shared.clock.shift(order.shift_millis);
    StatusCode::NO_CONTENT
}

/// A key pair as it is sent here. It has no `Debug`, so no secret reaches a log.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyOrder {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    /// Seconds since the epoch.
    expires: Option<u64>,
}

impl From<KeyOrder> for Key {
    fn from(order: KeyOrder) -> Self {
        let mut key = Self::new(order.access_key_id, order.secret_access_key);
        if let Some(token) = order.session_token {
            key = key.with_session_token(token);
        }
        match order.expires.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds))) {
            Some(expires) => key.with_expiry(expires),
            None => key,
        }
    }
}

async fn list_keys(State(shared): State<Arc<Shared>>) -> Json<Vec<String>> {
    Json(shared.lock().keys.iter().map(|key| key.access_key_id().to_owned()).collect())
}

async fn set_keys(State(shared): State<Arc<Shared>>, Json(orders): Json<Vec<KeyOrder>>) -> StatusCode {
    shared.lock().keys = orders.into_iter().map(Key::from).collect();
    StatusCode::NO_CONTENT
}

async fn add_key(State(shared): State<Arc<Shared>>, Json(order): Json<KeyOrder>) -> StatusCode {
    let key = Key::from(order);
    let keys = &mut shared.lock().keys;
    keys.retain(|known| known.access_key_id() != key.access_key_id());
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

/// What is not named stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialsOrder {
    lifetime_millis: Option<u64>,
    identity_tokens: Option<Vec<String>>,
    #[serde(default)]
    fail_calls: usize,
    #[serde(default = "server_error")]
    fail_status: u16,
}

fn server_error() -> u16 {
    500
}

async fn order_credentials(State(shared): State<Arc<Shared>>, Json(order): Json<CredentialsOrder>) -> StatusCode {
    let issuer = &mut shared.lock().issuer;
    if let Some(millis) = order.lifetime_millis {
        issuer.lifetime = Duration::from_millis(millis);
    }
    if let Some(tokens) = order.identity_tokens {
        issuer.identity_tokens = tokens;
    }
    issuer.fail_next(order.fail_calls, order.fail_status);
    StatusCode::NO_CONTENT
}

async fn reset(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.reset();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct CallsQuery {
    /// Only calls with a higher number.
    #[serde(default)]
    after: u64,
}

async fn calls(State(shared): State<Arc<Shared>>, Query(query): Query<CallsQuery>) -> Json<Vec<Call>> {
    Json(shared.lock().calls.iter().filter(|call| call.number > query.after).cloned().collect())
}

#[derive(Deserialize)]
struct TotalsQuery {
    namespace: Option<String>,
}

async fn totals(State(shared): State<Arc<Shared>>, Query(query): Query<TotalsQuery>) -> Json<Vec<SeriesTotal>> {
    let state = shared.lock();
    let wanted = |namespace: &str| query.namespace.as_deref().is_none_or(|wanted| wanted == namespace);
    let series = state.store.iter().filter(|(id, _)| wanted(&id.metric.namespace));
    Json(series.map(|(id, series)| SeriesTotal::of(id, series)).collect())
}
