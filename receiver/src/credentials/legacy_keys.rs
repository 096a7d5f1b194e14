//! The keys of the first version of ACPW: `aws_access_key_id` and `aws_secret_access_key`, in the configuration or the
//! environment.

use acpw_config::{Secret, ValidationErrors};
use acpw_sigv4::{Credentials, SigningField, SigningFieldError};

use super::{CredentialSet, Provider, environment::RawEnvironment, step::ProviderSetup};
use crate::environment::Environment;

/// Keys in the configuration, which may be incomplete.
#[derive(Debug, Default)]
pub struct LegacyKeys {
    /// `aws_access_key_id`
    pub access_key_id: Option<String>,
    /// `aws_secret_access_key`
    pub secret_access_key: Option<Secret>,
    /// `aws_session_token`
    pub session_token: Option<Secret>,
}

impl LegacyKeys {
    /// Returns true if none of the keys is set.
    fn is_empty(&self) -> bool {
        let is_given = |secret: &Option<Secret>| secret.as_ref().is_some_and(|secret| !secret.expose().is_empty());
        let has_id = self.access_key_id.as_ref().is_some_and(|id| !id.is_empty());
        !has_id && !is_given(&self.secret_access_key) && !is_given(&self.session_token)
    }

    /// Returns the provider for a configuration without `credentials`. Each key defaults to its environment variable
    /// with `ACPW_`. If no key is configured, the provider is `environment`.
    pub(crate) fn provider(self, environment: Environment<'_>, errors: &mut ValidationErrors) -> Option<Provider> {
        if self.is_empty() {
            match RawEnvironment::find("credentials", environment, errors)? {
                ProviderSetup::Ready(set) => return Some(Provider::Environment(set)),
                // The errors of the keys below say what to set.
                ProviderSetup::Missing(_) => {}
            }
        }
        from_keys(self, environment, errors).map(|keys| Provider::Static(CredentialSet::lasting(keys)))
    }

    /// Adds an error for each key that is set together with `credentials`, where it has no effect.
    pub(crate) fn refuse(&self, errors: &mut ValidationErrors) {
        let secret = |secret: &Option<Secret>| secret.as_ref().is_some_and(|secret| !secret.expose().is_empty());
        for (key, is_given) in [
            ("aws_access_key_id", self.access_key_id.as_ref().is_some_and(|id| !id.is_empty())),
            ("aws_secret_access_key", secret(&self.secret_access_key)),
            ("aws_session_token", secret(&self.session_token)),
        ] {
            if is_given {
                errors.add(
                    key,
                    "has no effect together with credentials; remove it, or use the provider static in credentials",
                );
            }
        }
    }
}

/// Returns credentials from the configuration, or from the environment for each key that is absent or empty. Errors
/// contain the names of keys and variables, but no values.
pub(crate) fn from_keys(
    keys: LegacyKeys,
    environment: impl Fn(&str) -> Option<String>,
    errors: &mut ValidationErrors,
) -> Option<Credentials> {
    let variable = |name: &str| environment(name).filter(|value| !value.is_empty());
    let given =
        |secret: Option<Secret>| secret.map(|secret| secret.expose().to_owned()).filter(|text| !text.is_empty());
    let configured_id = keys.access_key_id.filter(|id| !id.is_empty());
    // A token must come from the same source as its key.
    let token = match (given(keys.session_token), &configured_id) {
        (None, None) => variable("ACPW_AWS_SESSION_TOKEN"),
        (token, _) => token,
    };
    let id = configured_id.or_else(|| variable("ACPW_AWS_ACCESS_KEY_ID"));
    let secret = given(keys.secret_access_key).or_else(|| variable("ACPW_AWS_SECRET_ACCESS_KEY"));
    for (key, name, is_missing) in [
        ("aws_access_key_id", "ACPW_AWS_ACCESS_KEY_ID", id.is_none()),
        ("aws_secret_access_key", "ACPW_AWS_SECRET_ACCESS_KEY", secret.is_none()),
    ] {
        if is_missing {
            errors.add(
                key,
                format_args!(
                    "is required: set it here, or set {name} or {} for Envoy and list it in \
                     vm_config.environment_variables.host_env_keys, or configure credentials",
                    name.trim_start_matches("ACPW_")
                ),
            );
        }
    }
    match Credentials::new(&id?, &secret?, token.as_deref()) {
        Ok(credentials) => Some(credentials),
        Err(error) => {
            let (SigningFieldError::Empty(field) | SigningFieldError::Character(field)) = error;
            errors.add(format_args!("aws_{}", part_of(field)), error);
            None
        }
    }
}

/// Returns the name of a part of the credentials in configurations.
pub(crate) fn part_of(field: SigningField) -> &'static str {
    match field {
        SigningField::AccessKeyId => "access_key_id",
        SigningField::SecretAccessKey => "secret_access_key",
        SigningField::SessionToken => "session_token",
        SigningField::Region | SigningField::Service => "region",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(keys: LegacyKeys, environment: &[(&str, &str)]) -> Result<Credentials, String> {
        let mut errors = ValidationErrors::default();
        let variable =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let credentials = from_keys(keys, variable, &mut errors);
        credentials.ok_or_else(|| errors.to_string())
    }

    fn keys(id: &str, secret: &str) -> LegacyKeys {
        LegacyKeys {
            access_key_id: Some(id.to_owned()),
            secret_access_key: Some(Secret::new(secret)),
            session_token: None,
        }
    }

    #[test]
    fn the_configuration_takes_precedence_over_the_environment() {
        let environment =
            [("ACPW_AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT"), ("ACPW_AWS_SECRET_ACCESS_KEY", "environment")];
        let from_both = found(keys("AKIDCONFIGURATION", "configuration"), &environment).unwrap();
        assert_eq!(from_both.access_key_id(), "AKIDCONFIGURATION");
        for keys in [LegacyKeys::default(), keys("", "")] {
            assert_eq!(found(keys, &environment).unwrap().access_key_id(), "AKIDENVIRONMENT");
        }
    }

    #[test]
    fn missing_keys_are_reported_with_their_variables() {
        let error = found(LegacyKeys::default(), &[("ACPW_AWS_ACCESS_KEY_ID", "")]).unwrap_err();
        for name in [
            "aws_access_key_id: is required",
            "ACPW_AWS_ACCESS_KEY_ID",
            "aws_secret_access_key: is required",
            "ACPW_AWS_SECRET_ACCESS_KEY",
            "host_env_keys",
        ] {
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn invalid_keys_are_reported_but_not_shown() {
        let error = found(keys("AKID", "wJalr\nXUtn"), &[]).unwrap_err();
        assert!(error.starts_with("aws_secret_access_key: "), "{error}");
        assert!(!error.contains("wJalr"), "{error}");
    }
}
