//! Checks comments, names, messages and documents against the language guide in CONTRIBUTING.md.
//!
//! It reports only what a program can judge without false alarms: the width of lines, the first word of summaries, and
//! expressions that the guide bans.

mod guide;
mod markdown;
mod rust;
mod words;

use std::{fmt, fs, path::Path, process::Command};

/// Files and directories that do not follow the guide yet. Remove an entry when its texts are rewritten.
const EXCLUDED: [&str; 1] = [
    // These files contain the expressions that the guide bans.
    "xtask/src/language",
];

/// A violation of the guide.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// The line number, starting at 1.
    line: usize,
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.message)
    }
}

/// Checks all Rust and Markdown files below `root` that git does not ignore. Returns a summary.
///
/// # Errors
/// Returns all findings, each with file and line, or an error if the files cannot be listed or read.
pub(crate) fn check(root: &Path) -> Result<String, String> {
    let mut findings = Vec::new();
    let files = files(root)?;
    for file in &files {
        let text = fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))?;
        let mut found = if file.ends_with(".md") { markdown::check(&text) } else { rust::check(&text) };
        found.sort();
        findings.extend(found.into_iter().map(|finding| format!("{file}:{finding}")));
    }
    if findings.is_empty() {
        return Ok(format!("{} files follow the language guide", files.len()));
    }
    let count = findings.len();
    Err(format!("{}\n{count} violations of the language guide in CONTRIBUTING.md", findings.join("\n")))
}

/// Returns the paths of the files to check, relative to `root`.
fn files(root: &Path) -> Result<Vec<String>, String> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.md", "*.rs"])
        .output()
        .map_err(|error| format!("cannot run git: {error}"))?;
    if !output.status.success() {
        return Err(format!("`git ls-files` failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let listed = String::from_utf8_lossy(&output.stdout);
    let files = listed.lines().filter(|file| !is_below(file, &EXCLUDED) && root.join(file).is_file());
    Ok(files.map(str::to_owned).collect())
}

/// Returns whether a file is one of `paths` or in one of these directories.
fn is_below(file: &str, paths: &[&str]) -> bool {
    paths.iter().any(|path| file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::root;

    #[test]
    fn an_exclusion_applies_to_a_file_or_a_whole_directory() {
        for (file, expected) in
            [("docs/metrics.md", true), ("docsx/metrics.md", false), ("sender/README.md", false), ("README.md", true)]
        {
            assert_eq!(is_below(file, &["README.md", "docs"]), expected, "{file}");
        }
    }

    #[test]
    fn every_exclusion_exists() {
        for excluded in EXCLUDED {
            assert!(root().join(excluded).exists(), "{excluded}");
        }
    }
}
