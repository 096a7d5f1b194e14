//! The values of requests and responses, independent of the protocol.

/// A decoded value of a request, or a value of a response to encode.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum WireValue {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// A timestamp in seconds since the epoch. The JSON decoder returns `Number` instead, because JSON has no
    /// timestamps.
    Time(f64),
    /// An untyped value of a Query form.
    Form(String),
    List(Vec<WireValue>),
    /// A structure, whose names are in the API model. XML encodes them as elements.
    Structure(Vec<(String, WireValue)>),
    /// A map, whose names are data. XML encodes them as entries of key and value.
    Map(Vec<(String, WireValue)>),
}

impl WireValue {
    /// Creates a structure.
    pub(crate) fn structure<const N: usize>(fields: [(&str, WireValue); N]) -> Self {
        Self::Structure(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Creates a string.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}
