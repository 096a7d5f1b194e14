//! What the sender reads of a request's headers.

use crate::sender::Moment;

/// The headers of a request that say what it asked for, as they came from a stranger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    authority: Option<&'a [u8]>,
    method: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
    original_host: Option<&'a [u8]>,
    original_path: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// Picks them out of all headers.
    ///
    /// When they arrive nothing is rewritten yet, and what a client itself sends under the names of Envoy's own headers
    /// is not heeded. At the end of the stream, where a route has rewritten host or path, Envoy has kept what the client
    /// asked for under other names.
    pub fn new(headers: impl Iterator<Item = (&'a [u8], &'a [u8])>, moment: Moment) -> Self {
        let mut request = Self::default();
        for (name, value) in headers {
            // Most headers are others.
            if !matches!(name.first(), Some(b':' | b'c' | b'x')) {
                continue;
            }
            let field = match (name, moment) {
                (b":authority", _) => &mut request.authority,
                (b":method", _) => &mut request.method,
                (b":path", _) => &mut request.path,
                (b"content-type", _) => &mut request.content_type,
                (b"x-envoy-original-host", Moment::End) => &mut request.original_host,
                (b"x-envoy-original-path", Moment::End) => &mut request.original_path,
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

    /// Whether it is a gRPC request, by its content type.
    pub fn is_grpc(&self) -> bool {
        let rest = self.content_type.and_then(|content_type| content_type.strip_prefix(b"application/grpc"));
        matches!(rest, Some([] | [b'+' | b';', ..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request<'a>(headers: &'a [(&'a str, &'a str)]) -> Request<'a> {
        Request::new(headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())), Moment::End)
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
        let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let received = Request::new(headers, Moment::Arrival);
        assert_eq!(received.path(), b"/rewritten");
        assert_eq!(received.authority(), b"upstream");
    }

    #[test]
    fn a_request_without_headers_is_read_as_empty() {
        assert_eq!(request(&[]), Request::default());
        assert_eq!(request(&[]).path(), b"");
        assert_eq!(request(&[(":path", "?")]).path(), b"");
    }

    #[test]
    fn grpc_is_told_by_the_content_type() {
        for (content_type, is_grpc) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=x", true),
            ("application/grpc-web", false),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(request(&[("content-type", content_type)]).is_grpc(), is_grpc, "{content_type}");
        }
        assert!(!request(&[]).is_grpc());
    }
}
