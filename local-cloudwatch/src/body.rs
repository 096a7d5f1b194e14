//! Bodies: read whole, decompressed within bounds.

use std::io::Read;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;

use crate::error::{ApiError, ErrorKind};
use crate::quota::MAX_REQUEST_BYTES;

/// A body longer than the quota is still read up to here, so that its sender sees the answer and not a reset.
const MAX_RECEIVED_BYTES: usize = 8 * MAX_REQUEST_BYTES;

/// Reads a body as sent; `None` when it is too long to be read or its sender gave up.
pub(crate) async fn receive(body: Body) -> Option<Vec<u8>> {
    to_bytes(body, MAX_RECEIVED_BYTES).await.ok().map(Vec::from)
}

/// The body without its `content-encoding`: none or gzip.
pub(crate) fn decompress(headers: &HeaderMap, body: Vec<u8>) -> Result<Vec<u8>, ApiError> {
    check_size(body.len())?;
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").trim());
    match encoding {
        None | Some("" | "identity") => Ok(body),
        Some(encoding) if encoding.eq_ignore_ascii_case("gzip") => gunzip(&body),
        Some(encoding) => Err(malformed(format!("The content-encoding {encoding} is not supported."))),
    }
}

fn gunzip(body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut raw = Vec::new();
    MultiGzDecoder::new(body)
        .take(MAX_REQUEST_BYTES as u64 + 1)
        .read_to_end(&mut raw)
        .map_err(|error| malformed(format!("The body is not gzip: {error}.")))?;
    check_size(raw.len())?;
    Ok(raw)
}

fn check_size(bytes: usize) -> Result<(), ApiError> {
    if bytes > MAX_REQUEST_BYTES { Err(too_large()) } else { Ok(()) }
}

/// The refusal of a body above the quota.
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
    fn plain_and_gzip_have_the_same_quota() {
        let most = MAX_REQUEST_BYTES;
        for (n, good) in [(most - 1, true), (most, true), (most + 1, false)] {
            let raw = vec![b'x'; n];
            assert_eq!(decompress(&HeaderMap::new(), raw.clone()).is_ok(), good, "{n}");
            assert_eq!(decompress(&encoding("gzip"), gzip(&raw)).is_ok(), good, "{n}");
        }
    }

    #[test]
    fn a_bomb_is_refused_as_too_large() {
        let error = decompress(&encoding("gzip"), gzip(&vec![0; 100 * MAX_REQUEST_BYTES])).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::RequestEntityTooLarge);
    }

    #[test]
    fn what_is_no_gzip_is_unreadable() {
        for (name, body) in [("gzip", b"abc".to_vec()), ("br", Vec::new()), ("gzip", gzip(b"abc")[..12].to_vec())] {
            assert_eq!(decompress(&encoding(name), body).unwrap_err().kind(), &ErrorKind::Serialization);
        }
        assert_eq!(decompress(&encoding("identity"), b"abc".to_vec()).unwrap(), b"abc");
    }
}
