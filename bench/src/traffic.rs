//! The requests with which the variants are compared.

/// One kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// The name in results and tables.
    pub(crate) name: &'static str,
    pub(crate) headers: Headers,
    pub(crate) protocol: Protocol,
    /// True if an upstream answers the request, and not Envoy itself.
    pub(crate) is_proxied: bool,
}

/// The headers of a request, in addition to the host and the load generator's `User-Agent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Headers {
    None,
    /// The 20 headers of [`BROWSER_HEADERS`].
    Browser,
    /// This number of short headers.
    Short(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// A request without headers of its own.
pub(crate) const HOST_ALONE: Traffic = direct("Host alone", Headers::None);
/// A browser's request, which is the main subject of comparisons.
pub(crate) const BROWSER: Traffic = direct("20 headers", Headers::Browser);
/// A browser's request over HTTP/2.
pub(crate) const HTTP2: Traffic = Traffic { name: "HTTP/2", protocol: Protocol::Http2, ..BROWSER };
/// A browser's request that Envoy forwards to an upstream.
pub(crate) const PROXIED: Traffic = Traffic { name: "proxied", is_proxied: true, ..BROWSER };

/// All kinds of requests.
pub(crate) const ALL: [Traffic; 4] = [HOST_ALONE, BROWSER, HTTP2, PROXIED];

/// Requests with different numbers of headers.
pub(crate) const HEADER_COUNTS: [Traffic; 4] = [
    direct("1", Headers::Short(1)),
    direct("8", Headers::Short(8)),
    direct("20", Headers::Short(20)),
    direct("40", Headers::Short(40)),
];

/// The headers that a browser sends to load a page, with values of the usual lengths: 1.2 kB in total.
pub(crate) const BROWSER_HEADERS: [(&str, &str); 20] = [
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    ),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("accept-language", "en-US,en;q=0.9,de;q=0.8"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("cookie", COOKIE),
    ("referer", "https://www.example.com/products/overview?category=garden&sort=price"),
    ("sec-ch-ua", "\"Chromium\";v=\"131\", \"Not_A Brand\";v=\"24\""),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", "\"Linux\""),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-user", "?1"),
    ("upgrade-insecure-requests", "1"),
    ("cache-control", "max-age=0"),
    ("dnt", "1"),
    ("priority", "u=0, i"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("x-forwarded-for", "203.0.113.7"),
    ("x-request-id", "0f1b6a2c-6a3d-4bb2-9f0a-2f4f3c1f0a11"),
];

const COOKIE: &str = "session=0123456789abcdef0123456789abcdef; _ga=GA1.1.1234567890.1234567890; theme=dark; \
    consent=AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOpQrStUvWxYz0123456789\
    AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOpQrStUvWxYz0123456789";

const fn direct(name: &'static str, headers: Headers) -> Traffic {
    Traffic { name, headers, protocol: Protocol::Http1, is_proxied: false }
}

impl Traffic {
    /// Returns the path of the requests.
    pub(crate) fn path(&self) -> &'static str {
        if self.is_proxied { "/proxied" } else { "/test" }
    }
}

impl Headers {
    /// Returns the names and values.
    pub(crate) fn lines(self) -> Vec<(String, String)> {
        match self {
            Self::None => Vec::new(),
            Self::Browser => {
                BROWSER_HEADERS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
            }
            Self::Short(count) => {
                (0..count).map(|number| (format!("x-header-{number}"), format!("value-{number}"))).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_sends_20_headers_of_about_1200_bytes() {
        let bytes: usize = BROWSER_HEADERS.iter().map(|(name, value)| name.len() + value.len() + ": \r\n".len()).sum();
        assert!((1_100..1_300).contains(&bytes), "{bytes}");
    }
}
