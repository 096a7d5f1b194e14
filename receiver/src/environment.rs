//! Environment variables, which `vm_config.environment_variables` passes to the module's VM.

/// Returns the value of an environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Returns an environment variable if it is set and not empty.
pub(crate) fn variable(environment: Environment<'_>, name: &str) -> Option<String> {
    environment(name).filter(|value| !value.is_empty())
}
