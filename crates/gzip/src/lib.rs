//! gzip (RFC 1952) of bytes that are in memory. Deflate and its checksum are libraries' work; what is here is the format
//! around them, which costs a module less than one library for all of it.

mod encoder;
mod header;

use std::fmt;

use crc::{CRC_32_ISO_HDLC, Crc, Table};
use miniz_oxide::inflate::{
    TINFLStatus,
    core::{self, DecompressorOxide, inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF},
};

pub use encoder::Encoder;

/// One table of 1 KiB: faster ones are of 16, and no bottleneck is here.
static CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

/// Checksum and length, after the data of a member.
const TRAILER: usize = 8;

/// Why bytes cannot be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GzipError {
    /// They end too soon.
    Incomplete,
    /// They do not begin as gzip does, or have a header that RFC 1952 does not know.
    Header,
    /// Their deflate stream is none.
    Data,
    /// Checksum or length are not those of the data.
    Checksum,
    /// They would become longer than was allowed.
    TooLong,
}

impl fmt::Display for GzipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Incomplete => "it ends too soon",
            Self::Header => "invalid gzip header",
            Self::Data => "corrupt deflate stream",
            Self::Checksum => "checksum or length does not match",
            Self::TooLong => "it is too long",
        })
    }
}

impl std::error::Error for GzipError {}

/// What all members have in them, at most `limit` bytes. No more than those are ever made, whatever it would become.
///
/// # Errors
/// See [`GzipError`].
pub fn decompress(mut gzip: &[u8], limit: usize) -> Result<Vec<u8>, GzipError> {
    let mut raw = Vec::new();
    loop {
        gzip = append_member(gzip, &mut raw, limit)?;
        if gzip.is_empty() {
            return Ok(raw);
        }
    }
}

/// Appends what the first member has in it; gives what comes after the member.
fn append_member<'a>(gzip: &'a [u8], raw: &mut Vec<u8>, limit: usize) -> Result<&'a [u8], GzipError> {
    let start = raw.len();
    let rest = inflate(header::skip(gzip)?, raw, limit)?;
    let (found, rest) = rest.split_at_checked(TRAILER).ok_or(GzipError::Incomplete)?;
    let made = raw.get(start..).unwrap_or_default();
    let expected = trailer(CRC.checksum(made), made.len());
    if found == expected { Ok(rest) } else { Err(GzipError::Checksum) }
}

/// Appends what the deflate stream becomes; gives what comes after the stream.
fn inflate<'a>(mut deflated: &'a [u8], raw: &mut Vec<u8>, limit: usize) -> Result<&'a [u8], GzipError> {
    const LEAST: usize = 4 * 1024;
    let mut inflater = Box::<DecompressorOxide>::default();
    let start = raw.len();
    let mut at = 0usize;
    loop {
        // It is told to be too long when it wants to go on past the limit.
        let room = at.saturating_mul(2).max(LEAST).min(limit.saturating_sub(start));
        raw.resize(start.saturating_add(room), 0);
        let out = raw.get_mut(start..).unwrap_or_default();
        let (status, read, written) =
            core::decompress(&mut inflater, deflated, out, at, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF);
        at = at.saturating_add(written);
        deflated = deflated.get(read..).unwrap_or_default();
        match status {
            TINFLStatus::Done => {
                raw.truncate(start.saturating_add(at));
                return Ok(deflated);
            }
            TINFLStatus::HasMoreOutput if start.saturating_add(room) < limit => {}
            TINFLStatus::HasMoreOutput => return Err(GzipError::TooLong),
            TINFLStatus::NeedsMoreInput | TINFLStatus::FailedCannotMakeProgress => return Err(GzipError::Incomplete),
            _ => return Err(GzipError::Data),
        }
    }
}

