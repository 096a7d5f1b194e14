//! Versions of Envoy, and what is not in every one of them.

use std::{fmt, path::Path, process::Command, sync::OnceLock};

use crate::installation;

/// A version of Envoy, by its first two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EnvoyVersion(u16, u16);

impl EnvoyVersion {
    /// Returns the version of the Envoy that the tests drive.
    ///
    /// # Panics
    /// When Envoy does not run, or prints no version.
    pub fn under_test() -> Self {
        static VERSION: OnceLock<EnvoyVersion> = OnceLock::new();
        *VERSION.get_or_init(|| Self::of(&installation::envoy()).expect("a version of Envoy"))
    }

    /// Returns the version of an Envoy, or `None` if the program does not print one.
    pub fn of(envoy: &Path) -> Option<Self> {
        let output = Command::new(envoy).arg("--version").output().ok()?;
        Self::printed(&String::from_utf8_lossy(&output.stdout))
    }

    /// Reads what `envoy --version` prints: `envoy  version: 84305a6cb64bd55aaf606bdd53de7cd6080427a1/1.36.4/Clean/…`
    fn printed(text: &str) -> Option<Self> {
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

/// Something that Envoy has from a version on.
#[derive(Debug)]
pub struct Feature {
    /// Its name in docs/deployment.md.
    pub name: &'static str,
    /// The first version that the tests run on and that has it.
    pub first: EnvoyVersion,
    /// The examples in `envoy/` that need it.
    pub examples: &'static [&'static str],
}

/// The oldest version that the tests run on.
const OLDEST: EnvoyVersion = EnvoyVersion(1, 36);

/// The sender and the receiver.
pub const PAIR: Feature = Feature { name: "sender, receiver", first: OLDEST, examples: &["access-logger", "imgproxy"] };

/// The gateway, and a flush through it.
pub const GATEWAY: Feature =
    Feature { name: "gateway and its flush", first: OLDEST, examples: &["demo", "docker", "gateway", "metrics"] };

/// TLS as the examples have it.
pub const TLS: Feature =
    Feature { name: "the examples' TLS", first: OLDEST, examples: &["aws", "ec2", "ecs", "envoy-signing"] };

/// Files that a Lua filter reads for the receiver.
pub const LUA_FILES: Feature = Feature { name: "files by Lua", first: OLDEST, examples: &["lua-files"] };

/// Files that Envoy's file server reads for the receiver.
pub const FILE_SERVER: Feature = Feature {
    name: "files by the file server",
    first: EnvoyVersion(1, 38),
    examples: &["eks-irsa", "eks-pod-identity", "shared-file"],
};

/// Native mode by `%CEL(…)%`.
pub const NATIVE_BY_CEL: Feature =
    Feature { name: "native mode by native-1.37.yaml", first: EnvoyVersion(1, 37), examples: &["native-1.37"] };

/// Native mode by `transform_stat`.
pub const NATIVE: Feature =
    Feature { name: "native mode by native.yaml", first: EnvoyVersion(1, 39), examples: &["native"] };

/// All features, in the order of docs/deployment.md. Tests compare this table with the document, and with the versions.
pub const FEATURES: [Feature; 7] = [PAIR, GATEWAY, TLS, LUA_FILES, FILE_SERVER, NATIVE_BY_CEL, NATIVE];

impl Feature {
    /// Returns whether a version has it.
    pub fn is_in(&self, version: EnvoyVersion) -> bool {
        version >= self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared_by_number() {
        let printed = |version: &str| {
            let text = format!("\n/bin/envoy  version: 84305a6cb64b/{version}/Clean/RELEASE/BoringSSL\n\n");
            EnvoyVersion::printed(&text).unwrap()
        };
        assert_eq!(printed("1.36.4"), OLDEST);
        assert!(printed("1.9.0") < printed("1.36.4") && printed("1.36.4") < printed("1.40.0-dev"));
        assert_eq!(printed("1.40.0").to_string(), "1.40");
        assert_eq!(EnvoyVersion::printed("envoy: not found"), None);
    }

    #[test]
    fn a_feature_is_there_from_its_first_version_on() {
        let is_in = [(1, 37), (1, 38), (1, 40)].map(|(major, minor)| FILE_SERVER.is_in(EnvoyVersion(major, minor)));
        assert_eq!(is_in, [false, true, true]);
    }
}
