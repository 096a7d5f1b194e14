//! A request as it arrived.

/// The head of a request. Bytes that are not UTF-8 are nowhere taken as text.
#[derive(Clone, Debug, Default)]
pub struct Request {
    method: String,
    authority: String,
    path: String,
    query: String,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Request {
    /// A request of Envoy's pairs: names in lower case, the pseudo-headers among them.
    pub fn new<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut request = Self::default();
        for (name, value) in pairs {
            match name {
                b":method" => request.method = text(value),
                b":authority" => request.authority = text(value),
                b":path" => {
                    let (path, query) = match value.iter().position(|byte| *byte == b'?') {
                        Some(at) => (value.get(..at), value.get(at.saturating_add(1)..)),
                        None => (Some(value), None),
                    };
                    request.path = text(path.unwrap_or_default());
                    request.query = text(query.unwrap_or_default());
                }
                name if name.starts_with(b":") => {}
                name => request.headers.push((name.to_vec(), value.to_vec())),
            }
        }
        request
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
        let (_, value) = self.headers.iter().find(|(known, _)| known == name.as_bytes())?;
        Some(value)
    }

    /// All headers of this name, in their order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.headers.iter().filter(move |(known, _)| known == name.as_bytes());
        named.map(|(_, value)| value.as_slice())
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

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudo_headers_headers_and_the_query_are_told_apart() {
        let pairs: [(&[u8], &[u8]); 7] = [
            (b":method", b"POST"),
            (b":path", b"/flush?timeout_millisecond=5&x=%20"),
            (b":authority", b"localhost:3000"),
            (b":scheme", b"http"),
            (b"content-type", b"Application/JSON; charset=utf-8"),
            (b"x", b"\xff"),
            (b"x", b"2"),
        ];
        let request = Request::new(pairs.into_iter());
        assert_eq!((request.method(), request.path(), request.authority()), ("POST", "/flush", "localhost:3000"));
        assert_eq!(request.parameter("timeout_millisecond").as_deref(), Some("5"));
        assert_eq!(request.parameter("x").as_deref(), Some(" "));
        assert_eq!(request.media_type().as_deref(), Some("application/json"));
        assert_eq!((request.header("x"), request.text("x")), (Some(b"\xff".as_slice()), None));
        assert_eq!(request.all("x").count(), 2);
    }
}
