//! Errors in a configuration or in a request to the gateway.

use std::fmt::{self, Display};

/// The maximum number of errors that are listed; further errors are only counted. A request body with a million errors
/// must not produce an answer of unbounded length.
const MAX_LISTED: usize = 200;

/// The notation of paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathStyle {
    /// `MetricData[3].Dimensions[0].Value`
    #[default]
    Plain,
    /// `MetricData.member.4.Dimensions.member.1.Value`, the notation of AWS in every protocol.
    Aws,
}

/// The kind of rule that a value breaks. AWS has an error code for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidationErrorKind {
    /// The value is not of the field's type, so the document cannot be read.
    Type,
    /// A required field is missing.
    Missing,
    /// Fields exclude or require each other.
    Combination,
    /// The value breaks a rule of CloudWatch or of this program.
    Value,
}

/// One validation error. Its message never contains a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationError {
    /// The kind of rule that the value breaks.
    pub kind: ValidationErrorKind,
    /// The path of the value; empty for the whole document.
    pub path: String,
    /// The problem and its remedy, worded to follow the path.
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

/// The validation errors of one document, in the order in which they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidationErrors {
    style: PathStyle,
    listed: Vec<ValidationError>,
    more: usize,
}

impl ValidationErrors {
    /// Creates an empty list that writes paths in the given style.
    pub fn new(style: PathStyle) -> Self {
        Self { style, ..Self::default() }
    }

    /// Adds an error of kind [`Value`](ValidationErrorKind::Value). An empty path refers to the whole document.
    pub fn add(&mut self, path: impl Display, message: impl Display) {
        self.push(ValidationErrorKind::Value, &path, &message);
    }

    /// Adds an error of the given kind.
    pub fn add_kind(&mut self, kind: ValidationErrorKind, path: impl Display, message: impl Display) {
        self.push(kind, &path, &message);
    }

    /// Adds an error. Takes trait objects so that a module contains one copy of the code.
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

    /// Returns the value of `result`, or adds its error at `path` and returns `None`.
    pub fn checked<T, E: Display>(&mut self, path: impl Display, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(path, error)).ok()
    }

    /// Adds all errors of another list.
    pub fn append(&mut self, other: Self) {
        for error in other.listed {
            if self.listed.len() < MAX_LISTED {
                self.listed.push(error);
            } else {
                self.more = self.more.saturating_add(1);
            }
        }
        self.more = self.more.saturating_add(other.more);
    }

    /// Returns `value` if there are no errors.
    ///
    /// # Errors
    /// Returns the list itself if it contains an error.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }

    /// Returns the style in which paths are written.
    pub fn style(&self) -> PathStyle {
        self.style
    }

    /// Returns the listed errors, at most 200.
    pub fn listed(&self) -> &[ValidationError] {
        &self.listed
    }

    /// Returns the number of errors that are counted but not listed.
    pub fn more(&self) -> usize {
        self.more
    }

    /// Returns the number of all errors, listed or not.
    pub fn count(&self) -> usize {
        self.listed.len().saturating_add(self.more)
    }

    /// Returns one line for each listed error, and a last line with the number of the others.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let more = (self.more > 0).then(|| format!("and {} more errors", self.more));
        self.listed.iter().map(ValidationError::to_string).chain(more)
    }

    /// Returns true if there are no errors.
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
    fn the_list_is_bounded_and_further_errors_are_counted() {
        let (mut errors, mut other) = (ValidationErrors::default(), ValidationErrors::default());
        for n in 0..1_000_000 {
            errors.add(Path::Item(&Path::Root, n), "is wrong");
        }
        other.add_kind(ValidationErrorKind::Type, "a", "must be a list");
        assert_eq!((errors.listed().len(), errors.more()), (MAX_LISTED, 1_000_000 - MAX_LISTED));
        assert_eq!(errors.lines().last().as_deref(), Some("and 999800 more errors"));
        other.append(errors);
        assert_eq!((other.listed().len(), other.more()), (MAX_LISTED, 1_000_001 - MAX_LISTED));
        assert_eq!(other.lines().next().as_deref(), Some("a: must be a list"));
    }

    #[test]
    fn paths_are_written_in_the_style_of_the_list() {
        for (style, path) in [(PathStyle::Plain, "a[0]"), (PathStyle::Aws, "a.member.1")] {
            let mut errors = ValidationErrors::new(style);
            errors.add(Path::Item(&Path::Field(&Path::Root, "a"), 0), "is wrong");
            errors.add("", "is empty");
            let paths: Vec<_> = errors.listed().iter().map(|error| error.path.as_str()).collect();
            assert_eq!((paths, errors.to_string()), (vec![path, ""], format!("{path}: is wrong; is empty")));
        }
    }
}
