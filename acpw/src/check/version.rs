//! Features that an older Envoy does not have.

use std::str::FromStr;

use super::{Check, finding::NEWER_ENVOY};

/// A version of Envoy, such as 1.36.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvoyVersion {
    minor: u16,
}

impl FromStr for EnvoyVersion {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut numbers = text.strip_prefix('v').unwrap_or(text).split('.');
        let (major, minor) = (numbers.next(), numbers.next().and_then(|minor| minor.parse().ok()));
        match (major, minor) {
            (Some("1"), Some(minor)) => Ok(Self { minor }),
            _ => Err("must be a version such as 1.36 or 1.36.4"),
        }
    }
}

impl Check<'_> {
    pub(super) fn version(&mut self, envoy: EnvoyVersion) {
        for used in self.inventory.uses.iter().filter(|used| used.feature.since > envoy.minor) {
            let feature = used.feature;
            let message =
                format!("{} needs Envoy 1.{}, and this is for 1.{}", feature.name, feature.since, envoy.minor);
            let label = format!("since Envoy 1.{}", feature.since);
            let remedy = format!("{}, or run a newer Envoy", feature.remedy);
            self.add(&NEWER_ENVOY, (used.scope, used.span.clone()), message, label, remedy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_a_minor_number_and_may_have_a_patch() {
        for text in ["1.36", "1.36.4", "v1.36.4"] {
            assert_eq!(text.parse(), Ok(EnvoyVersion { minor: 36 }), "{text}");
        }
        for text in ["", "1", "2.36", "latest", "1.x"] {
            assert!(text.parse::<EnvoyVersion>().is_err(), "{text}");
        }
    }
}
