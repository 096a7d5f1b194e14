//! The web page at `/`: its files and its data as JSON.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};

use crate::overview::{Overview, Selection};
use crate::state::Shared;

/// Only the page's own scripts run, whatever text a client sends in a datum.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Returns the routes below `/_local`.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/page.css", get(async || file("text/css; charset=utf-8", include_str!("page/page.css"))))
        .route("/page.js", get(async || file("text/javascript; charset=utf-8", include_str!("page/page.js"))))
        .route("/chart.js", get(async || file("text/javascript; charset=utf-8", include_str!("page/chart.js"))))
        .route("/overview", get(overview))
}

pub(crate) async fn html() -> impl IntoResponse {
    file("text/html; charset=utf-8", include_str!("page/index.html"))
}

async fn overview(State(shared): State<Arc<Shared>>, Query(selection): Query<Selection>) -> Json<Overview> {
    Json(Overview::new(&shared, &selection))
}

fn file(media: &'static str, text: &'static str) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers.map(|(name, value): (HeaderName, _)| (name, HeaderValue::from_static(value))), text)
}
