//! The routes of the server.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Response, header};
use axum::routing::{get, post};
use axum::{Router, middleware};

use crate::otlp::export;
use crate::state::Shared;
use crate::{api, clock, control, credential_endpoint, page, promql};

/// Returns all routes. The API and the page share `/`, credential endpoints have the same paths as in AWS, and the
/// controls are under `/_local/`.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(page::html).post(api::handle))
        .route("/service/{service}/operation/{operation}", post(api::handle))
        .route("/v1/metrics", post(export::handle))
        .merge(promql::http::router())
        .merge(credential_endpoint::router())
        .nest("/_local", control::router().merge(page::router()))
        .layer(middleware::map_response_with_state(Arc::clone(&shared), add_date))
        .with_state(shared)
}

/// Adds the `Date` of the server's clock to every response. Clients use it to correct their clock.
async fn add_date(State(shared): State<Arc<Shared>>, mut response: Response<Body>) -> Response<Body> {
    if let Ok(add_date) = HeaderValue::try_from(clock::http_date(shared.clock.now_millis())) {
        response.headers_mut().insert(header::DATE, add_date);
    }
    response
}
