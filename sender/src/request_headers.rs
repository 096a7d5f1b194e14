//! Reads the request headers that the sender needs.

/// The point in a stream's life at which the sender reads request headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderPhase {
    /// The headers arrive. No route has rewritten them yet, so `x-envoy-original-…` headers come from the client and
    /// are ignored.
    Arrival,
    /// The stream ends. A route may have rewritten host and path. Envoy then keeps the client's values as
    /// `x-envoy-original-host` and `x-envoy-original-path`.
    End,
}

/// Lazy access to the headers of one request.
///
/// Reading only the required headers, with one host call each, is cheaper than reading all of them with one call,
/// because the SDK allocates twice for each header of a map. It also cannot panic on a header name that is not UTF-8.
#[derive(Debug)]
pub struct RequestHeaders<F> {
    read: F,
    phase: HeaderPhase,
}

impl<F: FnMut(&str) -> Option<Vec<u8>>> RequestHeaders<F> {
    /// Wraps a function that reads the header with a given lower-case name.
    pub fn new(read: F, phase: HeaderPhase) -> Self {
        Self { read, phase }
    }

    /// Returns the host and port that the client requested.
    pub fn authority(&mut self) -> Vec<u8> {
        self.original(":authority", "x-envoy-original-host")
    }

    /// Returns the method.
    pub fn method(&mut self) -> Vec<u8> {
        self.header(":method").unwrap_or_default()
    }

    /// Returns the path that the client requested, without query and fragment.
    pub fn path(&mut self) -> Vec<u8> {
        let mut path = self.original(":path", "x-envoy-original-path");
        if let Some(end) = path.iter().position(|byte| matches!(byte, b'?' | b'#')) {
            path.truncate(end);
        }
        path
    }

    /// Returns whether the request has a gRPC content type.
    pub fn is_grpc(&mut self) -> bool {
        let content_type = self.header("content-type");
        let rest = content_type.as_deref().and_then(|content_type| content_type.strip_prefix(b"application/grpc"));
        matches!(rest, Some([] | [b'+' | b';', ..]))
    }

    /// Returns the value of the first header with a lower-case name.
    pub fn header(&mut self, name: &str) -> Option<Vec<u8>> {
        (self.read)(name)
    }

    fn original(&mut self, name: &str, original_name: &str) -> Vec<u8> {
        let original = match self.phase {
            HeaderPhase::Arrival => None,
            HeaderPhase::End => self.header(original_name),
        };
        original.or_else(|| self.header(name)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)], phase: HeaderPhase) -> RequestHeaders<impl FnMut(&str) -> Option<Vec<u8>>> {
        let read = move |name: &str| {
            let (_, value) = headers.iter().find(|(known, _)| *known == name)?;
            Some(value.as_bytes().to_vec())
        };
        RequestHeaders::new(read, phase)
    }

    #[test]
    fn host_method_and_path_are_read() {
        let headers = [(":method", "GET"), ("accept", "*/*"), (":path", "/a?b=/c#d"), (":authority", "example.com")];
        let mut request = request(&headers, HeaderPhase::End);
        assert_eq!(request.authority(), b"example.com");
        assert_eq!(request.method(), b"GET");
        assert_eq!(request.path(), b"/a");
    }

    #[test]
    fn original_headers_take_precedence_only_at_the_end_of_a_stream() {
        let headers = [
            (":path", "/rewritten"),
            (":authority", "upstream"),
            ("x-envoy-original-path", "/requested?q"),
            ("x-envoy-original-host", "example.com"),
        ];
        let mut ended = request(&headers, HeaderPhase::End);
        assert_eq!((ended.path(), ended.authority()), (b"/requested".to_vec(), b"example.com".to_vec()));
        // On arrival, such headers can only come from the client.
        let mut arriving = request(&headers, HeaderPhase::Arrival);
        assert_eq!((arriving.path(), arriving.authority()), (b"/rewritten".to_vec(), b"upstream".to_vec()));
    }

    #[test]
    fn missing_headers_read_as_empty() {
        let mut empty = request(&[], HeaderPhase::End);
        assert_eq!((empty.authority(), empty.method(), empty.path()), (Vec::new(), Vec::new(), Vec::new()));
        assert_eq!(request(&[(":path", "?")], HeaderPhase::End).path(), b"");
    }

    #[test]
    fn grpc_is_recognised_by_its_content_type() {
        for (content_type, is_grpc) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=x", true),
            ("application/grpc-web", false),
            ("application/json", false),
            ("", false),
        ] {
            let headers = [("content-type", content_type)];
            assert_eq!(request(&headers, HeaderPhase::End).is_grpc(), is_grpc, "{content_type}");
        }
        assert!(!request(&[], HeaderPhase::End).is_grpc());
    }

    #[test]
    fn each_value_costs_one_read_on_arrival() {
        let mut names = Vec::new();
        let mut request = RequestHeaders::new(
            |name: &str| {
                names.push(name.to_owned());
                None
            },
            HeaderPhase::Arrival,
        );
        request.authority();
        request.path();
        request.method();
        assert_eq!(names, [":authority", ":path", ":method"]);
    }
}
