//! Compression, in steps.

use std::fmt;

use crc::{Digest, Table};
use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params};

use crate::{CRC, header, trailer};

/// Of deflate. What is sent once is not to take long.
const FASTEST: i32 = 1;

/// Makes one member of bytes that come piece by piece.
pub struct Encoder {
    deflater: Box<CompressorOxide>,
    checksum: Digest<'static, u32, Table<1>>,
    length: usize,
    member: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Self {
        let flags = create_comp_flags_from_zip_params(FASTEST, 0, 0);
        let deflater = Box::new(CompressorOxide::new(flags));
        Self { deflater, checksum: CRC.digest(), length: 0, member: header::PLAIN.to_vec() }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("length", &self.length).finish_non_exhaustive()
    }
}

impl Encoder {
    /// Takes in the next bytes.
    pub fn write(&mut self, raw: &[u8]) {
        self.checksum.update(raw);
        self.length = self.length.saturating_add(raw.len());
        self.deflate(raw, TDEFLFlush::None);
    }

    /// The member, whole.
    pub fn finish(mut self) -> Vec<u8> {
        self.deflate(&[], TDEFLFlush::Finish);
        self.member.extend_from_slice(&trailer(self.checksum.finalize(), self.length));
        self.member
    }

    /// How many bytes have been made so far.
    pub fn bytes(&self) -> usize {
        self.member.len()
    }

    /// The compressor takes all of it, since what it makes is always taken from it.
    fn deflate(&mut self, raw: &[u8], flush: TDEFLFlush) {
        compress_to_output(&mut self.deflater, raw, flush, |deflated| {
            self.member.extend_from_slice(deflated);
            true
        });
    }
}
