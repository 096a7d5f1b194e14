//! The paths of Prometheus' HTTP API: queries, labels and series, as GET and as a POST form.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, header};
use axum::response::Response;
use axum::routing::get;
use promql_parser::label::Matcher;
use serde_json::{Value, json};

use super::instant::{LOOKBACK_MILLIS, MAX_STEPS, evaluate_instant, evaluate_range};
use super::labels::canonical;
use super::parameters::{QueryParameters, invalid};
use super::plan::{Plan, parse_matchers};
use super::query_error::{QueryError, QueryErrorKind};
use super::response::{data, respond};
use super::selection::{SelectedSeries, select};
use crate::quota::MAX_REQUEST_BYTES;
use crate::signature::{Service, SignatureVerifier};
use crate::state::Shared;
use crate::{api, body};

/// Returns the routes. They are not nested, because that would hide the path that is signed.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/v1/query", get(query).post(query))
        .route("/api/v1/query_range", get(query_range).post(query_range))
        .route("/api/v1/labels", get(labels).post(labels))
        .route("/api/v1/label/{name}/values", get(label_values))
        .route("/api/v1/series", get(series).post(series))
}

async fn query(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    answer(&shared, request, |parameters| {
        let time = parameters.time("time")?.unwrap_or_else(|| shared.clock.now_millis());
        let lookback = parameters.duration("lookback_delta")?.unwrap_or(LOOKBACK_MILLIS);
        let text = parameters.required("query")?;
        let state = shared.lock();
        let result = evaluate_instant(&Plan::new(text, &state.otlp)?, time, lookback)?;
        Ok(data(&result, time))
    })
    .await
}

async fn query_range(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    answer(&shared, request, |parameters| {
        let time = |name| parameters.time(name)?.ok_or_else(|| invalid(name, "is missing"));
        let (start, end) = (time("start")?, time("end")?);
        let step = parameters.duration("step")?.ok_or_else(|| invalid("step", "is missing"))?;
        let lookback = parameters.duration("lookback_delta")?.unwrap_or(LOOKBACK_MILLIS);
        if end < start {
            return Err(invalid("end", "must not be before the start"));
        }
        if end.saturating_sub(start) / step >= MAX_STEPS {
            let message = format!(
                "exceeded maximum resolution of {MAX_STEPS} points per timeseries. Try decreasing the query resolution \
                 (?step=XX)"
            );
            return Err(QueryError::bad_data(message));
        }
        let text = parameters.required("query")?;
        let state = shared.lock();
        let result = evaluate_range(&Plan::new(text, &state.otlp)?, start, end, step, lookback)?;
        Ok(data(&result, end))
    })
    .await
}

async fn labels(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    answer(&shared, request, |parameters| {
        let state = shared.lock();
        let mut names = BTreeSet::new();
        for series in matching(&state.otlp, parameters)? {
            names.extend(series.labels.into_keys());
        }
        Ok(json!(names))
    })
    .await
}

async fn label_values(State(shared): State<Arc<Shared>>, Path(name): Path<String>, request: Request) -> Response {
    answer(&shared, request, |parameters| {
        let state = shared.lock();
        let name = unescape(&name);
        let mut values = BTreeSet::new();
        for mut series in matching(&state.otlp, parameters)? {
            values.extend(series.labels.remove(canonical(&name)));
        }
        Ok(json!(values))
    })
    .await
}

async fn series(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    answer(&shared, request, |parameters| {
        if parameters.all("match[]").next().is_none() {
            return Err(QueryError::bad_data("no match[] parameter provided"));
        }
        let state = shared.lock();
        let found: BTreeSet<_> = matching(&state.otlp, parameters)?.into_iter().map(|series| series.labels).collect();
        Ok(json!(found))
    })
    .await
}

