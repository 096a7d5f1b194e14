//! Text of others in log lines.

use std::fmt;

/// The longest text that is quoted from a response, in characters.
const LONGEST_QUOTE: usize = 1_000;

/// Text from a response or a configuration, cut and without control characters, so that it stays on one line.
pub(crate) struct Quote<'a>(pub(crate) &'a str);

impl fmt::Display for Quote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        self.0.chars().take(LONGEST_QUOTE).map(clean).try_for_each(|c| fmt::Write::write_char(f, c))
    }
}
