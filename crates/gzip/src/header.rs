//! The header of a member.

use crate::GzipError;

/// Of a member of deflate without name, comment or time; 4: by the fastest algorithm; 255: on no known file system.
pub(crate) const PLAIN: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

const HAS_CHECKSUM: u8 = 1 << 1;
const HAS_EXTRA: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// What comes after the header. Its checksum is not looked at: the one of the data is.
pub(crate) fn skip(gzip: &[u8]) -> Result<&[u8], GzipError> {
    let (fixed, mut rest) = gzip.split_first_chunk::<10>().ok_or(GzipError::Incomplete)?;
    let [0x1f, 0x8b, 8, flags, ..] = *fixed else { return Err(GzipError::Header) };
    if flags & RESERVED != 0 {
        return Err(GzipError::Header);
    }
    if flags & HAS_EXTRA != 0 {
        let (length, after) = rest.split_first_chunk().ok_or(GzipError::Incomplete)?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..).ok_or(GzipError::Incomplete)?;
    }
    for text in [HAS_NAME, HAS_COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0).ok_or(GzipError::Incomplete)?;
            rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
        }
    }
    if flags & HAS_CHECKSUM != 0 {
        rest = rest.get(2..).ok_or(GzipError::Incomplete)?;
    }
    Ok(rest)
}
