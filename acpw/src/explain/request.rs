//! The request that is explained.

use std::collections::BTreeMap;

use sender::{SenderConfig, dimension::DimensionSource, stream_info::StreamAttribute};

/// A method and a URL, such as `GET https://example.com/users/7`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The method.
    pub(super) method: String,
    /// `http` or `https`
    pub(super) scheme: String,
    /// The host, optionally with a port.
    pub(super) authority: String,
    /// The path with its query.
    pub(super) path: String,
}

impl Target {
    /// Parses a method and a URL. The method may be left out for GET.
    ///
    /// # Errors
    /// Returns a message if there is no `http://` or `https://`, or no host.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (method, url) = text.trim().split_once(' ').unwrap_or(("GET", text.trim()));
        let parts = url.trim().split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
        let (scheme, rest) = parts.ok_or("must be a method and a URL, such as 'GET https://example.com/users/7'")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.is_empty() || method.is_empty() {
            return Err("has no host; write one such as https://example.com/".to_owned());
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            method: method.to_owned(),
            scheme: scheme.to_owned(),
            authority: authority.to_owned(),
            path: format!("{slash}{path}"),
        })
    }
}

/// A request and its answer.
#[derive(Debug, clap::Args)]
pub(super) struct RequestArguments {
    /// The method and the URL of the request
    #[arg(long, value_name = "REQUEST", default_value = "GET https://example.com/users/7", value_parser = Target::parse)]
    request: Target,
    /// A request header; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The status of the answer; 0 if the client left before it
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(0..=999))]
    status: u16,
    /// A response header; may be repeated
    #[arg(long = "response-header", value_name = "NAME: VALUE", value_parser = header)]
    response_headers: Vec<(String, String)>,
    /// The time from the first byte of the request to the end of the answer
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 12.0, value_parser = quantity)]
    duration_ms: f64,
    /// The time that the upstream took to begin its answer
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 10.0, value_parser = quantity)]
    upstream_ms: f64,
    /// The size of the request with its headers
    #[arg(long, value_name = "BYTES", default_value_t = 300)]
    request_bytes: u32,
    /// The size of the body of the request
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    request_body_bytes: u32,
    /// The size of the body of the answer
    #[arg(long, value_name = "BYTES", default_value_t = 1200)]
    response_bytes: u32,
    /// The number of attempts to reach the upstream; 0 if it was not asked
    #[arg(long, default_value_t = 1)]
    attempts: u32,
    /// The status of a gRPC call
    #[arg(long, value_name = "STATUS", default_value_t = 0)]
    grpc_status: u32,
    /// An attribute of Envoy, such as xds.route_name=main; may be repeated
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = crate::deployment::pair)]
    attributes: Vec<(String, String)>,
}

/// The size of the headers of an answer, in bytes.
const RESPONSE_HEADERS: u32 = 150;

/// Nanoseconds in a millisecond.
const NANOSECONDS: f64 = 1e6;

impl RequestArguments {
    /// Describes the request and its answer in one line.
    pub(super) fn summary(&self) -> String {
        let Target { method, scheme, authority, path } = &self.request;
        let status = match self.status {
            0 => "no status".to_owned(),
            status => status.to_string(),
        };
        format!("{method} {scheme}://{authority}{path} with {status} after {} ms", self.duration_ms)
    }

    /// Returns the duration in milliseconds.
    pub(super) fn duration_ms(&self) -> f64 {
        self.duration_ms
    }

