//! Reads and decompresses request bodies, within bounds.

use std::io::Read;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;

use crate::error::{ApiError, ErrorKind};
use crate::quota::MAX_REQUEST_BYTES;

/// A body above the quota is still read up to this length, so that its sender sees the response and not a reset.
const MAX_RECEIVED_BYTES: usize = 8 * MAX_REQUEST_BYTES;

/// Reads a body as sent. Returns `None` if it exceeds `MAX_RECEIVED_BYTES` or its sender disconnected.
pub(crate) async fn receive(body: Body) -> Option<Vec<u8>> {
    to_bytes(body, MAX_RECEIVED_BYTES).await.ok().map(Vec::from)
}

/// Removes the `content-encoding`. Only gzip is supported.
pub(crate) fn decompress(headers: &HeaderMap, body: Vec<u8>) -> Result<Vec<u8>, ApiError> {
    check_size(body.len())?;
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").trim());
    match encoding {
        None | Some("" | "identity") => Ok(body),
        Some(encoding) if encoding.eq_ignore_ascii_case("gzip") => gunzip(&body),
        Some(encoding) => {
            Err(malformed(format!("The content-encoding {encoding} is not supported; use gzip or none.")))
        }
    }
}

fn gunzip(body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut raw = Vec::new();
    MultiGzDecoder::new(body)
        .take(MAX_REQUEST_BYTES as u64 + 1)
        .read_to_end(&mut raw)
        .map_err(|error| malformed(format!("The request body is not valid gzip: {error}.")))?;
    check_size(raw.len())?;
    Ok(raw)
}

fn check_size(bytes: usize) -> Result<(), ApiError> {
    if bytes > MAX_REQUEST_BYTES { Err(too_large()) } else { Ok(()) }
}

/// Returns the error for a body above the quota.
pub(crate) fn too_large() -> ApiError {
    let message = format!("The request body must not be longer than {MAX_REQUEST_BYTES} bytes, uncompressed.");
    ApiError::new(ErrorKind::RequestEntityTooLarge, message)
}

fn malformed(message: String) -> ApiError {
    ApiError::new(ErrorKind::Serialization, message)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(raw: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(raw).unwrap();
        encoder.finish().unwrap()
    }

    fn encoding(name: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_ENCODING, name.parse().unwrap())])
    }

    #[test]
    fn plain_and_gzipped_bodies_have_the_same_quota() {
        let most = MAX_REQUEST_BYTES;
        for (n, good) in [(most - 1, true), (most, true), (most + 1, false)] {
            let raw = vec![b'x'; n];
            assert_eq!(decompress(&HeaderMap::new(), raw.clone()).is_ok(), good, "{n}");
            assert_eq!(decompress(&encoding("gzip"), gzip(&raw)).is_ok(), good, "{n}");
        }
    }

    #[test]
    fn a_decompression_bomb_is_rejected_as_too_large() {
        let error = decompress(&encoding("gzip"), gzip(&vec![0; 100 * MAX_REQUEST_BYTES])).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::RequestEntityTooLarge);
    }

    #[test]
    fn invalid_gzip_and_unknown_encodings_are_rejected() {
        for (name, body) in [("gzip", b"abc".to_vec()), ("br", Vec::new()), ("gzip", gzip(b"abc")[..12].to_vec())] {
            assert_eq!(decompress(&encoding(name), body).unwrap_err().kind(), &ErrorKind::Serialization);
        }
        assert_eq!(decompress(&encoding("identity"), b"abc".to_vec()).unwrap(), b"abc");
    }
}
