//! A request as it arrived.

/// The headers that the gateway reads of every request.
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

/// An SDK signs about ten headers. A stranger's list must not cost a host call for each of thousands of names.
const MAX_SIGNED_HEADERS: usize = 64;

/// The head of a request. Bytes that are not UTF-8 are nowhere taken as text.
#[derive(Clone, Debug, Default)]
pub struct Request {
    method: String,
    authority: String,
    path: String,
    query: String,
    headers: Vec<(Box<str>, Vec<u8>)>,
}

impl Request {
    /// Reads a request: `read` returns the first value of a lower-case header name.
    ///
    /// Reads the headers that the gateway uses, and those that a signature covers. Others are not kept, so
    /// [`header`](Self::header) does not find them.
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

    /// Returns the names of headers that the request's signature covers, at most [`MAX_SIGNED_HEADERS`] of them.
    fn signed_names(&self) -> Vec<Box<str>> {
        let authorization = self.text("authorization").unwrap_or_default();
        let names = authorization.split_once("SignedHeaders=").map_or("", |(_, rest)| rest);
        let names = names.split(',').next().unwrap_or_default().trim().split(';');
        let is_name = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        names.filter(is_name).filter(|name| !name.is_empty()).take(MAX_SIGNED_HEADERS).map(Box::from).collect()
    }

    /// In upper case.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The host that was asked for, with its port where one was given.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Without the query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What follows `?`.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.headers.iter().find(|(known, _)| **known == *name)?;
        Some(value)
    }

    /// The first header of this name as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.header(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut parameters = form_urlencoded::parse(self.query.as_bytes());
        parameters.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    /// What the body is, without parameters and in lower case; none where the request does not say.
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
    fn pseudo_headers_headers_and_the_query_are_separated() {
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
    fn headers_are_read_if_the_gateway_or_a_signature_names_them() {
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
    fn a_long_list_of_signed_headers_costs_a_bounded_number_of_reads() {
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
