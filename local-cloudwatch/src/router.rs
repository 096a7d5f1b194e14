//! Which path leads where.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Response, header};
use axum::routing::{get, post};
use axum::{Router, middleware};

use crate::state::Shared;
use crate::{api, clock, control, metadata, page};

/// All of the server: the API and the page share `/`, credentials are handed out at AWS's own paths, everything of the
/// server's own is under `/_local/`.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(page::html).post(api::handle))
        .route("/service/{service}/operation/{operation}", post(api::handle))
        .merge(metadata::router())
        .nest("/_local", control::router().merge(page::router()))
        .layer(middleware::map_response_with_state(Arc::clone(&shared), date))
        .with_state(shared)
}

/// Every answer has the `Date` of the server's clock, from which clients learn their skew.
async fn date(State(shared): State<Arc<Shared>>, mut response: Response<Body>) -> Response<Body> {
    if let Ok(date) = HeaderValue::try_from(clock::http_date(shared.clock.now_millis())) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}