/// Checksum and length, modulo 2³², little-endian.
fn trailer(checksum: u32, length: usize) -> [u8; TRAILER] {
    let length = u64::try_from(length).unwrap_or(u64::MAX) & u64::from(u32::MAX);
    (length << 32 | u64::from(checksum)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use flate2::{Compression, GzBuilder, read::MultiGzDecoder, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;

    const NO_LIMIT: usize = 300 << 20;

    fn compress(raw: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::default();
        // In pieces of growing length, some of them empty.
        let mut rest = raw;
        for length in 0.. {
            let (piece, after) = rest.split_at(rest.len().min(length * length));
            encoder.write(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        encoder.finish()
    }

    fn gzip_of(raw: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(raw).unwrap();
        encoder.finish().unwrap()
    }

    fn raw_of(gzip: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut raw = Vec::new();
        MultiGzDecoder::new(gzip).read_to_end(&mut raw).map(|_| raw)
    }

    proptest! {
        #[test]
        fn others_read_it_and_it_reads_others(text in "[ab]{0,9000}", noise: Vec<u8>, level in 0u32..10) {
            for raw in [text.as_bytes(), &noise] {
                let ours = compress(raw);
                prop_assert_eq!(raw_of(&ours).unwrap(), raw);
                prop_assert_eq!(decompress(&ours, raw.len()), Ok(raw.to_vec()));
                prop_assert_eq!(decompress(&gzip_of(raw, level), raw.len()), Ok(raw.to_vec()));
            }
        }

        #[test]
        fn what_others_refuse_is_refused(raw: Vec<u8>, place: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = gzip_of(&raw, 6);
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            // A header's flags and comments can be changed and still be sound.
            if place >= header::PLAIN.len() {
                prop_assert_eq!(decompress(&bytes, NO_LIMIT).is_ok(), raw_of(&bytes).is_ok());
            } else {
                let _ = decompress(&bytes, NO_LIMIT);
            }
        }

        #[test]
        fn noise_is_refused_without_harm(noise: Vec<u8>) {
            let begun = [header::PLAIN.as_slice(), &noise].concat();
            prop_assert_eq!(decompress(&begun, 1_000).is_ok(), raw_of(&begun).is_ok_and(|raw| raw.len() <= 1_000));
            prop_assert!(decompress(&noise, 1_000).is_err() || raw_of(&noise).is_ok());
        }
    }

    #[test]
    fn a_member_of_every_kind_of_header_is_read() {
        let builder = GzBuilder::new().filename("a").comment("b").extra(vec![1, 2, 3]).mtime(7);
        let mut encoder = builder.write(Vec::new(), Compression::default());
        encoder.write_all(b"one").unwrap();
        let mut gzip = encoder.finish().unwrap();
        for length in 0..gzip.len() {
            assert!(decompress(&gzip[..length], NO_LIMIT).is_err(), "{length}");
        }
        assert_eq!(decompress(&gzip, NO_LIMIT), Ok(b"one".to_vec()));
        gzip.extend(compress(b" and two"));
        assert_eq!(decompress(&gzip, NO_LIMIT), Ok(b"one and two".to_vec()));
        gzip.push(0);
        assert_eq!(decompress(&gzip, NO_LIMIT), Err(GzipError::Incomplete));
    }

    #[test]
    fn no_more_is_made_than_was_allowed() {
        for members in [vec![9_000], vec![4_500, 4_500], vec![9_000, 0], vec![0, 9_000]] {
            let gzip: Vec<u8> = members.iter().flat_map(|length| compress(&vec![b'x'; *length])).collect();
            for (limit, fits) in [(0, false), (8_999, false), (9_000, true), (9_001, true)] {
                let expected = if fits { Ok(vec![b'x'; 9_000]) } else { Err(GzipError::TooLong) };
                assert_eq!(decompress(&gzip, limit), expected, "{members:?} {limit}");
            }
        }
        assert_eq!(decompress(&gzip_of(&vec![0; 200 << 20], 9), 1 << 20), Err(GzipError::TooLong));
        assert_eq!(decompress(&compress(b""), 0), Ok(Vec::new()));
    }
}
