//! Keys that the providers `assume_role` and `web_identity` share.

use acpw_config::{Field, ValidationErrors};

use super::sts::Sts;

/// Keys that `assume_role` and `web_identity` share.
pub(crate) struct RoleKeys {
    pub(crate) cluster: Field<String>,
    pub(crate) sts_host: Field<String>,
    pub(crate) session_name: Option<String>,
}

/// A role to assume.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) sts: Sts,
    pub(crate) arn: String,
    pub(crate) session_name: String,
}

impl RoleKeys {
    /// Validates the keys and the ARN of the role.
    pub(crate) fn check(self, role_arn: String, path: &str, errors: &mut ValidationErrors) -> Option<Role> {
        const DEFAULT_SESSION_NAME: &str = "acpw";
        let cluster = self.cluster.required(format_args!("{path}.cluster"), errors);
        let host = self.sts_host.optional(format_args!("{path}.sts_host"), errors);
        let session_name = self.session_name.unwrap_or_else(|| DEFAULT_SESSION_NAME.to_owned());
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
        if !(2..=64).contains(&session_name.len()) || !session_name.bytes().all(is_name_byte) {
            let message = "must be 2 to 64 letters, digits or characters of \"_+=,.@-\"";
            errors.add(format_args!("{path}.session_name"), message);
        }
        let is_arn = role_arn.starts_with("arn:") && role_arn.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_arn && !role_arn.is_empty() {
            let message = "must be the ARN of a role, such as arn:aws:iam::123456789012:role/NAME";
            errors.add(format_args!("{path}.role_arn"), message);
        }
        if let Some(host) = host.as_deref().filter(|host| !crate::endpoint::is_host(host)) {
            let message =
                format!("must be a host name or address, optionally with a port, got \"{}\"", host.escape_default());
            errors.add(format_args!("{path}.sts_host"), message);
        }
        Some(Role { sts: Sts { cluster: cluster?, host }, arn: role_arn, session_name })
    }
}
