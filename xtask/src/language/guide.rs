//! The rules of the guide that a program can judge.

/// The maximum width of comments and Markdown lines in characters. It equals rustfmt's `max_width`.
pub(crate) const MAX_WIDTH: usize = 120;

/// Words with which no summary may start. They start a question or a clause without a subject.
pub(crate) const SUMMARY_WORDS: [&str; 6] = ["What", "Whether", "How", "Where", "Whose", "It"];

/// A banned expression.
#[derive(Debug)]
pub(crate) struct Banned {
    /// The words of the expression, in lower case.
    pub(crate) words: &'static [&'static str],
    /// The expression is allowed if one of the next words is this one, as in "so many series that".
    pub(crate) unless_followed_by: Option<&'static str>,
    /// Better expressions.
    pub(crate) instead: &'static str,
}

/// All banned expressions.
pub(crate) const BANNED: [Banned; 9] = [
    banned(&["told"], "reported, returned, logged or described"),
    banned(&["tells"], "reports, returns, logs or describes"),
    banned(&["anew"], "again"),
    banned(&["beside"], "besides or next to"),
    banned(&["thus"], "so"),
    banned(&["wholly"], "completely"),
    banned(&["is", "none"], "there is no …, or is not a …"),
    banned(&["is", "there", "twice"], "is listed twice, or is a duplicate"),
    Banned { words: &["so", "many"], unless_followed_by: Some("that"), instead: "`n`, or the number itself" },
];

const fn banned(words: &'static [&'static str], instead: &'static str) -> Banned {
    Banned { words, unless_followed_by: None, instead }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::build::root;

    #[test]
    fn the_maximum_width_is_that_of_rustfmt() {
        let settings = fs::read_to_string(root().join("rustfmt.toml")).unwrap();
        assert!(settings.lines().any(|line| line == format!("max_width = {MAX_WIDTH}")), "{settings}");
    }
}
