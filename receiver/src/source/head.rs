//! Headers of a source's answer.

/// The headers of an answer that say how its body is to be read.
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
    /// Whether `transfer-encoding` says that the body comes in chunks, the last of which is marked.
    pub is_chunked: bool,
}

impl Head {
    /// Reads an answer's headers.
    pub fn new<'a>(headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut head = Self::default();
        for (name, value) in headers {
            let Ok(value) = std::str::from_utf8(value).map(str::trim) else { continue };
            match name {
                b"content-type" => head.content_type = value.to_ascii_lowercase(),
                b"content-encoding" => head.content_encoding = value.to_ascii_lowercase(),
                b"location" => value.clone_into(&mut head.location),
                b"content-length" => head.content_length = value.parse().ok(),
                b"transfer-encoding" => head.is_chunked = value.to_ascii_lowercase().ends_with("chunked"),
                _ => {}
            }
        }
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read() {
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
        assert_eq!(Head::new(headers.into_iter()), expected);
    }
}
