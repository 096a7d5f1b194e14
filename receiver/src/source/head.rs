//! The headers of a source's response.

/// The response headers that determine how to read the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// `content-type`, in lower case.
    pub content_type: String,
    /// `content-encoding`, in lower case.
    pub content_encoding: String,
    /// `location`.
    pub location: String,
    /// `content-length`.
    pub content_length: Option<usize>,
    /// True if `transfer-encoding` is chunked, in which case the last chunk marks the end of the body.
    pub is_chunked: bool,
}

impl Head {
    /// Reads the headers of a response. `header` returns the value of a lower-case name.
    pub fn new(header: impl Fn(&str) -> Option<Vec<u8>>) -> Self {
        let text = |name: &str| {
            let value = header(name).and_then(|value| String::from_utf8(value).ok());
            value.map(|value| value.trim().to_owned()).unwrap_or_default()
        };
        Self {
            content_type: text("content-type").to_ascii_lowercase(),
            content_encoding: text("content-encoding").to_ascii_lowercase(),
            location: text("location"),
            content_length: text("content-length").parse().ok(),
            is_chunked: text("transfer-encoding").to_ascii_lowercase().ends_with("chunked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_normalized() {
        let headers: [(&[u8], &[u8]); 7] = [
            (b":status", b"200"),
            (b"content-type", b"Text/Plain; version=0.0.4"),
            (b"content-encoding", b" GZIP "),
            (b"location", b"/Metrics"),
            (b"content-length", b"12"),
            (b"transfer-encoding", b"gzip, Chunked"),
            (b"x", b"\xff"),
        ];
        let expected = Head {
            content_type: "text/plain; version=0.0.4".to_owned(),
            content_encoding: "gzip".to_owned(),
            location: "/Metrics".to_owned(),
            content_length: Some(12),
            is_chunked: true,
        };
        let header = |name: &str| {
            let (_, value) = headers.iter().find(|(known, _)| *known == name.as_bytes())?;
            Some(value.to_vec())
        };
        assert_eq!(Head::new(header), expected);
    }
}
