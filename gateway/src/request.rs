//! The headers of a request.

/// The headers that the gateway reads in every request.
const HEADERS: [&str; 12] = [
    "access-control-request-method",
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "origin",
    "smithy-protocol",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-target",
    "x-amzn-query-mode",
];

/// The maximum number of signed headers. AWS SDKs sign about ten; a limit bounds the host calls that a hostile list
/// causes.
const MAX_SIGNED_HEADERS: usize = 64;

/// The method, authority, path, query and headers of a request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    method: String,
    authority: String,
    path: String,
    query: String,
    headers: Vec<(Box<str>, Vec<u8>)>,
}

impl Request {
    /// Reads a request. `read` returns the first value of a lower-case header name.
    ///
    /// Reads only the headers that the gateway uses and those that a signature covers. [`header`](Self::header) does
    /// not find any others.
    pub fn new(mut read: impl FnMut(&str) -> Option<Vec<u8>>) -> Self {
        let mut text = |name: &str| read(name).map(|value| String::from_utf8_lossy(&value).into_owned());
        let (method, authority) = (text(":method").unwrap_or_default(), text(":authority").unwrap_or_default());
        let target = text(":path").unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let mut request = Self {
            method,
            authority,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: HEADERS.iter().filter_map(|name| Some(((*name).into(), read(name)?))).collect(),
        };
        for name in request.signed_names() {
            if request.header(&name).is_none()
                && let Some(value) = read(&name)
            {
                request.headers.push((name, value));
            }
        }
        request
    }

    /// Returns the names of the headers that the request's signature covers, at most [`MAX_SIGNED_HEADERS`].
    fn signed_names(&self) -> Vec<Box<str>> {
        let authorization = self.text("authorization").unwrap_or_default();
        let names = authorization.split_once("SignedHeaders=").map_or("", |(_, rest)| rest);
        let names = names.split(',').next().unwrap_or_default().trim().split(';');
        let is_name = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        names.filter(is_name).filter(|name| !name.is_empty()).take(MAX_SIGNED_HEADERS).map(Box::from).collect()
    }

    /// Returns the method, in upper case.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Returns the host, with the port if the client sent one.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the path without the query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the query, without `?`.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// Returns the first header of this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.headers.iter().find(|(known, _)| **known == *name)?;
        Some(value)
    }

    /// Returns the first header of this name as text, or `None` if it is not UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.header(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Returns a parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut parameters = form_urlencoded::parse(self.query.as_bytes());
        parameters.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    /// Returns the media type of the body in lower case, without parameters.
    pub fn media_type(&self) -> Option<String> {
        let value = self.text("content-type")?;
        let media = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        (!media.is_empty()).then_some(media)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &[u8])]) -> Request {
        Request::new(|name| {
            let (_, value) = headers.iter().find(|(known, _)| *known == name)?;
            Some(value.to_vec())
        })
    }

    #[test]
    fn method_path_query_and_headers_are_read() {
        let request = request(&[
            (":method", b"POST"),
            (":path", b"/flush?timeout_millisecond=5&x=%20"),
            (":authority", b"localhost:3000"),
            ("content-type", b"Application/JSON; charset=utf-8"),
            ("origin", b"\xff"),
        ]);
        assert_eq!((request.method(), request.path(), request.authority()), ("POST", "/flush", "localhost:3000"));
        assert_eq!(request.parameter("timeout_millisecond").as_deref(), Some("5"));
        assert_eq!(request.parameter("x").as_deref(), Some(" "));
        assert_eq!(request.media_type().as_deref(), Some("application/json"));
        assert_eq!((request.header("origin"), request.text("origin")), (Some(b"\xff".as_slice()), None));
    }

    #[test]
    fn only_known_and_signed_headers_are_read() {
        let headers = "x-own;x-amz-date;not a name;x-own;host";
        let authorization = format!("AWS4-HMAC-SHA256 Credential=a, SignedHeaders={headers}, Signature=b");
        let request = request(&[
            ("authorization", authorization.as_bytes()),
            ("x-own", b"1"),
            ("x-amz-date", b"2"),
            ("x-other", b"3"),
        ]);
        assert_eq!((request.text("x-own"), request.text("x-amz-date")), (Some("1"), Some("2")));
        assert_eq!(request.text("x-other"), None);
    }

    #[test]
    fn a_long_list_of_signed_headers_causes_a_bounded_number_of_reads() {
        let names: Vec<String> = (0..10_000).map(|n| format!("x-{n}")).collect();
        let authorization = format!("AWS4-HMAC-SHA256 SignedHeaders={}", names.join(";"));
        let mut reads = 0;
        Request::new(|name| {
            reads += 1;
            (name == "authorization").then(|| authorization.clone().into_bytes())
        });
        assert_eq!(reads, 3 + HEADERS.len() + MAX_SIGNED_HEADERS);
    }
}
