//! What is wrong with a configuration or a request.

use std::fmt::{self, Display};

/// The most faults that are listed; those beyond are counted. A body with a million faults needs an
/// answer of bounded length.
const MAX_LISTED: usize = 200;

/// How paths are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathStyle {
    /// `MetricData[3].Dimensions[0].Value`
    #[default]
    Plain,
    /// `MetricData.member.4.Dimensions.member.1.Value`, as AWS has it in every protocol.
    Aws,
}

/// The kind of rule that is broken. AWS has an error code for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidationErrorKind {
    /// The value is not of the field's type, so the document cannot be read.
    Type,
    /// A required field is missing.
    Missing,
    /// Fields exclude each other, or belong together.
    Combination,
    /// The value breaks a rule of CloudWatch or of this program.
    Value,
}

/// One fault. Its message never repeats a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationError {
    /// The kind of rule that is broken.
    pub kind: ValidationErrorKind,
    /// The path of the value; empty for the whole document.
    pub path: String,
    /// What is wrong and what is right, to be read after the path.
    pub message: String,
}

impl Display for ValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            f.write_str(&self.path)?;
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

/// All faults of one document, in the order in which they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidationErrors {
    style: PathStyle,
    listed: Vec<ValidationError>,
    more: usize,
}

impl ValidationErrors {
    /// Creates an empty list whose paths are written in this style.
    pub fn new(style: PathStyle) -> Self {
        Self { style, ..Self::default() }
    }

    /// Adds a value at `path` that breaks a rule; an empty path stands for the whole document.
    pub fn add(&mut self, path: impl Display, message: impl Display) {
        self.push(ValidationErrorKind::Value, &path, &message);
    }

    /// Adds a fault of this kind.
    pub fn add_kind(&mut self, kind: ValidationErrorKind, path: impl Display, message: impl Display) {
        self.push(kind, &path, &message);
    }

    /// Not generic: it is in every module once, and not once for each pair of types.
    fn push(&mut self, kind: ValidationErrorKind, path: &dyn Display, message: &dyn Display) {
        if self.listed.len() >= MAX_LISTED {
            self.more = self.more.saturating_add(1);
            return;
        }
        let path = match self.style {
            PathStyle::Plain => path.to_string(),
            PathStyle::Aws => format!("{path:#}"),
        };
        self.listed.push(ValidationError { kind, path, message: message.to_string() });
    }

    /// Returns the value of `result`, or adds its error as a fault of the value at `path`.
    pub fn checked<T, E: Display>(&mut self, path: impl Display, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(path, error)).ok()
    }

    /// Adds faults that were collected apart.
    pub fn append(&mut self, other: Self) {
        for fault in other.listed {
            if self.listed.len() < MAX_LISTED {
                self.listed.push(fault);
            } else {
                self.more = self.more.saturating_add(1);
            }
        }
        self.more = self.more.saturating_add(other.more);
    }

    /// Returns `value` if there are no faults.
    ///
    /// # Errors
    /// All faults.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }

    /// Returns the style of the paths.
    pub fn style(&self) -> PathStyle {
        self.style
    }

    /// Returns the faults that are listed, at most 200.
    pub fn listed(&self) -> &[ValidationError] {
        &self.listed
    }

    /// Returns how many faults there are beyond those that are listed.
    pub fn more(&self) -> usize {
        self.more
    }

    /// Returns how many faults there are, listed or not.
    pub fn count(&self) -> usize {
        self.listed.len().saturating_add(self.more)
    }

    /// Returns one line for each fault, and one for those that are not listed.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let more = (self.more > 0).then(|| format!("and {} more faults", self.more));
        self.listed.iter().map(ValidationError::to_string).chain(more)
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }
}

impl Display for ValidationErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, line) in self.lines().enumerate() {
            f.write_str(if number == 0 { "" } else { "; " })?;
            f.write_str(&line)?;
        }
        Ok(())
    }
}

impl std::error::Error for ValidationErrors {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Path;

    #[test]
    fn a_million_faults_are_a_bounded_list() {
        let (mut faults, mut other) = (ValidationErrors::default(), ValidationErrors::default());
        for n in 0..1_000_000 {
            faults.add(Path::Item(&Path::Root, n), "is wrong");
        }
        other.add_kind(ValidationErrorKind::Type, "a", "must be a list");
        assert_eq!((faults.listed().len(), faults.more()), (MAX_LISTED, 1_000_000 - MAX_LISTED));
        assert_eq!(faults.lines().last().as_deref(), Some("and 999800 more faults"));
        other.append(faults);
        assert_eq!((other.listed().len(), other.more()), (MAX_LISTED, 1_000_001 - MAX_LISTED));
        assert_eq!(other.lines().next().as_deref(), Some("a: must be a list"));
    }

    #[test]
    fn paths_are_in_the_style_of_the_list() {
        for (style, path) in [(PathStyle::Plain, "a[0]"), (PathStyle::Aws, "a.member.1")] {
            let mut faults = ValidationErrors::new(style);
            faults.add(Path::Item(&Path::Field(&Path::Root, "a"), 0), "is wrong");
            faults.add("", "is empty");
            let paths: Vec<_> = faults.listed().iter().map(|fault| fault.path.as_str()).collect();
            assert_eq!((paths, faults.to_string()), (vec![path, ""], format!("{path}: is wrong; is empty")));
        }
    }
}
