//! Reads and writes the primitives of a record: LEB128 integers, IEEE 754 doubles and length-prefixed text.

/// The bytes end early or contain an invalid number or text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Appends an unsigned number in LEB128.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Appends a signed number in zigzag encoding, in which numbers of small magnitude take few bytes.
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, (value.wrapping_shl(1) ^ (value >> 63)) as u64);
}

/// Appends a double in little-endian order.
pub fn put_f64(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a text, preceded by its length in bytes.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// A cursor over untrusted bytes.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Creates a reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns whether all bytes have been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads a byte.
    ///
    /// # Errors
    /// No byte is left.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*first)
    }

    /// Reads an unsigned number in LEB128.
    ///
    /// # Errors
    /// The bytes end early, or the number exceeds 64 bits.
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << shift;
            if shifted >> shift != bits {
                return Err(Malformed);
            }
            value |= shifted;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    /// Reads a signed number in zigzag encoding.
    ///
    /// # Errors
    /// The bytes end early, or the number exceeds 64 bits.
    pub fn signed(&mut self) -> Result<i64, Malformed> {
        let coded = self.varint()?;
        Ok((coded >> 1) as i64 ^ -((coded & 1) as i64))
    }

    /// Reads the number of items that follow. Each item takes at least one byte, so a number larger than the remaining
    /// bytes is refused before memory is allocated for the items.
    ///
    /// # Errors
    /// The bytes end early, or the number is larger than that of the remaining bytes.
    pub fn length(&mut self) -> Result<usize, Malformed> {
        let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
        if length > self.rest.len() { Err(Malformed) } else { Ok(length) }
    }

    /// Reads a double.
    ///
    /// # Errors
    /// Fewer than eight bytes are left.
    pub fn f64(&mut self) -> Result<f64, Malformed> {
        self.array().map(f64::from_le_bytes)
    }

    /// Reads a text that is preceded by its length.
    ///
    /// # Errors
    /// The bytes end early, or are not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.length()?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        std::str::from_utf8(bytes).map_err(|_| Malformed)
    }

    /// Reads `N` bytes.
    ///
    /// # Errors
    /// Fewer bytes are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn primitives_survive_a_round_trip(unsigned: u64, signed: i64, float: f64, text: String) {
            let mut out = Vec::new();
            put_varint(&mut out, unsigned);
            put_signed(&mut out, signed);
            put_f64(&mut out, float);
            put_text(&mut out, &text);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint(), Ok(unsigned));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert_eq!(reader.f64().map(f64::to_bits), Ok(float.to_bits()));
            prop_assert_eq!(reader.text(), Ok(text.as_str()));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn reading_arbitrary_bytes_never_passes_their_end(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            let mut length = 0;
            while let Ok(text) = reader.text() {
                length += 1 + text.len();
            }
            prop_assert!(length <= bytes.len());
            let mut reader = Reader::new(&bytes);
            let mut count = 0;
            while reader.signed().is_ok() {
                count += 1;
            }
            prop_assert!(count <= bytes.len());
        }
    }

    #[test]
    fn numbers_beyond_64_bits_are_refused() {
        let mut reader = Reader::new(&[0xff; 11]);
        assert_eq!(reader.varint(), Err(Malformed));
        let mut reader = Reader::new(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02]);
        assert_eq!(reader.varint(), Err(Malformed));
    }

    #[test]
    fn a_length_beyond_the_remaining_bytes_is_refused() {
        assert_eq!(Reader::new(&[3, b'a', b'b']).text(), Err(Malformed));
        assert_eq!(Reader::new(&[2, b'a', b'b']).text(), Ok("ab"));
    }
}
