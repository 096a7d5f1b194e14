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

const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// The folder of the chart library. It contains the version, so that browsers may keep the files.
const LIBRARY: &str = "/uplot-1.6.32";

/// The time for which browsers may keep a file.
#[derive(Debug, Clone, Copy)]
enum Caching {
    /// The file can differ in the next build of the program.
    None,
    /// The file's path contains its version.
    Forever,
}

impl Caching {
    fn header(self) -> &'static str {
        match self {
            Self::None => "no-store",
            Self::Forever => "public, max-age=31536000, immutable",
        }
    }
}

/// Returns the routes below `/_local`.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/page.css", get(async || file(CSS, Caching::None, include_str!("page/page.css"))))
        .route("/page.js", get(async || file(SCRIPT, Caching::None, include_str!("page/page.js"))))
        .route("/labels.js", get(async || file(SCRIPT, Caching::None, include_str!("page/labels.js"))))
        .route("/otlp.js", get(async || file(SCRIPT, Caching::None, include_str!("page/otlp.js"))))
        .route("/chart.js", get(async || file(SCRIPT, Caching::None, include_str!("page/chart.js"))))
        .nest(LIBRARY, uplot())
        .route("/overview", get(overview))
}

/// Returns the routes of the chart library, with the licence that must accompany it.
fn uplot() -> Router<Arc<Shared>> {
    let forever = |media, text| get(async move || file(media, Caching::Forever, text));
    Router::new()
        .route("/uPlot.iife.min.js", forever(SCRIPT, include_str!("page/uplot/uPlot.iife.min.js")))
        .route("/uPlot.min.css", forever(CSS, include_str!("page/uplot/uPlot.min.css")))
        .route("/LICENSE", forever(TEXT, include_str!("page/uplot/LICENSE")))
}

pub(crate) async fn html() -> impl IntoResponse {
    file(HTML, Caching::None, include_str!("page/index.html"))
}

async fn overview(State(shared): State<Arc<Shared>>, Query(selection): Query<Selection>) -> Json<Overview> {
    Json(Overview::new(&shared, &selection))
}

fn file(media: &'static str, caching: Caching, text: &'static str) -> impl IntoResponse + use<> {
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::CACHE_CONTROL, caching.header()),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers.map(|(name, value): (HeaderName, _)| (name, HeaderValue::from_static(value))), text)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    const README: &str = include_str!("page/uplot/README.md");

    #[test]
    fn the_chart_library_is_the_one_of_the_package() {
        for (name, text) in [
            ("uPlot.iife.min.js", include_str!("page/uplot/uPlot.iife.min.js")),
            ("uPlot.min.css", include_str!("page/uplot/uPlot.min.css")),
            ("LICENSE", include_str!("page/uplot/LICENSE")),
        ] {
            let row = README.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).unwrap();
            let digest: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(row.ends_with(&format!("| `{digest}` |")), "{name} has the digest {digest}, unlike in the README");
        }
    }

    #[test]
    fn the_paths_of_the_chart_library_contain_its_version() {
        let version = super::LIBRARY.strip_prefix("/uplot-").unwrap();
        assert!(
            include_str!("page/uplot/uPlot.iife.min.js")
                .starts_with(&format!("/*! https://github.com/leeoniya/uPlot (v{version}) */"))
        );
        assert!(README.contains(&format!("version {version}.")) && README.contains(&format!("uplot-{version}.tgz")));
        let page = include_str!("page/index.html");
        assert_eq!(page.matches("uplot-").count(), page.matches(&format!("/_local{}/", super::LIBRARY)).count());
        assert!(page.contains(&format!("uPlot {version},")));
    }
}
