//! Where the values of dimensions come from.

use acpw_metric::{DimensionName, DimensionValue};

/// A dimension's name, where its value comes from, and what it is when there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dimension {
    /// The name.
    pub name: DimensionName,
    /// Where the value comes from.
    pub source: Source,
    /// The value where the request has none; without it, sets with this dimension do not count the request.
    pub default: Option<DimensionValue>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is always the same.
    Constant(DimensionValue),
    /// The host that `match_hosts` matched.
    Host,
    /// The method.
    Method,
    /// The path, without the query.
    Path,
    /// The template that the path matches, or the path with its identifiers taken out.
    PathTemplate,
    /// A request header, by its lower-case name.
    RequestHeader(Box<str>),
    /// The status sent to the client.
    Status,
    /// Its class: `2XX`.
    StatusClass,
    /// A property of Envoy's, its path's parts separated by NUL.
    Property(Box<str>),
}

/// The dimensions that need no definition, in the order of the documentation.
pub const BUILT_INS: [&str; 9] =
    ["host", "method", "path", "path_template", "status", "status_class", "route", "cluster", "virtual_host"];

/// Properties that Envoy gives as a number of 64 bits.
const NUMBERS: [&str; 6] = [
    "response\0code",
    "response\0flags",
    "response\0grpc_status",
    "upstream\0request_attempt_count",
    "source\0port",
    "destination\0port",
];

impl Source {
    /// The source of a dimension that is built in.
    pub fn built_in(name: &str) -> Option<Self> {
        Some(match name {
            "host" => Self::Host,
            "method" => Self::Method,
            "path" => Self::Path,
            "path_template" => Self::PathTemplate,
            "status" => Self::Status,
            "status_class" => Self::StatusClass,
            "route" => Self::Property("xds\0route_name".into()),
            "cluster" => Self::Property("xds\0cluster_name".into()),
            "virtual_host" => Self::Property("xds\0virtual_host_name".into()),
            _ => return None,
        })
    }

    /// Whether the value is known when a request begins.
    pub fn is_known_at_start(&self) -> bool {
        match self {
            Self::Constant(_)
            | Self::Host
            | Self::Method
            | Self::Path
            | Self::PathTemplate
            | Self::RequestHeader(_) => true,
            Self::Status | Self::StatusClass | Self::Property(_) => false,
        }
    }

    /// What stands for a value that a request does not have, where nothing else is configured: what was always there says
    /// so, as in Envoy's access logs, and everything else is no value.
    pub fn placeholder(&self) -> Option<&'static [u8]> {
        match self {
            Self::Host | Self::Method | Self::Path | Self::PathTemplate | Self::StatusClass => Some(b"-"),
            Self::Status => Some(b"0"),
            Self::Constant(_) | Self::RequestHeader(_) | Self::Property(_) => None,
        }
    }

    /// Whether it is a property that Envoy gives as a number.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Property(path) if NUMBERS.contains(&&**path))
    }
}

/// Appends a number in decimal digits. (The formatting of the standard library is larger than everything else here.)
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
    fn every_built_in_has_a_source() {
        for name in BUILT_INS {
            assert!(DimensionName::new(name).is_ok());
            assert!(Source::built_in(name).is_some(), "{name}");
        }
        assert_eq!(Source::built_in("Host"), None);
    }

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 7, 10, 200, 16_384, -1, i64::MAX, i64::MIN] {
            let mut out = b"x".to_vec();
            append_number(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), format!("x{number}"));
        }
        assert!(Source::Property("response\0code".into()).is_number());
        assert!(!Source::Property("xds\0route_name".into()).is_number());
    }
}
