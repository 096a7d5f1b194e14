//! What is wrong with a configuration.

use std::fmt::{self, Display};

/// The faults of one configuration, each with the path of the key that has it: `match_hosts[2]: …`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<String>);

impl Faults {
    /// Notes a fault of the key at `path`; an empty path stands for the whole document.
    pub fn add(&mut self, path: impl Display, message: impl Display) {
        self.push(&path, &message);
    }

    /// Not generic: it is in every module once, and not once for each pair of types.
    fn push(&mut self, path: &dyn Display, message: &dyn Display) {
        let path = path.to_string();
        self.0.push(if path.is_empty() { message.to_string() } else { format!("{path}: {message}") });
    }

    /// The value, or a fault of the key at `path` that says why there is none.
    pub fn checked<T, E: Display>(&mut self, path: impl Display, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(path, error)).ok()
    }

    /// `value`, when nothing was found at fault.
    ///
    /// # Errors
    /// All that was.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// The faults, one line each, in the order in which they were found.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().enumerate() {
            f.write_str(if number == 0 { "" } else { "; " })?;
            f.write_str(fault)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
