//! A value of a request, independent of the protocol.

use std::borrow::Cow;

/// A value that a protocol's parser returns and that the input of PutMetricData is read from.
#[derive(Clone, Debug, PartialEq)]
pub enum Node<'a> {
    /// Null, which has the same meaning as an absent field.
    Null,
    /// True or false.
    Bool(bool),
    /// A number, which CloudWatch may not accept.
    Number(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// A timestamp in seconds since the epoch, if the protocol marks it as one (CBOR's tag 1).
    Time(f64),
    /// A value of a form. Only its reader knows its type.
    Form(Cow<'a, str>),
    /// A list.
    List(Vec<Self>),
    /// Names and values in the order of the request, including repeated names.
    Map(Vec<(Cow<'a, str>, Self)>),
}
