//! The status page, a single document without external resources.

use std::borrow::Cow;

use crate::answer::Answer;

const DOCUMENT: &str = concat!(
    include_str!("page/head.html"),
    "<style>",
    include_str!("page/page.css"),
    "</style>",
    include_str!("page/body.html"),
    "<script>",
    include_str!("page/page.js"),
    "</script></body></html>\n"
);

/// Blocks external resources and framing. The page's icon is a data URL.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Returns the status page.
pub fn page() -> Answer {
    Answer::new(200, "text/html; charset=utf-8", Cow::Borrowed(DOCUMENT.as_bytes()))
        .header("content-security-policy", POLICY)
        .header("cache-control", "no-store")
}
