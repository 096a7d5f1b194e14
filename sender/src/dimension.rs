//! Definitions of dimensions.

use acpw_metric::{DimensionName, DimensionValue};

/// The definition of a dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DimensionDefinition {
    /// The name.
    pub name: DimensionName,
    /// The source of the value.
    pub source: DimensionSource,
    /// The value of requests for which the source has none. Without a default, sets with this dimension do not count
    /// such requests.
    pub default: Option<DimensionValue>,
}

/// The source of a dimension's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DimensionSource {
    /// A constant.
    Constant(DimensionValue),
    /// The host that matches an entry of `match_hosts`.
    Host,
    /// The request method.
    Method,
    /// The path without the query.
    Path,
    /// The template that the path matches, or the path with its identifiers replaced.
    PathTemplate,
    /// The request header with this name, in lower case.
    RequestHeader(Box<str>),
    /// The status sent to the client.
    Status,
    /// The class of that status, such as `2XX`.
    StatusClass,
    /// The Envoy attribute with this path, whose parts are separated by NUL.
    Attribute(Box<str>),
}

/// The built-in dimensions, in the order of the documentation.
pub const BUILT_INS: [&str; 9] =
    ["host", "method", "path", "path_template", "status", "status_class", "route", "cluster", "virtual_host"];

/// The attributes that Envoy encodes as a 64-bit integer.
const INTEGER_ATTRIBUTES: [&str; 6] = [
    "response\0code",
    "response\0flags",
    "response\0grpc_status",
    "upstream\0request_attempt_count",
    "source\0port",
    "destination\0port",
];

impl DimensionSource {
    /// Returns the source of the built-in dimension with this name.
    pub fn built_in(name: &str) -> Option<Self> {
        Some(match name {
            "host" => Self::Host,
            "method" => Self::Method,
            "path" => Self::Path,
            "path_template" => Self::PathTemplate,
            "status" => Self::Status,
            "status_class" => Self::StatusClass,
            "route" => Self::Attribute("xds\0route_name".into()),
            "cluster" => Self::Attribute("xds\0cluster_name".into()),
            "virtual_host" => Self::Attribute("xds\0virtual_host_name".into()),
            _ => return None,
        })
    }

    /// Returns whether the value is known when a request starts.
    pub fn is_known_at_start(&self) -> bool {
        match self {
            Self::Constant(_)
            | Self::Host
            | Self::Method
            | Self::Path
            | Self::PathTemplate
            | Self::RequestHeader(_) => true,
            Self::Status | Self::StatusClass | Self::Attribute(_) => false,
        }
    }

    /// Returns the value that replaces a missing one if no default is configured.
    ///
    /// Sources that every request should have use the placeholders of Envoy's access logs. The other sources have none,
    /// so a set with such a dimension does not count the request.
    pub fn placeholder(&self) -> Option<&'static [u8]> {
        match self {
            Self::Host | Self::Method | Self::Path | Self::PathTemplate | Self::StatusClass => Some(b"-"),
            Self::Status => Some(b"0"),
            Self::Constant(_) | Self::RequestHeader(_) | Self::Attribute(_) => None,
        }
    }

    /// Returns whether this is an attribute that Envoy encodes as a 64-bit integer.
    pub fn is_integer(&self) -> bool {
        matches!(self, Self::Attribute(path) if INTEGER_ATTRIBUTES.contains(&&**path))
    }
}

/// Appends a number in decimal. The standard library's formatting would add more code to the module.
pub fn append_number(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    let start = out.len();
    let mut rest = number.unsigned_abs();
    loop {
        out.push(b'0' | (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_dimension_has_a_source() {
        for name in BUILT_INS {
            assert!(DimensionName::new(name).is_ok());
            assert!(DimensionSource::built_in(name).is_some(), "{name}");
        }
        assert_eq!(DimensionSource::built_in("Host"), None);
    }

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 7, 10, 200, 16_384, -1, i64::MAX, i64::MIN] {
            let mut out = b"x".to_vec();
            append_number(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), format!("x{number}"));
        }
    }

    #[test]
    fn integer_attributes_are_recognised() {
        assert!(DimensionSource::Attribute("response\0code".into()).is_integer());
        assert!(!DimensionSource::Attribute("xds\0route_name".into()).is_integer());
    }
}
