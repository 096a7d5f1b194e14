//! The environment of the VM: `vm_config.environment_variables`.

/// A variable of `vm_config.environment_variables`. One that is not UTF-8 is as absent.
///
/// (The standard library's way has 2,000 bytes more, in every module.)
#[cfg(target_arch = "wasm32")]
pub fn environment(name: &str) -> Option<String> {
    find(&crate::abi::environment()?, name)
}

/// The value of the variable among all, each of which is `NAME=value` with a NUL after it.
fn find(variables: &[u8], name: &str) -> Option<String> {
    let value = variables
        .split(|byte| *byte == 0)
        .find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    String::from_utf8(value.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let variables = b"KEY=value\0KEY_ID=a=b\0EMPTY=\0BAD=\xff\0";
        assert_eq!(find(variables, "KEY").as_deref(), Some("value"));
        assert_eq!(find(variables, "KEY_ID").as_deref(), Some("a=b"));
        assert_eq!(find(variables, "EMPTY").as_deref(), Some(""));
        for name in ["KE", "KEY_", "BAD", "value", "NONE"] {
            assert_eq!(find(variables, name), None, "{name}");
        }
        assert_eq!(find(b"", "KEY"), None);
    }
}
