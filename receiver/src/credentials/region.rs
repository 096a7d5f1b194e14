//! Where the region is known from.

use acpw_config::Faults;

use super::{
    Call, Response,
    imds::ImdsSession,
    step::{Environment, variable},
};
use crate::endpoint::Region;

/// The region, or who is to be asked for it.
#[derive(Clone, Debug)]
pub enum RegionSource {
    /// The configuration or the environment has told it.
    Known(Region),
    /// EC2's metadata service is to tell it.
    Imds(RegionLookup),
}

/// A question for the metadata service.
#[derive(Clone, Debug)]
pub struct RegionLookup {
    session: ImdsSession,
    is_open: bool,
}

/// What a lookup says, given the last answer.
pub(crate) enum RegionStep {
    Call(Call),
    Found(Region),
    Failed(String),
}

impl RegionSource {
    /// The configured region, else that of `AWS_REGION`, else that of `AWS_DEFAULT_REGION`, else the instance's own where
    /// a provider leads to EC2's metadata service. None of them is a fault: a guess would publish to the wrong place.
    pub(crate) fn new(
        configured: Option<String>,
        environment: Environment<'_>,
        imds_cluster: Option<&str>,
        faults: &mut Faults,
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
                    faults.add(name, error);
                    None
                }
            },
            (None, Some(cluster)) => {
                Some(Self::Imds(RegionLookup { session: ImdsSession::new(cluster), is_open: false }))
            }
            (None, None) => {
                faults.add(
                    KEY,
                    "is required: give it here, or in AWS_REGION or AWS_DEFAULT_REGION among \
                     vm_config.environment_variables, or have the provider imds among credentials",
                );
                None
            }
        }
    }

    /// The region, once it is known.
    pub fn region(&self) -> Option<&Region> {
        match self {
            Self::Known(region) => Some(region),
            Self::Imds(_) => None,
        }
    }
}

impl RegionLookup {
    pub(crate) fn step(&mut self, answer: Option<&Response>) -> RegionStep {
        let Some(answer) = answer else {
            self.is_open = false;
            return RegionStep::Call(self.session.open());
        };
        if !self.is_open {
            return match self.session.opened(answer) {
                Ok(()) => {
                    self.is_open = true;
                    RegionStep::Call(self.session.read("/latest/meta-data/placement/region"))
                }
                Err(reason) => RegionStep::Failed(reason),
            };
        }
        match self.session.text(answer).map(|text| Region::new(text.unwrap_or_default().trim())) {
            Ok(Ok(region)) => RegionStep::Found(region),
            // What else it may be is not told: it may be a secret.
            Ok(Err(_)) => RegionStep::Failed("the metadata service answered with what is no region's name".to_owned()),
            Err(reason) => RegionStep::Failed(reason),
        }
    }
}
