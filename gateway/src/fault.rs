//! What is wrong with a request, all of it, each fault with its path.

use std::fmt::{self, Display};

/// As many faults as are told one by one; a body of a million faults has as many lines as one of 200.
const MAX_TOLD: usize = 200;

/// Where in a request something is.
#[derive(Clone, Copy, Debug)]
pub enum Path<'a> {
    /// The request itself.
    Root,
    /// A field.
    Field(&'a Self, &'a str),
    /// An item of a list, from 0.
    Item(&'a Self, usize),
}

/// How a path is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathStyle {
    /// `MetricData[3].Dimensions[0].Value`
    #[default]
    Plain,
    /// `MetricData.member.4.Dimensions.member.1.Value`, as AWS has it in every protocol.
    Aws,
}

/// What kind of rule is broken: AWS has a code for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The value is not of the type that the field has, so the body cannot be read.
    Type,
    /// A field that must be there is not.
    Missing,
    /// Fields that exclude each other, or belong together.
    Combination,
    /// A value that CloudWatch, or this gateway, does not take.
    Value,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which kind of rule is broken.
    pub kind: FaultKind,
    /// Where; empty for the whole request.
    pub path: String,
    /// What is wrong and what is right, to be read after the path.
    pub message: String,
}

/// All faults of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    style: PathStyle,
    told: Vec<Fault>,
    more: usize,
}

impl Faults {
    /// None yet; their paths are to be written thus.
    pub fn new(style: PathStyle) -> Self {
        Self { style, ..Self::default() }
    }

    /// Notes a fault.
    pub fn add(&mut self, kind: FaultKind, path: &Path<'_>, message: impl Display) {
        if self.told.len() < MAX_TOLD {
            let path = Styled(path, self.style).to_string();
            self.told.push(Fault { kind, path, message: message.to_string() });
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// How paths are written.
    pub fn style(&self) -> PathStyle {
        self.style
    }

    /// Notes faults that were found apart.
    pub fn append(&mut self, other: Self) {
        for fault in other.told {
            if self.told.len() < MAX_TOLD { self.told.push(fault) } else { self.more = self.more.saturating_add(1) }
        }
        self.more = self.more.saturating_add(other.more);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// Those that are told, in the order in which they were found.
    pub fn told(&self) -> &[Fault] {
        &self.told
    }

    /// How many there are beyond those that are told.
    pub fn more(&self) -> usize {
        self.more
    }

    /// The kind that an answer with one code names: what cannot be read before what is not taken.
    pub fn kind(&self) -> Option<FaultKind> {
        let unreadable = self.told.iter().find(|fault| fault.kind == FaultKind::Type);
        unreadable.or(self.told.first()).map(|fault| fault.kind)
    }
}

/// A line for each fault, in AWS's words.
impl Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Fault { path, message, .. }) in self.told.iter().enumerate() {
            let line = if number == 0 { "" } else { "\n" };
            match path.as_str() {
                "" => write!(f, "{line}The request {message}.")?,
                path => write!(f, "{line}The parameter {path} {message}.")?,
            }
        }
        if self.more > 0 { write!(f, "\nThere are {} more faults.", self.more) } else { Ok(()) }
    }
}

struct Styled<'a>(&'a Path<'a>, PathStyle);

impl Display for Styled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(path, style) = *self;
        match (path, style) {
            (Path::Root, _) => Ok(()),
            (Path::Field(Path::Root, name), _) => f.write_str(name),
            (Path::Field(parent, name), _) => write!(f, "{}.{name}", Styled(parent, style)),
            (Path::Item(parent, index), PathStyle::Plain) => write!(f, "{}[{index}]", Styled(parent, style)),
            (Path::Item(parent, index), PathStyle::Aws) => {
                write!(f, "{}.member.{}", Styled(parent, style), index.saturating_add(1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of_a_dimension(style: PathStyle) -> Faults {
        let mut faults = Faults::new(style);
        let data = Path::Field(&Path::Root, "MetricData");
        let datum = Path::Item(&data, 3);
        let dimensions = Path::Field(&datum, "Dimensions");
        let dimension = Path::Item(&dimensions, 0);
        faults.add(FaultKind::Missing, &Path::Field(&dimension, "Value"), "is required");
        faults
    }

    #[test]
    fn paths_are_written_as_their_readers_know_them() {
        assert_eq!(value_of_a_dimension(PathStyle::Plain).told()[0].path, "MetricData[3].Dimensions[0].Value");
        assert_eq!(
            value_of_a_dimension(PathStyle::Aws).to_string(),
            "The parameter MetricData.member.4.Dimensions.member.1.Value is required."
        );
        let mut batch = Faults::default();
        batch.add(FaultKind::Missing, &Path::Field(&Path::Item(&Path::Root, 2), "Namespace"), "is required");
        assert_eq!(batch.told()[0].path, "[2].Namespace");
    }

    #[test]
    fn a_million_faults_are_told_in_as_few_lines() {
        let mut faults = Faults::default();
        for n in 0..1_000_000 {
            faults.add(FaultKind::Value, &Path::Item(&Path::Root, n), "is wrong");
        }
        assert_eq!((faults.told().len(), faults.more()), (MAX_TOLD, 1_000_000 - MAX_TOLD));
        assert!(faults.to_string().ends_with("There are 999800 more faults."));
    }

    #[test]
    fn what_cannot_be_read_names_the_code() {
        let mut faults = Faults::default();
        assert_eq!(faults.kind(), None);
        faults.add(FaultKind::Value, &Path::Root, "a");
        assert_eq!(faults.kind(), Some(FaultKind::Value));
        faults.add(FaultKind::Type, &Path::Root, "b");
        assert_eq!(faults.kind(), Some(FaultKind::Type));
    }
}