/// Returns the series that any `match[]` matches, all without one, and that have data between `start` and `end`.
fn matching<'a>(
    store: &'a crate::otlp::store::OtlpStore,
    parameters: &QueryParameters,
) -> Result<Vec<SelectedSeries<'a>>, QueryError> {
    let mut selectors: Vec<Vec<Matcher>> = parameters.all("match[]").map(parse_matchers).collect::<Result<_, _>>()?;
    if selectors.is_empty() {
        selectors.push(Vec::new());
    }
    let (start, end) = (parameters.time("start")?, parameters.time("end")?);
    let mut found: Vec<_> = selectors.iter().flat_map(|matchers| select(store, matchers)).collect();
    if start.is_some() || end.is_some() {
        let (start, end) = (start.unwrap_or(i64::MIN), end.unwrap_or(i64::MAX));
        found.retain(|series| series.has_points(start, end));
    }
    Ok(found)
}

/// Reads the parameters of a request, checks its signature if it has one, and builds the response.
async fn answer(
    shared: &Shared,
    request: Request,
    execute: impl FnOnce(&QueryParameters) -> Result<Value, QueryError>,
) -> Response {
    let (mut head, request_body) = request.into_parts();
    api::set_host(&mut head);
    let outcome = match received_form(&head, request_body).await {
        Ok(form) => {
            check_signature(shared, &head, &form).and_then(|()| execute(&QueryParameters::new(head.uri.query(), &form)))
        }
        Err(error) => Err(error),
    };
    respond(outcome)
}

async fn received_form(head: &Parts, request_body: Body) -> Result<Vec<u8>, QueryError> {
    let received = body::receive(request_body, MAX_REQUEST_BYTES).await;
    let form = received.filter(|form| form.len() <= MAX_REQUEST_BYTES).ok_or_else(|| {
        QueryError::bad_data(format!("the request body must not be longer than {MAX_REQUEST_BYTES} bytes"))
    })?;
    let media = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_form = media.split(';').next().unwrap_or_default().trim() == "application/x-www-form-urlencoded";
    if head.method == Method::POST && !form.is_empty() && !is_form {
        return Err(QueryError::bad_data("the content-type must be application/x-www-form-urlencoded"));
    }
    Ok(form)
}

/// Checks the signature. Requests without one are accepted, because Prometheus' clients and the page do not sign.
fn check_signature(shared: &Shared, head: &Parts, body: &[u8]) -> Result<(), QueryError> {
    if !head.headers.contains_key(header::AUTHORIZATION) {
        return Ok(());
    }
    let keys = shared.lock().keys.clone();
    let (region, now_millis) = (shared.region.as_deref(), shared.clock.now_millis());
    let verifier = SignatureVerifier { keys: &keys, region, service: Service::CloudWatch, now_millis };
    verifier.verify(head, body).map_err(|error| {
        let message = format!("{}: {}", error.shape(), error.message());
        QueryError { kind: QueryErrorKind::Unauthorized, message }
    })
}

/// Decodes a label name that Prometheus' clients have escaped for a path: `U__`, and `_HEX_` for a character that
/// is not a letter, digit or underscore. Returns other names as they are.
fn unescape(name: &str) -> String {
    let Some(escaped) = name.strip_prefix("U__") else { return name.to_owned() };
    let mut decoded = String::new();
    let mut rest = escaped;
    while let Some((plain, after)) = rest.split_once('_') {
        decoded.push_str(plain);
        if let Some(after) = after.strip_prefix('_') {
            decoded.push('_');
            rest = after;
            continue;
        }
        let character = after.split_once('_').and_then(|(hex, after)| {
            let code = u32::from_str_radix(hex, 16).ok()?;
            Some((char::from_u32(code)?, after))
        });
        let Some((character, after)) = character else { return name.to_owned() };
        decoded.push(character);
        rest = after;
    }
    decoded.push_str(rest);
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_decoded() {
        assert_eq!(unescape("U__http_2e_route"), "http.route");
        assert_eq!(unescape("U___40_resource_2e_service_2e_name"), "@resource.service.name");
        assert_eq!(unescape("U__a__b"), "a_b");
        assert_eq!(
            (unescape("a.b"), unescape("U__a_zz_b"), unescape("U__a_2e")),
            ("a.b".into(), "U__a_zz_b".into(), "U__a_2e".into())
        );
    }
}
