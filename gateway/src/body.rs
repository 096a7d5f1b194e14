//! Decompresses request bodies up to a size limit.

use std::{
    borrow::Cow,
    io::{ErrorKind, Read},
};

use flate2::bufread::MultiGzDecoder;

/// The largest body in bytes, both as sent and decompressed. It is AWS's quota of 1 MB for a PutMetricData request; a
/// batch has the same limit. It is also Envoy's default for `per_connection_buffer_limit_bytes`.
pub const MAX_BODY_BYTES: usize = 1 << 20;

/// The compression of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coding {
    /// No compression.
    #[default]
    Identity,
    /// gzip.
    Gzip,
}

/// The reason why a body cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The body is longer than [`MAX_BODY_BYTES`].
    TooLarge,
    /// The body is not valid gzip, for this reason.
    NotGzip(&'static str),
}

impl Coding {
    /// Parses a `content-encoding` header. Returns `None` for an unsupported coding.
    pub fn from_header(value: &[u8]) -> Option<Self> {
        match value.trim_ascii().to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Some(Self::Identity),
            b"gzip" | b"x-gzip" => Some(Self::Gzip),
            _ => None,
        }
    }

    /// Returns the decompressed body. Stops decompressing beyond [`MAX_BODY_BYTES`].
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn decode(self, body: &[u8]) -> Result<Cow<'_, [u8]>, BodyError> {
        if body.len() > MAX_BODY_BYTES {
            return Err(BodyError::TooLarge);
        }
        match self {
            Self::Identity => Ok(Cow::Borrowed(body)),
            Self::Gzip => decompress(body).map(Cow::Owned),
        }
    }
}

/// Decompresses all members of a gzip body. Reads at most one byte beyond the limit, which shows that it is exceeded.
fn decompress(body: &[u8]) -> Result<Vec<u8>, BodyError> {
    const READ_LIMIT: u64 = MAX_BODY_BYTES as u64 + 1;
    let mut raw = Vec::new();
    match MultiGzDecoder::new(body).take(READ_LIMIT).read_to_end(&mut raw) {
        Ok(_) if raw.len() > MAX_BODY_BYTES => Err(BodyError::TooLarge),
        Ok(_) => Ok(raw),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(BodyError::NotGzip("the data ends early")),
        Err(_) => Err(BodyError::NotGzip("the header, data or checksum is corrupt")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(raw: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(raw).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_limit_applies_to_the_decompressed_body() {
        for (length, fits) in [(MAX_BODY_BYTES - 1, true), (MAX_BODY_BYTES, true), (MAX_BODY_BYTES + 1, false)] {
            let raw = vec![b'x'; length];
            assert_eq!(Coding::Identity.decode(&raw).is_ok(), fits, "{length}");
            assert_eq!(Coding::Gzip.decode(&gzip(&raw)).is_ok(), fits, "{length}");
        }
        assert_eq!(Coding::Gzip.decode(&gzip(&vec![0; 200 << 20])), Err(BodyError::TooLarge));
        assert_eq!(Coding::Gzip.decode(&gzip(b"")).as_deref(), Ok(b"".as_slice()));
    }

    #[test]
    fn the_limit_applies_to_all_gzip_members_together() {
        let half = MAX_BODY_BYTES / 2;
        for lengths in [[MAX_BODY_BYTES, 0], [half, half], [0, MAX_BODY_BYTES]] {
            let [one, two] = lengths.map(|length| vec![b'x'; length]);
            let body = [gzip(&one), gzip(&two)].concat();
            assert_eq!(Coding::Gzip.decode(&body).map(|raw| raw.len()), Ok(MAX_BODY_BYTES), "{lengths:?}");
            let body = [body, gzip(b"x")].concat();
            assert_eq!(Coding::Gzip.decode(&body), Err(BodyError::TooLarge), "{lengths:?}");
        }
    }

    #[test]
    fn a_corrupt_body_is_refused() {
        let whole = gzip(&b"{\"Namespace\":\"N\"}".repeat(9));
        // Skips the header: the rest is the compressed data, the checksum and the length.
        for at in 10..whole.len() {
            let mut corrupt = whole.clone();
            corrupt[at] ^= 1;
            assert!(matches!(Coding::Gzip.decode(&corrupt), Err(BodyError::NotGzip(_))), "{at}");
        }
        let trailing = [whole.as_slice(), b"\0"].concat();
        assert!(matches!(Coding::Gzip.decode(&trailing), Err(BodyError::NotGzip(_))));
    }

    #[test]
    fn a_truncated_body_and_an_unknown_coding_are_refused() {
        let whole = gzip(b"{\"Namespace\":\"N\"}");
        for length in 0..whole.len() {
            assert!(matches!(Coding::Gzip.decode(&whole[..length]), Err(BodyError::NotGzip(_))), "{length}");
        }
        assert_eq!(Coding::Gzip.decode(&whole).as_deref(), Ok(b"{\"Namespace\":\"N\"}".as_slice()));
        assert_eq!(Coding::from_header(b" GZIP "), Some(Coding::Gzip));
        assert_eq!(Coding::from_header(b"br"), None);
    }
}
