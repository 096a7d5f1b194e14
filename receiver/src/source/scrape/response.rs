//! Decodes a response: decompresses its body and checks that it is complete.

use std::{
    fmt,
    io::{Cursor, ErrorKind, Read as _},
};

use flate2::bufread::MultiGzDecoder;

use super::exposition::Exposition;
use crate::source::head::Head;

/// The number of bytes that can be decompressed in the time that it takes to parse one byte of samples.
const DECOMPRESSION_SPEED: usize = 4;

/// The magic number of gzip.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The state of a response that is being read.
#[derive(Debug)]
pub(super) enum ScrapeResponse {
    /// The body is being decompressed.
    Compressed(Compressed),
    /// The text is being parsed.
    Text(Exposition),
    /// The text is being searched for names that are similar to those of unused rules.
    Names(Exposition),
}

/// A gzip body that is decompressed in steps, up to a size limit.
pub(super) struct Compressed {
    decoder: MultiGzDecoder<Cursor<Vec<u8>>>,
    text: Vec<u8>,
    limit: usize,
    is_openmetrics: bool,
}

impl ScrapeResponse {
    /// Opens the body of a response with status 200.
    ///
    /// # Errors
    /// An incomplete body, or an unsupported encoding or format.
    pub(super) fn open(head: &Head, body: Vec<u8>, limit: usize) -> Result<Self, String> {
        if let Some(length) = head.content_length.filter(|length| *length != body.len()) {
            return Err(format!("the response ends after {} of {length} bytes", body.len()));
        }
        let is_openmetrics = head.content_type.starts_with("application/openmetrics-text");
        let is_gzip = body.starts_with(&GZIP) || matches!(head.content_encoding.as_str(), "gzip" | "x-gzip");
        if is_gzip {
            let decoder = MultiGzDecoder::new(Cursor::new(body));
            return Ok(Self::Compressed(Compressed { decoder, text: Vec::new(), limit, is_openmetrics }));
        }
        if !matches!(head.content_encoding.as_str(), "" | "identity") {
            let encoding: String = head.content_encoding.escape_default().take(40).collect();
            return Err(format!("the response is compressed with {encoding}; only gzip is supported"));
        }
        let is_complete = head.content_length.is_some() || head.is_chunked;
        text(body, is_complete, is_openmetrics).map(Self::Text)
    }
}

impl Compressed {
    /// Decompresses until `budget` is spent, and subtracts the cost from it. Returns the text when done; otherwise,
    /// call it again.
    ///
    /// # Errors
    /// Invalid gzip, or a text that is too long or incomplete.
    pub(super) fn read(&mut self, budget: &mut usize) -> Result<Option<Exposition>, String> {
        let mut part = [0; 4_096];
        while *budget > 0 {
            let length = match self.decoder.read(&mut part) {
                Ok(0) => {
                    let text_of = std::mem::take(&mut self.text);
                    return text(text_of, true, self.is_openmetrics).map(Some);
                }
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Err("the gzip data of the response ends early".to_owned());
                }
                Err(_) => return Err("the gzip header, data or checksum of the response is corrupt".to_owned()),
            };
            self.text.extend_from_slice(part.get(..length).unwrap_or_default());
            if self.text.len() > self.limit {
                let limit = self.limit;
                return Err(format!(
                    "the decompressed response is longer than {limit} bytes; raise answer_limit_bytes"
                ));
            }
            *budget = budget.saturating_sub(length.div_ceil(DECOMPRESSION_SPEED));
        }
        Ok(None)
    }
}

impl fmt::Debug for Compressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressed").field("text", &self.text.len()).finish_non_exhaustive()
    }
}

