//! Checks the encoding of text bodies.

/// A byte order mark in UTF-8. It has no meaning, but tools on Windows write it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Returns a body without its byte order mark.
///
/// # Errors
/// A body that is recognizably UTF-16, UTF-32 or gzip. The message continues the words "The request".
pub fn strip_byte_order_mark(body: &[u8]) -> Result<&[u8], String> {
    match body {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => {
            Err("is encoded as UTF-16 or UTF-32; send UTF-8".to_owned())
        }
        [0x1f, 0x8b, ..] => Err("is gzip but lacks the header \"content-encoding: gzip\"; add the header".to_owned()),
        _ => Ok(body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_removed() {
        for text in ["", "{", "{}", "é"] {
            assert_eq!(strip_byte_order_mark(text.as_bytes()), Ok(text.as_bytes()));
            assert_eq!(strip_byte_order_mark(["\u{feff}", text].concat().as_bytes()), Ok(text.as_bytes()));
        }
    }

    #[test]
    fn other_encodings_are_refused_by_name() {
        let units: Vec<u16> = "{\"Namespace\": \"N\"}".encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let marked = |mark: &[u8], text: &[u8]| [mark, text].concat();
        for body in [&little, &big, &marked(b"\xff\xfe", &little), &marked(b"\xfe\xff", &big)] {
            assert!(strip_byte_order_mark(body).unwrap_err().starts_with("is encoded as UTF-16"), "{body:?}");
        }
        assert!(strip_byte_order_mark(b"\x1f\x8b\x08\x00").unwrap_err().contains("content-encoding: gzip"));
    }
}
