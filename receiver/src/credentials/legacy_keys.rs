//! The keys of the first ACPW: `aws_access_key_id` and `aws_secret_access_key`, here or in the environment.

use acpw_config::{Faults, Secret};
use acpw_sigv4::{Credentials, Field, FieldError};

use super::{
    CredentialSet, Provider,
    environment::RawEnvironment,
    step::{Environment, ProviderSetup},
};

/// LegacyKeys as they are found, not yet known to be complete.
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
    /// Returns whether none of them is given.
    fn is_empty(&self) -> bool {
        let is_given = |secret: &Option<Secret>| secret.as_ref().is_some_and(|secret| !secret.expose().is_empty());
        let has_id = self.access_key_id.as_ref().is_some_and(|id| !id.is_empty());
        !has_id && !is_given(&self.secret_access_key) && !is_given(&self.session_token)
    }

    /// Returns the provider of a configuration without `credentials`: the keys of the configuration, each else from its variable
    /// with `ACPW_`; without any in the configuration, the provider `environment`.
    pub(crate) fn provider(self, environment: Environment<'_>, faults: &mut Faults) -> Option<Provider> {
        if self.is_empty() {
            match RawEnvironment::find("credentials", environment, faults)? {
                ProviderSetup::Provider(provider) => return Some(provider),
                // The faults of the keys say what is to be given.
                ProviderSetup::Missing(_) => {}
            }
        }
        from_keys(self, environment, faults).map(|keys| Provider::Static(CredentialSet::lasting(keys)))
    }

    /// Notes a fault for each that is given beside `credentials`, where none of them has an effect.
    pub(crate) fn refuse(&self, faults: &mut Faults) {
        let secret = |secret: &Option<Secret>| secret.as_ref().is_some_and(|secret| !secret.expose().is_empty());
        for (key, is_given) in [
            ("aws_access_key_id", self.access_key_id.as_ref().is_some_and(|id| !id.is_empty())),
            ("aws_secret_access_key", secret(&self.secret_access_key)),
            ("aws_session_token", secret(&self.session_token)),
        ] {
            if is_given {
                faults.add(key, "has no effect beside credentials: use the provider static there, or leave one out");
            }
        }
    }
}

/// Credentials from the configuration's keys, and from the environment for each that is not given there (or is empty).
/// Both kinds of name are told in a fault, the values never.
pub(crate) fn from_keys(
    keys: LegacyKeys,
    environment: impl Fn(&str) -> Option<String>,
    faults: &mut Faults,
) -> Option<Credentials> {
    let variable = |name: &str| environment(name).filter(|value| !value.is_empty());
    let given =
        |secret: Option<Secret>| secret.map(|secret| secret.expose().to_owned()).filter(|text| !text.is_empty());
    let configured_id = keys.access_key_id.filter(|id| !id.is_empty());
    // A token belongs to the key that it came with.
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
            faults.add(
                key,
                format_args!(
                    "is required: give it here, or give {name} or {} to Envoy and name it in \
                     vm_config.environment_variables.host_env_keys, or have a provider in credentials",
                    name.trim_start_matches("ACPW_")
                ),
            );
        }
    }
    match Credentials::new(&id?, &secret?, token.as_deref()) {
        Ok(credentials) => Some(credentials),
        Err(error) => {
            let (FieldError::Empty(field) | FieldError::Character(field)) = error;
            faults.add(format_args!("aws_{}", part_of(field)), error);
            None
        }
    }
}

/// What a part of the credentials is called in configurations.
pub(crate) fn part_of(field: Field) -> &'static str {
    match field {
        Field::AccessKeyId => "access_key_id",
        Field::SecretAccessKey => "secret_access_key",
        Field::SessionToken => "session_token",
        Field::Region | Field::Service => "region",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(keys: LegacyKeys, environment: &[(&str, &str)]) -> Result<Credentials, String> {
        let mut faults = Faults::default();
        let variable =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let credentials = from_keys(keys, variable, &mut faults);
        credentials.ok_or_else(|| faults.to_string())
    }

    fn keys(id: &str, secret: &str) -> LegacyKeys {
        LegacyKeys {
            access_key_id: Some(id.to_owned()),
            secret_access_key: Some(Secret::new(secret)),
            session_token: None,
        }
    }

    #[test]
    fn the_configuration_comes_before_the_environment() {
        let environment =
            [("ACPW_AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT"), ("ACPW_AWS_SECRET_ACCESS_KEY", "environment")];
        let from_both = found(keys("AKIDCONFIGURATION", "configuration"), &environment).unwrap();
        assert_eq!(from_both.access_key_id(), "AKIDCONFIGURATION");
        for keys in [LegacyKeys::default(), keys("", "")] {
            assert_eq!(found(keys, &environment).unwrap().access_key_id(), "AKIDENVIRONMENT");
        }
    }

    #[test]
    fn without_keys_both_names_are_told() {
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
    fn keys_that_cannot_be_signed_with_are_told_and_not_shown() {
        let error = found(keys("AKID", "wJalr\nXUtn"), &[]).unwrap_err();
        assert!(error.starts_with("aws_secret_access_key: "), "{error}");
        assert!(!error.contains("wJalr"), "{error}");
    }
}
