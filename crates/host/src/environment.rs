//! Environment variables of the VM.

/// Returns the value of an environment variable that `vm_config.environment_variables` passes to the VM. Returns `None`
/// if the variable is not set or not UTF-8.
#[allow(clippy::disallowed_methods, reason = "this is the only place where the modules read the environment")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
