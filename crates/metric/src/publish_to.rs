//! The services to which data are published.

/// The services to which data are published: at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishTo {
    /// CloudWatch's PutMetricData.
    pub cloudwatch: bool,
    /// An OTLP endpoint.
    pub otlp: bool,
}

impl PublishTo {
    /// CloudWatch only, the default.
    pub const CLOUDWATCH: Self = Self { cloudwatch: true, otlp: false };
    /// An OTLP endpoint only.
    pub const OTLP: Self = Self { cloudwatch: false, otlp: true };
    /// Both services.
    pub const BOTH: Self = Self { cloudwatch: true, otlp: true };

    /// The names of the services in a configuration.
    pub const NAMES: [&'static str; 2] = ["cloudwatch", "otlp"];

    /// Returns the services at these indices of [`NAMES`](Self::NAMES), or `None` without any.
    pub fn from_indices(indices: &[usize]) -> Option<Self> {
        let named = Self { cloudwatch: indices.contains(&0), otlp: indices.contains(&1) };
        (named.cloudwatch || named.otlp).then_some(named)
    }

    /// Returns the services of both that `available` has, or all of `available` if it has none of these.
    pub fn within(self, available: Self) -> Self {
        let both = Self { cloudwatch: self.cloudwatch && available.cloudwatch, otlp: self.otlp && available.otlp };
        if both.cloudwatch || both.otlp { both } else { available }
    }

    /// Returns the code in a record. 0 means that the record has none.
    pub(crate) fn code(this: Option<Self>) -> u8 {
        this.map_or(0, |this| u8::from(this.cloudwatch) | u8::from(this.otlp) << 1)
    }

    /// Returns the value with this code in a record. The outer `None` means that the code is invalid.
    pub(crate) fn from_code(code: u8) -> Option<Option<Self>> {
        match code {
            0 => Some(None),
            1..=3 => Some(Some(Self { cloudwatch: code & 1 != 0, otlp: code & 2 != 0 })),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [PublishTo; 3] = [PublishTo::CLOUDWATCH, PublishTo::OTLP, PublishTo::BOTH];

    #[test]
    fn every_value_has_a_code() {
        for value in ALL.map(Some).into_iter().chain([None]) {
            assert_eq!(PublishTo::from_code(PublishTo::code(value)), Some(value));
        }
        assert_eq!(PublishTo::from_code(4), None);
    }

    #[test]
    fn names_are_those_of_the_configuration() {
        assert_eq!(PublishTo::from_indices(&[]), None);
        assert_eq!(PublishTo::from_indices(&[0]), Some(PublishTo::CLOUDWATCH));
        assert_eq!(PublishTo::from_indices(&[1, 0]), Some(PublishTo::BOTH));
    }

    #[test]
    fn data_go_to_a_service_that_is_available() {
        for wanted in ALL {
            assert_eq!(wanted.within(PublishTo::BOTH), wanted);
            assert_eq!(wanted.within(PublishTo::OTLP), PublishTo::OTLP);
        }
    }
}
