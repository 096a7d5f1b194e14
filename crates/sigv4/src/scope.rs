//! What a signature is good for.

use alloc::borrow::ToOwned;
use alloc::string::String;

use crate::error::{Field, FieldError};

/// The region and the service that a signature is limited to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    region: String,
    service: String,
}

impl Scope {
    /// `region` is the region's code (`us-east-1`) and `service` the service's *signing name* (`monitoring` for
    /// CloudWatch, `sts` for STS), which need not be what the endpoint's host name says.
    ///
    /// # Errors
    /// The first part, in this order, that is empty or has a character it cannot have.
    pub fn new(region: &str, service: &str) -> Result<Self, FieldError> {
        FieldError::check(Field::Region, region)?;
        FieldError::check(Field::Service, service)?;
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
        assert_eq!(Scope::new("", "sts"), Err(FieldError::Empty(Field::Region)));
        assert_eq!(Scope::new("us-east-1", ""), Err(FieldError::Empty(Field::Service)));
        assert_eq!(Scope::new("us-east-1/sts", "sts"), Err(FieldError::Character(Field::Region)));
        assert_eq!(Scope::new("us-east-1", "sts, x"), Err(FieldError::Character(Field::Service)));
        assert!(Scope::new("us-gov-west-1", "monitoring").is_ok());
    }
}
