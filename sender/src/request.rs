//! What the sender reads of a request's headers.

/// The headers of a request that say what it asked for, as they came from a stranger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    authority: Option<&'a [u8]>,
    method: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
    original_host: Option<&'a [u8]>,
    original_path: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// Picks them out of all headers as a filter sees them when they arrive: nothing is rewritten yet, and what a client
    /// itself sends under the names of Envoy's own headers is not heeded.
    pub fn received(headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        Self { original_host: None, original_path: None, ..Self::finished(headers) }
    }

    /// Picks them out of all headers as an access logger sees them at the end: where a route has rewritten host or path,
    /// Envoy has kept what the client asked for under other names.
    pub fn finished(headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut request = Self::default();
        for (name, value) in headers {
            let field = match name {
                b":authority" => &mut request.authority,
                b":method" => &mut request.method,
                b":path" => &mut request.path,
                b"x-envoy-original-host" => &mut request.original_host,
                b"x-envoy-original-path" => &mut request.original_path,
                _ => continue,
            };
            *field = Some(value);
        }
        request
    }

    /// The host and port that the client asked for.
    pub fn authority(&self) -> &'a [u8] {
        self.original_host.or(self.authority).unwrap_or_default()
    }

    /// The method.
    pub fn method(&self) -> &'a [u8] {
        self.method.unwrap_or_default()
    }

    /// The path that the client asked for, without query string and fragment.
    pub fn path(&self) -> &'a [u8] {
        let path = self.original_path.or(self.path).unwrap_or_default();
        path.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request<'a>(headers: &'a [(&'a str, &'a str)]) -> Request<'a> {
        Request::finished(headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
    }

    #[test]
    fn headers_are_found_wherever_they_are() {
        let headers = [(":method", "GET"), ("accept", "*/*"), (":path", "/a?b=/c#d"), (":authority", "example.com")];
        let request = request(&headers);
        assert_eq!(request.authority(), b"example.com");
        assert_eq!(request.method(), b"GET");
        assert_eq!(request.path(), b"/a");
    }

    #[test]
    fn what_the_client_asked_for_counts_and_not_what_a_route_made_of_it() {
        let headers = [
            (":path", "/rewritten"),
            (":authority", "upstream"),
            ("x-envoy-original-path", "/asked?q"),
            ("x-envoy-original-host", "example.com"),
        ];
        assert_eq!(request(&headers).path(), b"/asked");
        assert_eq!(request(&headers).authority(), b"example.com");
        // When it arrives, the same headers can only be a client's own.
        let received = Request::received(headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        assert_eq!(received.path(), b"/rewritten");
        assert_eq!(received.authority(), b"upstream");
    }

    #[test]
    fn a_request_without_headers_is_read_as_empty() {
        assert_eq!(request(&[]), Request::default());
        assert_eq!(request(&[]).path(), b"");
        assert_eq!(request(&[(":path", "?")]).path(), b"");
    }
}
