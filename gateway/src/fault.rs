//! Describes the faults of a request as CloudWatch's API does.

use std::fmt::Write as _;

pub use acpw_config::{Path, PathStyle, ValidationError, ValidationErrorKind, ValidationErrors};

/// Returns one line per fault, in AWS's wording.
pub fn message(faults: &ValidationErrors) -> String {
    let mut message = String::new();
    for ValidationError { path, message: what, .. } in faults.listed() {
        let separator = if message.is_empty() { "" } else { "\n" };
        // Writing to a `String` cannot fail.
        let _ = match path.as_str() {
            "" => write!(message, "{separator}The request {what}."),
            path => write!(message, "{separator}The parameter {path} {what}."),
        };
    }
    if faults.more() > 0 {
        let _ = write!(message, "\n{} more faults are not listed.", faults.more());
    }
    message
}

/// Returns the kind of fault that determines the error code. A value that cannot be read takes precedence over one that
/// breaks a rule.
pub fn kind(faults: &ValidationErrors) -> ValidationErrorKind {
    let unreadable = faults.listed().iter().find(|fault| fault.kind == ValidationErrorKind::Type);
    unreadable.or(faults.listed().first()).map_or(ValidationErrorKind::Value, |fault| fault.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_described_in_the_wording_of_aws() {
        let mut faults = ValidationErrors::new(PathStyle::Aws);
        let data = Path::Field(&Path::Root, "MetricData");
        faults.add_kind(ValidationErrorKind::Missing, Path::Field(&Path::Item(&data, 3), "MetricName"), "is required");
        faults.add_kind(ValidationErrorKind::Type, Path::Root, "must be an object");
        let expected = "The parameter MetricData.member.4.MetricName is required.\nThe request must be an object.";
        assert_eq!(message(&faults), expected);
        (0..1_000_000).for_each(|n| faults.add(Path::Item(&Path::Root, n), "is wrong"));
        assert!(message(&faults).ends_with("\n999802 more faults are not listed."));
    }

    #[test]
    fn an_unreadable_value_determines_the_error_code() {
        let mut faults = ValidationErrors::default();
        assert_eq!(kind(&faults), ValidationErrorKind::Value);
        faults.add_kind(ValidationErrorKind::Combination, Path::Root, "a");
        assert_eq!(kind(&faults), ValidationErrorKind::Combination);
        faults.add_kind(ValidationErrorKind::Type, Path::Root, "b");
        assert_eq!(kind(&faults), ValidationErrorKind::Type);
    }
}
