//! What a signature is good for.

use alloc::borrow::ToOwned;
use alloc::string::String;

use crate::error::{SigningField, SigningFieldError};

/// The region and the service that a signature is limited to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningScope {
    region: String,
    service: String,
}

impl SigningScope {
    /// `region` is the region's code (`us-east-1`) and `service` the service's *signing name* (`monitoring` for
    /// CloudWatch, `sts` for STS), which need not be what the endpoint's host name says.
    ///
    /// # Errors
    /// The first part, in this order, that is empty or has a character it cannot have.
    pub fn new(region: &str, service: &str) -> Result<Self, SigningFieldError> {
        SigningFieldError::check(SigningField::Region, region)?;
        SigningFieldError::check(SigningField::Service, service)?;
        Ok(Self { region: region.to_owned(), service: service.to_owned() })
    }

    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    pub(crate) fn service(&self) -> &str {
        &self.service
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_would_break_the_credential_is_refused() {
        assert_eq!(SigningScope::new("", "sts"), Err(SigningFieldError::Empty(SigningField::Region)));
        assert_eq!(SigningScope::new("us-east-1", ""), Err(SigningFieldError::Empty(SigningField::Service)));
        assert_eq!(SigningScope::new("us-east-1/sts", "sts"), Err(SigningFieldError::Character(SigningField::Region)));
        assert_eq!(SigningScope::new("us-east-1", "sts, x"), Err(SigningFieldError::Character(SigningField::Service)));
        assert!(SigningScope::new("us-gov-west-1", "monitoring").is_ok());
    }
}
