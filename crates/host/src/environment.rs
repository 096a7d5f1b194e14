//! The environment of the VM.

/// Returns a variable of `vm_config.environment_variables`. A value that is not UTF-8 counts as absent.
#[allow(clippy::disallowed_methods, reason = "the modules read the environment here only")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
