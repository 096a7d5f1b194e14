//! Reads and decompresses request bodies, within bounds.

use std::io::Read;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;

use crate::error::{ApiError, ErrorKind};

/// A body above its limit is still read up to this multiple, so that its sender sees the response and not a reset.
const RECEIVED_MULTIPLE: usize = 8;

/// Reads a body as sent, whose limit is `max` bytes. Returns `None` if it is much longer or its sender disconnected.
pub(crate) async fn receive(body: Body, max: usize) -> Option<Vec<u8>> {
    to_bytes(body, max.saturating_mul(RECEIVED_MULTIPLE)).await.ok().map(Vec::from)
}

/// Removes the `content-encoding` of a body with at most `max` bytes, both compressed and uncompressed. Only gzip is
/// supported.
pub(crate) fn decompress(headers: &HeaderMap, body: Vec<u8>, max: usize) -> Result<Vec<u8>, ApiError> {
    check_size(body.len(), max)?;
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").trim());
    match encoding {
        None | Some("" | "identity") => Ok(body),
        Some(encoding) if encoding.eq_ignore_ascii_case("gzip") => gunzip(&body, max),
        Some(encoding) => {
            let message = format!("The content-encoding {encoding} is not supported; use gzip or none.");
            Err(ApiError::new(ErrorKind::UnsupportedEncoding, message))
        }
    }
}

fn gunzip(body: &[u8], max: usize) -> Result<Vec<u8>, ApiError> {
    let mut raw = Vec::new();
    MultiGzDecoder::new(body)
        .take((max as u64).saturating_add(1))
        .read_to_end(&mut raw)
        .map_err(|error| malformed(format!("The request body is not valid gzip: {error}.")))?;
    check_size(raw.len(), max)?;
    Ok(raw)
}

fn check_size(bytes: usize, max: usize) -> Result<(), ApiError> {
    if bytes > max { Err(too_large(max)) } else { Ok(()) }
}

/// Returns the error for a body above its limit.
pub(crate) fn too_large(max: usize) -> ApiError {
    let message = format!("The request body must not be longer than {max} bytes, uncompressed.");
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
    use crate::quota::MAX_REQUEST_BYTES;

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
            assert_eq!(decompress(&HeaderMap::new(), raw.clone(), most).is_ok(), good, "{n}");
            assert_eq!(decompress(&encoding("gzip"), gzip(&raw), most).is_ok(), good, "{n}");
        }
    }

    #[test]
    fn a_decompression_bomb_is_rejected_as_too_large() {
        let error =
            decompress(&encoding("gzip"), gzip(&vec![0; 100 * MAX_REQUEST_BYTES]), MAX_REQUEST_BYTES).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::RequestEntityTooLarge);
    }

    #[test]
    fn invalid_gzip_and_unknown_encodings_are_rejected() {
        let decompress = |name, body| super::decompress(&encoding(name), body, 1_000);
        for body in [b"abc".to_vec(), gzip(b"abc")[..12].to_vec()] {
            assert_eq!(decompress("gzip", body).unwrap_err().kind(), &ErrorKind::Serialization);
        }
        assert_eq!(decompress("br", Vec::new()).unwrap_err().kind(), &ErrorKind::UnsupportedEncoding);
        assert_eq!(decompress("identity", b"abc".to_vec()).unwrap(), b"abc");
    }
}
