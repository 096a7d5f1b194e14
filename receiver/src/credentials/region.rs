//! Determines the region.

use acpw_config::ValidationErrors;

use super::{Call, Response, imds::ImdsSession};
use crate::endpoint::Region;
use crate::environment::{Environment, variable};

/// The source of the region.
#[derive(Clone, Debug)]
pub enum RegionSource {
    /// The region is known from the configuration or the environment.
    Known(Region),
    /// The region must be looked up in the EC2 metadata service.
    Imds(RegionLookup),
    /// No region is needed, because nothing is published to AWS.
    NotNeeded,
}

/// A lookup of the region in the EC2 metadata service.
#[derive(Clone, Debug)]
pub struct RegionLookup {
    session: ImdsSession,
    has_token: bool,
}

/// The result of a lookup's step.
pub(crate) enum RegionStep {
    Call(Call),
    Found(Region),
    Failed(String),
}

impl RegionSource {
    /// Returns the configured region, or that of `AWS_REGION`, or that of `AWS_DEFAULT_REGION`, or a lookup of the
    /// instance's region if a provider uses the EC2 metadata service. Without any of these it is an error if the region
    /// is needed, because a guess would publish to the wrong region.
    pub(crate) fn new(
        configured: Option<String>,
        is_needed: bool,
        environment: Environment<'_>,
        imds_cluster: Option<&str>,
        errors: &mut ValidationErrors,
    ) -> Option<Self> {
        const KEY: &str = "cloud_watch_region";
        let from_environment = || {
            let variables = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter();
            variables.filter_map(|name| Some((name, variable(environment, name)?))).next()
        };
        let found = configured.map(|region| (KEY, region)).or_else(from_environment);
        match (found, imds_cluster) {
            (Some((name, region)), _) => match Region::new(&region) {
                Ok(region) => Some(Self::Known(region)),
                Err(error) => {
                    errors.add(name, error);
                    None
                }
            },
            (None, _) if !is_needed => Some(Self::NotNeeded),
            (None, Some(cluster)) => {
                Some(Self::Imds(RegionLookup { session: ImdsSession::new(cluster), has_token: false }))
            }
            (None, None) => {
                errors.add(
                    KEY,
                    "is required: set it here, set AWS_REGION or AWS_DEFAULT_REGION in vm_config.environment_variables, or \
                     add the provider imds to credentials",
                );
                None
            }
        }
    }

    /// Returns the region, once it is known.
    pub fn region(&self) -> Option<&Region> {
        match self {
            Self::Known(region) => Some(region),
            Self::Imds(_) | Self::NotNeeded => None,
        }
    }
}

impl RegionLookup {
    pub(crate) fn step(&mut self, answer: Option<&Response>) -> RegionStep {
        let Some(answer) = answer else {
            self.has_token = false;
            return RegionStep::Call(self.session.request_token());
        };
        if !self.has_token {
            return match self.session.handle_token(answer) {
                Ok(()) => {
                    self.has_token = true;
                    RegionStep::Call(self.session.request("/latest/meta-data/placement/region"))
                }
                Err(reason) => RegionStep::Failed(reason),
            };
        }
        match self.session.text(answer).map(|text| Region::new(text.unwrap_or_default().trim())) {
            Ok(Ok(region)) => RegionStep::Found(region),
            // The response is not shown, because it may contain a secret.
            Ok(Err(_)) => RegionStep::Failed("the metadata service returned an invalid region".to_owned()),
            Err(reason) => RegionStep::Failed(reason),
        }
    }
}
