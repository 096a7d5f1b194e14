//! Paths of values in a document.

use std::fmt::{self, Display};

/// The path of a value in a configuration or a request.
///
/// `{}` writes `MetricData[3].Dimensions[0].Value`. The alternate flag (`{:#}`) selects the notation that AWS uses in
/// every protocol, `MetricData.member.4.Dimensions.member.1.Value`.
#[derive(Clone, Copy, Debug)]
pub enum Path<'a> {
    /// The document itself.
    Root,
    /// A field of an object.
    Field(&'a Self, &'a str),
    /// An item of a list, by its zero-based index.
    Item(&'a Self, usize),
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(parent, name) => {
                Display::fmt(parent, f)?;
                f.write_str(".")?;
                f.write_str(name)
            }
            Self::Item(parent, index) => {
                Display::fmt(parent, f)?;
                if f.alternate() { write!(f, ".member.{}", index.saturating_add(1)) } else { write!(f, "[{index}]") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_in_both_styles() {
        let data = Path::Field(&Path::Root, "MetricData");
        let datum = Path::Item(&data, 3);
        let dimensions = Path::Field(&datum, "Dimensions");
        let dimension = Path::Item(&dimensions, 0);
        let value = Path::Field(&dimension, "Value");
        assert_eq!(value.to_string(), "MetricData[3].Dimensions[0].Value");
        assert_eq!(format!("{value:#}"), "MetricData.member.4.Dimensions.member.1.Value");
        let namespace = Path::Field(&Path::Item(&Path::Root, 2), "Namespace").to_string();
        assert_eq!((Path::Root.to_string(), namespace), (String::new(), "[2].Namespace".to_owned()));
    }
}
