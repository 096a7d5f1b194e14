//! The release that a module is of.

/// Commit of the sources: 12 digits, with `-dirty` if files differed from it, or `unknown` if the build had none.
const COMMIT: &str = match option_env!("ACPW_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// Returns the version and the commit of the module, for its first log line: `0.1.0 (0123456789ab)`.
pub fn release() -> String {
    format!("{} ({COMMIT})", env!("CARGO_PKG_VERSION"))
}