/// Returns the text of a response. `is_complete` is true if the body is known to be complete. A truncated text lacks
/// series, and sums without them would be wrong.
fn text(body: Vec<u8>, is_complete: bool, is_openmetrics: bool) -> Result<Exposition, String> {
    let last_line = body.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let has_end = last_line == b"# EOF";
    let is_truncated = !body.is_empty() && !body.ends_with(b"\n") && !has_end && !is_complete;
    let text = Exposition::new(body)?;
    if is_openmetrics && !has_end {
        return Err("the response is OpenMetrics without \"# EOF\" at its end, so it is incomplete".to_owned());
    }
    if is_truncated {
        let reason = "the response ends within a line, and neither content-length nor chunked encoding shows that it is complete";
        return Err(reason.to_owned());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    const LIMIT: usize = 1_000;

    fn gzip(raw: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(raw).unwrap();
        encoder.finish().unwrap()
    }

    fn opened(head: &Head, body: &[u8]) -> Result<Vec<u8>, String> {
        match ScrapeResponse::open(head, body.to_vec(), LIMIT)? {
            ScrapeResponse::Text(text) | ScrapeResponse::Names(text) => Ok(text.into_body()),
            ScrapeResponse::Compressed(mut compressed) => loop {
                if let Some(text) = compressed.read(&mut 100)? {
                    return Ok(text.into_body());
                }
            },
        }
    }

    fn typed(content_type: &str) -> Head {
        Head { content_type: content_type.to_owned(), ..Head::default() }
    }

    #[test]
    fn gzip_is_decompressed_up_to_the_limit() {
        let encoded = Head { content_encoding: "gzip".to_owned(), ..Head::default() };
        let text = b"a 1\n".repeat(250);
        for head in [&encoded, &Head::default()] {
            assert_eq!(opened(head, &gzip(&text)), Ok(text.clone()));
            assert_eq!(opened(head, &[gzip(&text[..400]), gzip(&text[400..])].concat()), Ok(text.clone()));
        }
        let long = opened(&encoded, &gzip(&vec![b'x'; 200 << 20])).unwrap_err();
        assert_eq!(long, "the decompressed response is longer than 1000 bytes; raise answer_limit_bytes");
        assert_eq!(
            opened(&encoded, &text).unwrap_err(),
            "the gzip header, data or checksum of the response is corrupt"
        );
        let whole = gzip(&text);
        let truncated = &whole[..whole.len() - 1];
        assert_eq!(opened(&encoded, truncated).unwrap_err(), "the gzip data of the response ends early");
        let brotli = Head { content_encoding: "br".to_owned(), ..Head::default() };
        assert!(opened(&brotli, b"?").unwrap_err().starts_with("the response is compressed with br"));
        // The checksum shows that it is complete.
        assert_eq!(opened(&encoded, &gzip(b"a 1\nb 2")), Ok(b"a 1\nb 2".to_vec()));
    }

    #[test]
    fn a_response_without_a_final_line_feed_is_read_if_it_is_complete() {
        let body = b"a 1\nb 2";
        let lengths = Head { content_length: Some(body.len()), ..Head::default() };
        let chunks = Head { is_chunked: true, ..Head::default() };
        for head in [lengths, chunks] {
            assert_eq!(opened(&head, body), Ok(body.to_vec()));
        }
        assert!(opened(&Head::default(), body).unwrap_err().starts_with("the response ends within a line"));
        assert_eq!(opened(&Head::default(), b"a 1\n# EOF"), Ok(b"a 1\n# EOF".to_vec()));
        assert_eq!(opened(&Head::default(), b""), Ok(Vec::new()));
        let longer = Head { content_length: Some(body.len() + 1), ..Head::default() };
        assert_eq!(opened(&longer, body).unwrap_err(), "the response ends after 7 of 8 bytes");
    }

    #[test]
    fn openmetrics_without_its_end_mark_is_refused() {
        let head = typed("application/openmetrics-text; version=1.0.0; charset=utf-8");
        for complete in ["a 1\n# EOF\n", "# EOF", "a 1\n# EOF\n\n"] {
            assert_eq!(opened(&head, complete.as_bytes()), Ok(complete.as_bytes().to_vec()));
        }
        for truncated in ["a 1\n", "", "a 1\n# EOF\nb 1\n", "a 1\n# EO", "a 1 # EOF\n"] {
            let error = opened(&head, truncated.as_bytes()).unwrap_err();
            let expected = "the response is OpenMetrics without \"# EOF\" at its end, so it is incomplete";
            assert_eq!(error, expected, "{truncated}");
        }
        assert!(opened(&typed("text/plain"), b"a 1\n").is_ok());
    }

    #[test]
    fn other_formats_are_refused() {
        let html = opened(&typed("text/html"), b"<!DOCTYPE html>\n<p>").unwrap_err();
        assert_eq!(html, "the response is not Prometheus text: it starts with \"<!DOCTYPE html> <p>\"");
        assert!(opened(&Head::default(), b"\xff\xfea\0").unwrap_err().contains("UTF-16"));
        assert_eq!(opened(&Head::default(), b"\xef\xbb\xbfa 1\n"), Ok(b"a 1\n".to_vec()));
    }
}
