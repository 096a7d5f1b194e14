//! The provider `shared_file`: a profile in the shared credentials file, which is read at each refresh.

use acpw_config::{Secret, ValidationErrors, object};
use acpw_sigv4::Credentials;

use super::{
    CredentialSet, Response,
    file::ServedFile,
    profile::{FileKind, Profile, find_profile},
    step::{ProviderSetup, ProviderStep},
};
use crate::environment::{Environment, variable};

object! {
    /// A profile in the shared credentials file, or otherwise in the shared config file.
    pub struct RawSharedFile {
        /// `shared_file`
        provider: String,
        /// The Envoy cluster of the file server. Required.
        file_cluster: String,
        /// The path of the credentials file. Default: `AWS_SHARED_CREDENTIALS_FILE`, or `.aws/credentials` in `HOME`.
        credentials_file: String,
        /// The path of the config file, which is read if the credentials file lacks the profile. Default:
        /// `AWS_CONFIG_FILE`, or none.
        config_file: String,
        /// The name of the profile. Default: `AWS_PROFILE`, or `default`.
        profile: String,
    }
}

/// Reads the keys of a profile. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct SharedFile {
    credentials_file: ServedFile,
    config_file: Option<ServedFile>,
    profile: String,
    reads: FileKind,
}

impl RawSharedFile {
    pub(crate) fn check(
        self,
        path: &str,
        environment: Environment<'_>,
        errors: &mut ValidationErrors,
    ) -> Option<ProviderSetup<SharedFile>> {
        let at = |key: &str| format!("{path}.{key}");
        let cluster = self.file_cluster.optional(at("file_cluster"), errors);
        let profile = self.profile.optional(at("profile"), errors).or_else(|| variable(environment, "AWS_PROFILE"));
        let config_file = self.config_file.optional(at("config_file"), errors);
        let config_file = config_file.or_else(|| variable(environment, "AWS_CONFIG_FILE"));
        let home =
            || variable(environment, "HOME").map(|home| format!("{}/.aws/credentials", home.trim_end_matches('/')));
        let credentials_file = self.credentials_file.optional(at("credentials_file"), errors);
        let credentials_file =
            credentials_file.or_else(|| variable(environment, "AWS_SHARED_CREDENTIALS_FILE")).or_else(home);
        let Some(credentials_file) = credentials_file else {
            return Some(ProviderSetup::Missing(
                "credentials_file is not set, and vm_config.environment_variables passes neither \
                 AWS_SHARED_CREDENTIALS_FILE nor HOME to the VM"
                    .to_owned(),
            ));
        };
        let credentials_file =
            ServedFile::from_keys(cluster.clone(), &credentials_file, "credentials_file", path, errors);
        let config_file = match config_file {
            Some(file) => Some(ServedFile::from_keys(cluster, &file, "config_file", path, errors)?),
            None => None,
        };
        let profile = profile.unwrap_or_else(|| "default".to_owned());
        let reads = FileKind::Credentials;
        let shared_file = SharedFile { credentials_file: credentials_file?, config_file, profile, reads };
        Some(ProviderSetup::Ready(shared_file))
    }
}

impl SharedFile {
    pub(crate) fn step(&mut self, answer: Option<&Response>) -> ProviderStep {
        let Some(answer) = answer else {
            self.reads = FileKind::Credentials;
            return ProviderStep::Call(self.credentials_file.read());
        };
        let file = match (self.reads, &self.config_file) {
            (FileKind::Config, Some(file)) => file,
            _ => &self.credentials_file,
        };
        let found = match file.content(answer) {
            Ok(Some(text)) => find_profile(text, self.reads, &self.profile).map_err(|error| error.to_string()),
            Ok(None) => Ok(None),
            Err(reason) => return ProviderStep::soon(reason),
        };
        let found = found.and_then(|profile| profile.map_or(Ok(None), |profile| set(&profile)));
        match (found, self.reads, &self.config_file) {
            (Ok(Some(set)), ..) => ProviderStep::Ready(set),
            (Err(reason), ..) => ProviderStep::soon(format!("{}, profile {}: {reason}", file.path(), self.profile)),
            (Ok(None), FileKind::Credentials, Some(config_file)) => {
                self.reads = FileKind::Config;
                ProviderStep::Call(config_file.read())
            }
            (Ok(None), ..) => ProviderStep::NotLoaded(self.not_found()),
        }
    }

    fn not_found(&self) -> String {
        let or_config = self.config_file.as_ref().map(|file| format!(" or {}", file.path())).unwrap_or_default();
        format!("no keys for profile {} in {}{or_config}", self.profile, self.credentials_file.path())
    }
}

/// Returns the keys of a profile as a set, or `None` if it has no keys. An empty value counts as absent.
fn set(profile: &Profile) -> Result<Option<CredentialSet>, String> {
    let secret = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let id = filled(profile.access_key_id.clone());
    let (id, key) = match (id, filled(secret(&profile.secret_access_key))) {
        (Some(id), Some(key)) => (id, key),
        (None, None) => return Ok(None),
        (Some(_), None) => return Err("aws_secret_access_key is missing".to_owned()),
        (None, Some(_)) => return Err("aws_access_key_id is missing".to_owned()),
    };
    let token = filled(secret(&profile.session_token));
    let credentials = Credentials::new(&id, &key, token.as_deref()).map_err(|error| error.to_string())?;
    Ok(Some(CredentialSet::lasting(credentials)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_needs_both_keys_or_none() {
        let profile = |id: &str, secret: &str| Profile {
            access_key_id: Some(id.to_owned()),
            secret_access_key: Some(Secret::new(secret)),
            session_token: None,
        };
        assert!(set(&profile("", "")).unwrap().is_none());
        assert_eq!(set(&profile("A", "s")).unwrap().unwrap().credentials.access_key_id(), "A");
        assert_eq!(set(&profile("A", "")).unwrap_err(), "aws_secret_access_key is missing");
        assert_eq!(set(&profile("", "s")).unwrap_err(), "aws_access_key_id is missing");
    }
}
