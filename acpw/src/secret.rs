//! Keeps secrets out of excerpts.

/// The keys whose values are secrets.
const KEYS: [&str; 7] = [
    "aws_secret_access_key",
    "aws_session_token",
    "secret_access_key",
    "session_token",
    "bearer_token",
    "authorization_token",
    "external_id",
];

/// Returns a text with a star in place of each byte of a secret, so that positions stay.
///
/// It looks for keys and not at what a parser understands, because a text with a syntax error has secrets too.
pub fn masked(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for key in KEYS {
        for (start, _) in text.match_indices(key) {
            let after = start.saturating_add(key.len());
            mask_value(text, after, &mut bytes);
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// Masks the value after a key that ends at `after`.
fn mask_value(text: &str, after: usize, bytes: &mut [u8]) {
    let rest = text.get(after..).unwrap_or_default();
    let trimmed = rest.trim_start_matches(['"', '\'', '\\']).trim_start();
    let Some(value) = trimmed.strip_prefix([':', '=']) else { return };
    let value = value.trim_start();
    let line = value.split(['\n', '\r']).next().unwrap_or_default();
    let quote = line.trim_start_matches('\\').chars().next().filter(|first| matches!(first, '"' | '\''));
    let start = text.len().saturating_sub(value.len());
    let (skipped, end) = match quote {
        Some(quote) => {
            let skipped = line.find(quote).unwrap_or_default().saturating_add(1);
            let inner = line.get(skipped..).unwrap_or_default();
            (skipped, closing(inner, quote).map_or(line.len(), |end| skipped.saturating_add(end)))
        }
        None => (0, line.find([',', '}']).unwrap_or(line.len())),
    };
    let range = start.saturating_add(skipped)..start.saturating_add(end);
    for byte in bytes.get_mut(range).unwrap_or_default() {
        *byte = b'*';
    }
}

/// Returns the position of the quote that ends a string.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(index, character)| {
        let ends = character == quote && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        ends.then_some(index)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_in_every_notation_and_positions_stay() {
        for (text, expected) in [
            (r#"{ "aws_secret_access_key": "wJalr", "b": 1 }"#, r#"{ "aws_secret_access_key": "*****", "b": 1 }"#),
            ("secret_access_key: wJalrXUtn\nnext: 1", "secret_access_key: *********\nnext: 1"),
            (r#""bearer_token":"a\"b", "x""#, r#""bearer_token":"****", "x""#),
            ("{session_token: 'abc', x: 1}", "{session_token: '***', x: 1}"),
            // Within quotes of its own, everything up to the end of the line is masked.
            (r#""{\"bearer_token\": \"abc\"}""#, r#""{\"bearer_token\": \"******""#),
            ("\"bearer_token\": \"open\n\"x\": 1", "\"bearer_token\": \"****\n\"x\": 1"),
            ("\"bearer_token\": \"é\"", "\"bearer_token\": \"**\""),
            ("the bearer_token is required", "the bearer_token is required"),
        ] {
            let masked = masked(text);
            assert_eq!((masked.as_str(), masked.len()), (expected, text.len()));
        }
    }
}
