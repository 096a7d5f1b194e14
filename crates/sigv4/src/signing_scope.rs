//! The scope of a signature.

use alloc::borrow::ToOwned;
use alloc::string::String;

use crate::error::{SigningField, SigningFieldError};

/// The region and service for which a signature is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningScope {
    region: String,
    service: String,
}

impl SigningScope {
    /// Creates a scope.
    ///
    /// `region` is a region code such as `us-east-1`. `service` is the *signing name* of a service (`monitoring` for
    /// CloudWatch, `sts` for STS), which may differ from the endpoint's host name.
    ///
    /// # Errors
    /// Returns an error for the first part, in the order of the arguments, that is empty or contains a character that
    /// is not allowed.
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
    fn a_part_that_would_corrupt_the_credential_is_refused() {
        assert_eq!(SigningScope::new("", "sts"), Err(SigningFieldError::Empty(SigningField::Region)));
        assert_eq!(SigningScope::new("us-east-1", ""), Err(SigningFieldError::Empty(SigningField::Service)));
        assert_eq!(SigningScope::new("us-east-1/sts", "sts"), Err(SigningFieldError::Character(SigningField::Region)));
        assert_eq!(SigningScope::new("us-east-1", "sts, x"), Err(SigningFieldError::Character(SigningField::Service)));
        assert!(SigningScope::new("us-gov-west-1", "monitoring").is_ok());
    }
}
