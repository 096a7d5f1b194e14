//! Describes the faults of a request as CloudWatch's API does.

use std::fmt::Write as _;

pub use acpw_config::{Fault, FaultKind, Faults, Path, PathStyle};

/// Returns one line per fault, in AWS's wording.
pub fn message(faults: &Faults) -> String {
    let mut message = String::new();
    for Fault { path, message: what, .. } in faults.listed() {
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
pub fn kind(faults: &Faults) -> FaultKind {
    let unreadable = faults.listed().iter().find(|fault| fault.kind == FaultKind::Type);
    unreadable.or(faults.listed().first()).map_or(FaultKind::Value, |fault| fault.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_described_in_the_wording_of_aws() {
        let mut faults = Faults::new(PathStyle::Aws);
        let data = Path::Field(&Path::Root, "MetricData");
        faults.add_kind(FaultKind::Missing, Path::Field(&Path::Item(&data, 3), "MetricName"), "is required");
        faults.add_kind(FaultKind::Type, Path::Root, "must be an object");
        let expected = "The parameter MetricData.member.4.MetricName is required.\nThe request must be an object.";
        assert_eq!(message(&faults), expected);
        (0..1_000_000).for_each(|n| faults.add(Path::Item(&Path::Root, n), "is wrong"));
        assert!(message(&faults).ends_with("\n999802 more faults are not listed."));
    }

    #[test]
    fn an_unreadable_value_determines_the_error_code() {
        let mut faults = Faults::default();
        assert_eq!(kind(&faults), FaultKind::Value);
        faults.add_kind(FaultKind::Combination, Path::Root, "a");
        assert_eq!(kind(&faults), FaultKind::Combination);
        faults.add_kind(FaultKind::Type, Path::Root, "b");
        assert_eq!(kind(&faults), FaultKind::Type);
    }
}
