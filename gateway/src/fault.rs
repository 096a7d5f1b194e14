//! The faults of a request, as CloudWatch's API reports them.

use std::fmt::Write as _;

pub use acpw_config::{Path, PathStyle, ValidationError, ValidationErrorKind, ValidationErrors};

/// Returns a line for each fault, in AWS's words.
pub fn message(faults: &ValidationErrors) -> String {
    let mut message = String::new();
    for ValidationError { path, message: what, .. } in faults.listed() {
        let line = if message.is_empty() { "" } else { "\n" };
        // Writing to a `String` does not fail.
        let _ = match path.as_str() {
            "" => write!(message, "{line}The request {what}."),
            path => write!(message, "{line}The parameter {path} {what}."),
        };
    }
    if faults.more() > 0 {
        let _ = write!(message, "\nThere are {} more faults.", faults.more());
    }
    message
}

/// Returns the kind that an answer with one code names: what cannot be read comes before what breaks
/// a rule.
pub fn kind(faults: &ValidationErrors) -> ValidationErrorKind {
    let unreadable = faults.listed().iter().find(|fault| fault.kind == ValidationErrorKind::Type);
    unreadable.or(faults.listed().first()).map_or(ValidationErrorKind::Value, |fault| fault.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_in_the_words_of_aws() {
        let mut faults = ValidationErrors::new(PathStyle::Aws);
        let data = Path::Field(&Path::Root, "MetricData");
        faults.add_kind(ValidationErrorKind::Missing, Path::Field(&Path::Item(&data, 3), "MetricName"), "is required");
        faults.add_kind(ValidationErrorKind::Type, Path::Root, "must be an object");
        let expected = "The parameter MetricData.member.4.MetricName is required.\nThe request must be an object.";
        assert_eq!(message(&faults), expected);
        (0..1_000_000).for_each(|n| faults.add(Path::Item(&Path::Root, n), "is wrong"));
        assert!(message(&faults).ends_with("\nThere are 999802 more faults."));
    }

    #[test]
    fn what_cannot_be_read_names_the_code() {
        let mut faults = ValidationErrors::default();
        assert_eq!(kind(&faults), ValidationErrorKind::Value);
        faults.add_kind(ValidationErrorKind::Combination, Path::Root, "a");
        assert_eq!(kind(&faults), ValidationErrorKind::Combination);
        faults.add_kind(ValidationErrorKind::Type, Path::Root, "b");
        assert_eq!(kind(&faults), ValidationErrorKind::Type);
    }
}
