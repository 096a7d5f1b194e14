//! The release that is built: its version, the commit that it is built from, and where that comes from.

use std::{env, path::Path, process::Command};

/// The environment variable that has the commit while a module is compiled; `acpw_host::release` reads it there.
///
/// When it is set before the build, as in a container without Git, its value is taken in place of Git's.
pub(crate) const COMMIT: &str = "ACPW_COMMIT";

/// The environment variable that has the address of the sources, for the labels of images.
const SOURCE: &str = "ACPW_SOURCE";

/// The commit of sources that are in no Git repository.
const UNKNOWN: &str = "unknown";

/// Describes what is built. Builds of the same commit have the same description, whoever builds and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Release {
    /// The version of the workspace.
    pub(crate) version: &'static str,
    /// The first 12 digits of the commit, with `-dirty` if files differ from it; `unknown` without Git.
    pub(crate) commit: String,
    /// The time of the commit by RFC 3339, in UTC. `None` without Git.
    pub(crate) created: Option<String>,
    /// The address of the sources, if the environment has it.
    pub(crate) source: Option<String>,
}

impl Release {
    /// Describes the sources in a folder.
    pub(crate) fn of(sources: &Path) -> Self {
        let describe = ["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"];
        let time = ["show", "--no-patch", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%cd", "HEAD"];
        let commit = variable(COMMIT).or_else(|| git(sources, &describe)).unwrap_or_else(|| UNKNOWN.to_owned());
        Self { version: env!("CARGO_PKG_VERSION"), commit, created: git(sources, &time), source: variable(SOURCE) }
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns what Git prints, if it succeeds.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).env("TZ", "UTC").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| output.status.success() && !text.is_empty())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_commit_is_described_by_its_digits_and_time() {
        let folder = tempfile::tempdir().unwrap();
        let run = |arguments: &[&str]| {
            let mut git = Command::new("git");
            git.arg("-C").arg(folder.path()).args(["-c", "user.name=n", "-c", "user.email=e@example.com"]);
            let status = git.args(arguments).env("GIT_COMMITTER_DATE", "2026-08-01T02:00:00+02:00").status().unwrap();
            assert!(status.success(), "git {arguments:?}");
        };
        run(&["init", "--quiet"]);
        fs::write(folder.path().join("file"), "1").unwrap();
        run(&["add", "file"]);
        run(&["commit", "--quiet", "--message", "first"]);
        run(&["tag", "-a", "-m", "tag", "v9.9.9"]);

        let release = Release::of(folder.path());
        assert_eq!(release.commit.len(), 12, "{release:?}");
        assert!(release.commit.chars().all(|digit| digit.is_ascii_hexdigit()), "{release:?}");
        assert_eq!(release.created.as_deref(), Some("2026-08-01T00:00:00Z"));
        assert_eq!(Release::of(folder.path()), release);

        fs::write(folder.path().join("file"), "2").unwrap();
        assert_eq!(Release::of(folder.path()).commit, format!("{}-dirty", release.commit));
    }

    #[test]
    fn without_git_the_commit_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let release = Release::of(folder.path());
        assert_eq!((release.commit.as_str(), release.created), (UNKNOWN, None));
    }
}