    /// Returns a request header, also those of HTTP/2 that begin with a colon.
    pub(super) fn header(&self, name: &str) -> Option<Vec<u8>> {
        let Target { method, scheme, authority, path } = &self.request;
        let own = match name {
            ":method" => Some(method),
            ":scheme" => Some(scheme),
            ":authority" => Some(authority),
            ":path" => Some(path),
            _ => self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value),
        };
        own.map(|value| value.clone().into_bytes())
    }

    /// Returns the attributes that Envoy has for the request, by path with NUL between its parts.
    pub(super) fn attributes(&self, config: &SenderConfig) -> BTreeMap<String, Vec<u8>> {
        let Target { method, scheme, authority, path } = &self.request;
        let mut attributes = BTreeMap::new();
        let is_answered = self.status != 0;
        let has_upstream = self.attempts > 0 && is_answered;
        let response_size = self.response_bytes.saturating_add(RESPONSE_HEADERS);
        for (attribute, value, is_known) in [
            (StreamAttribute::Code, i64::from(self.status), is_answered),
            (StreamAttribute::Duration, nanoseconds(self.duration_ms), true),
            (StreamAttribute::BackendLatency, nanoseconds(self.upstream_ms), has_upstream),
            (StreamAttribute::Flags, 0, true),
            (StreamAttribute::Attempts, i64::from(self.attempts), self.attempts > 0),
            (StreamAttribute::RequestSize, i64::from(self.request_bytes), true),
            (StreamAttribute::ResponseSize, i64::from(if is_answered { response_size } else { 0 }), true),
            (StreamAttribute::RequestBodySize, i64::from(self.request_body_bytes), true),
            (StreamAttribute::ResponseBodySize, i64::from(if is_answered { self.response_bytes } else { 0 }), true),
            (StreamAttribute::GrpcStatus, i64::from(self.grpc_status), true),
        ] {
            if is_known {
                attributes.insert(attribute.path().to_owned(), value.to_le_bytes().to_vec());
            }
        }
        let url_path = path.split(['?', '#']).next().unwrap_or_default();
        for (name, value) in [
            ("method", method.as_str()),
            ("scheme", scheme),
            ("host", authority),
            ("path", path),
            ("url_path", url_path),
            ("protocol", "HTTP/1.1"),
        ] {
            attributes.insert(format!("request\0{name}"), value.as_bytes().to_vec());
        }
        for (side, headers) in [("request", &self.headers), ("response", &self.response_headers)] {
            for (name, value) in headers {
                attributes.insert(format!("{side}\0headers\0{name}"), value.as_bytes().to_vec());
            }
        }
        for (name, value) in &self.attributes {
            let path = name.replace('.', "\0");
            let integer = value.parse::<i64>().ok().filter(|_| is_integer(&path, config));
            let bytes = integer.map_or_else(|| value.as_bytes().to_vec(), |number| number.to_le_bytes().to_vec());
            attributes.insert(path, bytes);
        }
        attributes
    }
}

/// Returns true if Envoy encodes an attribute as an integer.
fn is_integer(path: &str, config: &SenderConfig) -> bool {
    let is_metric = StreamAttribute::ALL.iter().any(|attribute| attribute.path() == path);
    let is_own = |source: &DimensionSource| matches!(source, DimensionSource::Attribute(own) if **own == *path);
    let mut sources = config.dimensions.iter().map(|dimension| &dimension.source);
    is_metric || sources.any(|source| is_own(source) && source.is_integer())
}

fn nanoseconds(milliseconds: f64) -> i64 {
    // The conversion saturates, and arguments are far below the bounds.
    (milliseconds * NANOSECONDS).round() as i64
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').filter(|(name, _)| !name.is_empty()).ok_or("must be 'name: value'")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

fn quantity(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0 && *number <= 1e9);
    number.ok_or_else(|| "must be a number from 0 to 1000000000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_method_and_a_url() {
        let target = Target::parse("POST http://example.com:8080/a/b?c=d").unwrap();
        assert_eq!((target.method.as_str(), target.scheme.as_str()), ("POST", "http"));
        assert_eq!((target.authority.as_str(), target.path.as_str()), ("example.com:8080", "/a/b?c=d"));
        let short = Target::parse("https://example.com?x").unwrap();
        assert_eq!((short.method.as_str(), short.path.as_str()), ("GET", "/?x"));
        for text in ["", "GET", "GET /path", "GET ftp://example.com/", "GET https:///path"] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
