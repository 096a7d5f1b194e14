//! The provider `environment`: keys in the module's environment variables.

use acpw_config::{ValidationErrors, object};
use acpw_sigv4::Credentials;

use super::{CredentialSet, step::ProviderSetup};
use crate::environment::{Environment, variable};

object! {
    /// Keys from the environment variables `ACPW_AWS_ACCESS_KEY_ID`, `ACPW_AWS_SECRET_ACCESS_KEY` and
    /// `ACPW_AWS_SESSION_TOKEN`, or otherwise from those without `ACPW_`.
    pub struct RawEnvironment {
        /// `environment`
        provider: String,
    }
}

impl RawEnvironment {
    pub(crate) fn check(
        self,
        path: &str,
        environment: Environment<'_>,
        errors: &mut ValidationErrors,
    ) -> Option<ProviderSetup<CredentialSet>> {
        Self::find(path, environment, errors)
    }

    /// Returns the keys in the environment. The variables of a prefix belong together; a token is never combined with a
    /// key of the other prefix.
    pub(crate) fn find(
        path: &str,
        environment: Environment<'_>,
        errors: &mut ValidationErrors,
    ) -> Option<ProviderSetup<CredentialSet>> {
        for prefix in ["ACPW_AWS_", "AWS_"] {
            let part = |name: &str| variable(environment, &[prefix, name].concat());
            let (id, secret) = match (part("ACCESS_KEY_ID"), part("SECRET_ACCESS_KEY")) {
                (Some(id), Some(secret)) => (id, secret),
                (None, None) => continue,
                (id, _) => {
                    let (given, missing) = match id {
                        Some(_) => ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"),
                        None => ("SECRET_ACCESS_KEY", "ACCESS_KEY_ID"),
                    };
                    errors.add(path, format_args!("{prefix}{given} is set but {prefix}{missing} is not; set both"));
                    return None;
                }
            };
            match Credentials::new(&id, &secret, part("SESSION_TOKEN").as_deref()) {
                Ok(credentials) => {
                    return Some(ProviderSetup::Ready(CredentialSet::lasting(credentials)));
                }
                Err(error) => {
                    errors.add(path, format_args!("{prefix}…: {error}"));
                    return None;
                }
            }
        }
        Some(ProviderSetup::Missing(
            "vm_config.environment_variables passes neither ACPW_AWS_ACCESS_KEY_ID and ACPW_AWS_SECRET_ACCESS_KEY nor \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to the VM"
                .to_owned(),
        ))
    }
}
