//! AWS's hosts for a region.

use std::fmt;

/// The name of an AWS region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region(String);

/// The prefixes of region names and the domains of their partitions, from AWS's partition table. All other regions
/// belong to the partition `aws`, as in AWS's SDKs.
const PARTITIONS: [(&str, &str); 7] = [
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("us-gov-", "amazonaws.com"),
];

impl Region {
    /// Parses the name of a region, such as `eu-central-1`.
    ///
    /// # Errors
    /// Returns an error if the text does not have the form of a region's name.
    pub fn new(name: &str) -> Result<Self, RegionError> {
        let parts: Vec<&str> = name.split('-').collect();
        let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
        let is_region = match parts.as_slice() {
            [words @ .., number] => {
                words.len() >= 2
                    && words.iter().all(is_word)
                    && !number.is_empty()
                    && number.bytes().all(|byte| byte.is_ascii_digit())
            }
            [] => false,
        };
        if is_region { Ok(Self(name.to_owned())) } else { Err(RegionError(name.to_owned())) }
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the host of CloudWatch's API in this region.
    pub fn cloud_watch_host(&self) -> String {
        self.host("monitoring")
    }

    /// Returns the host of STS in this region.
    pub fn sts_host(&self) -> String {
        self.host("sts")
    }

    fn host(&self, service: &str) -> String {
        let domain = PARTITIONS.iter().find(|(prefix, _)| self.0.starts_with(prefix));
        format!("{service}.{}.{}", self.0, domain.map_or("amazonaws.com", |(_, domain)| *domain))
    }
}

/// Returns the region in the name of a CloudWatch host: `monitoring.REGION.…`, or a VPC endpoint's
/// `vpce-….monitoring.REGION.vpce.…`.
pub fn region_of_host(host: &str) -> Option<Region> {
    let mut labels = host.split('.');
    labels.find(|label| matches!(*label, "monitoring" | "monitoring-fips"))?;
    Region::new(labels.next()?).ok()
}

/// A text that is not the name of a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionError(String);

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is not a region; write one such as us-east-1", self.0.escape_default())
    }
}

impl std::error::Error for RegionError {}

/// Returns whether a text is a host name or an address, with or without a port.
pub(crate) fn is_host(host: &str) -> bool {
    let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    !host.is_empty() && host.bytes().all(is_host_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_its_domain() {
        let hosts = [
            ("us-east-1", "monitoring.us-east-1.amazonaws.com"),
            ("ap-northeast-1", "monitoring.ap-northeast-1.amazonaws.com"),
            ("mx-central-1", "monitoring.mx-central-1.amazonaws.com"),
            ("cn-north-1", "monitoring.cn-north-1.amazonaws.com.cn"),
            ("us-gov-west-1", "monitoring.us-gov-west-1.amazonaws.com"),
            ("eusc-de-east-1", "monitoring.eusc-de-east-1.amazonaws.eu"),
            ("us-iso-east-1", "monitoring.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", "monitoring.us-isob-east-1.sc2s.sgov.gov"),
            ("eu-isoe-west-1", "monitoring.eu-isoe-west-1.cloud.adc-e.uk"),
            ("us-isof-south-1", "monitoring.us-isof-south-1.csp.hci.ic.gov"),
        ];
        for (region, host) in hosts {
            let region = Region::new(region).unwrap();
            assert_eq!(region.cloud_watch_host(), host);
            assert_eq!(region_of_host(host), Some(region));
        }
    }

    #[test]
    fn invalid_region_names_are_refused() {
        for name in
            ["", "us", "us-east", "us-east-", "us-east-1a", "US-EAST-1", "us_east_1", "-east-1", "us-1", "us east-1"]
        {
            assert_eq!(Region::new(name), Err(RegionError(name.to_owned())), "{name}");
        }
    }

    #[test]
    fn the_region_is_found_in_the_name_of_a_host() {
        let vpc = "vpce-0a1b-xyz.monitoring.eu-west-1.vpce.amazonaws.com";
        assert_eq!(region_of_host(vpc), Region::new("eu-west-1").ok());
        assert_eq!(region_of_host("monitoring-fips.us-east-2.amazonaws.com"), Region::new("us-east-2").ok());
        for host in ["localhost:4582", "127.0.0.1:4582", "monitoring.local", "cloudwatch"] {
            assert_eq!(region_of_host(host), None, "{host}");
        }
    }
}
