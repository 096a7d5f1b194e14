//! One value of a request, whatever protocol carried it.

use std::borrow::Cow;

/// A value between a protocol and the reading of PutMetricData.
#[derive(Clone, Debug, PartialEq)]
pub enum Node<'a> {
    /// Nothing: as if it were not there.
    Null,
    /// True or false.
    Bool(bool),
    /// A number, which may be none that CloudWatch takes.
    Number(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// A moment in seconds since the epoch, where the protocol marks it as one (CBOR's tag 1).
    Time(f64),
    /// A value of a form, of which only its reader knows the type.
    Form(Cow<'a, str>),
    /// Several.
    List(Vec<Self>),
    /// Names and values, in the order in which they came, names that occur twice included.
    Map(Vec<(Cow<'a, str>, Self)>),
}
