//! Envoy versions and the features that not every version has.

use std::{fmt, path::Path, process::Command, sync::OnceLock};

use crate::installation;

/// The major and minor version of Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EnvoyVersion(u16, u16);

impl EnvoyVersion {
    /// Returns the version of the Envoy that the tests run.
    ///
    /// # Panics
    /// Panics if Envoy does not run or does not print a version.
    pub fn under_test() -> Self {
        static VERSION: OnceLock<EnvoyVersion> = OnceLock::new();
        *VERSION.get_or_init(|| Self::of(&installation::envoy()).expect("a version of Envoy"))
    }

    /// Returns the version of an Envoy, or `None` if the program does not print one.
    pub fn of(envoy: &Path) -> Option<Self> {
        let output = Command::new(envoy).arg("--version").output().ok()?;
        Self::parse(&String::from_utf8_lossy(&output.stdout))
    }

    /// Parses the output of `envoy --version`: `envoy version: 84305a6cb64bd55aaf606bdd53de7cd6080427a1/1.36.4/Clean/…`
    fn parse(text: &str) -> Option<Self> {
        let (_, build) = text.split_once("version: ")?;
        let mut numbers = build.split('/').nth(1)?.split('.').map(str::parse);
        Some(Self(numbers.next()?.ok()?, numbers.next()?.ok()?))
    }
}

impl fmt::Display for EnvoyVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.0, self.1)
    }
}

/// A feature that Envoy has since some version.
#[derive(Debug)]
pub struct Feature {
    /// Its name in docs/deployment.md.
    pub name: &'static str,
    /// The first tested version with the feature.
    pub first: EnvoyVersion,
    /// The examples in `envoy/` that need the feature.
    pub examples: &'static [&'static str],
}

/// The oldest tested version.
const OLDEST: EnvoyVersion = EnvoyVersion(1, 36);

/// The sender and the receiver.
pub const PAIR: Feature = Feature { name: "sender, receiver", first: OLDEST, examples: &["access-logger", "imgproxy"] };

/// The gateway and its flush.
pub const GATEWAY: Feature =
    Feature { name: "gateway and its flush", first: OLDEST, examples: &["demo", "docker", "gateway", "metrics"] };

/// TLS as configured in the examples.
pub const TLS: Feature =
    Feature { name: "the examples' TLS", first: OLDEST, examples: &["aws", "ec2", "ecs", "envoy-signing", "otlp"] };

/// Files that the receiver reads through a Lua filter.
pub const LUA_FILES: Feature = Feature { name: "files by Lua", first: OLDEST, examples: &["lua-files"] };

/// Files that the receiver reads through Envoy's file server.
pub const FILE_SERVER: Feature = Feature {
    name: "files by the file server",
    first: EnvoyVersion(1, 38),
    examples: &["eks-irsa", "eks-pod-identity", "shared-file"],
};

/// Native mode with `%CEL(…)%`.
pub const NATIVE_BY_CEL: Feature =
    Feature { name: "native mode by native-1.37.yaml", first: EnvoyVersion(1, 37), examples: &["native-1.37"] };

/// Native mode with `transform_stat`.
pub const NATIVE: Feature =
    Feature { name: "native mode by native.yaml", first: EnvoyVersion(1, 39), examples: &["native"] };

/// All features, in the order of docs/deployment.md. Tests compare this table with the document and with Envoy.
pub const FEATURES: [Feature; 7] = [PAIR, GATEWAY, TLS, LUA_FILES, FILE_SERVER, NATIVE_BY_CEL, NATIVE];

impl Feature {
    /// Returns true if a version has the feature.
    pub fn is_in(&self, version: EnvoyVersion) -> bool {
        version >= self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_parsed_and_compared_as_numbers() {
        let parse = |version: &str| {
            let text = format!("\n/bin/envoy  version: 84305a6cb64b/{version}/Clean/RELEASE/BoringSSL\n\n");
            EnvoyVersion::parse(&text).unwrap()
        };
        assert_eq!(parse("1.36.4"), OLDEST);
        assert!(parse("1.9.0") < parse("1.36.4") && parse("1.36.4") < parse("1.40.0-dev"));
        assert_eq!(parse("1.40.0").to_string(), "1.40");
        assert_eq!(EnvoyVersion::parse("envoy: not found"), None);
    }

    #[test]
    fn a_feature_is_available_since_its_first_version() {
        let is_in = [(1, 37), (1, 38), (1, 40)].map(|(major, minor)| FILE_SERVER.is_in(EnvoyVersion(major, minor)));
        assert_eq!(is_in, [false, true, true]);
    }
}
