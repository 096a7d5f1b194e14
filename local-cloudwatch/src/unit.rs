//! `StandardUnit`: the units that CloudWatch accepts.

use crate::error::ApiError;
use crate::metric::invalid;
use crate::request_fields::RequestFields;

/// The names of all units, in the order of AWS's documentation.
const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

/// One of AWS's standard units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StandardUnit(&'static str);

impl StandardUnit {
    /// The unit of a datum that does not specify one.
    pub(crate) const NONE: Self = Self("None");

    /// Reads `Unit`. Returns `None` if the field is absent.
    pub(crate) fn read(fields: &RequestFields<'_>) -> Result<Option<Self>, ApiError> {
        let Some(name) = fields.text("Unit")? else { return Ok(None) };
        let unit = UNITS.iter().find(|unit| **unit == name).map(|unit| Self(unit));
        unit.map(Some).ok_or_else(|| {
            let (path, units) = (fields.path_of("Unit"), UNITS.join(", "));
            invalid(format!("The parameter {path} must be a value in the set [ {units} ]."))
        })
    }

    pub(crate) fn as_str(self) -> &'static str {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request_fields::TimeForm;
    use crate::wire_value::WireValue;

    #[test]
    fn all_standard_units_are_accepted() {
        let unit = |text: &str| {
            let request = WireValue::structure([("Unit", WireValue::text(text))]);
            StandardUnit::read(&RequestFields::root(&request, TimeForm::Number).unwrap()).map(Option::unwrap)
        };
        for name in UNITS {
            assert_eq!(unit(name).unwrap().as_str(), name);
        }
        let message = unit("count").unwrap_err().message().to_owned();
        assert!(
            message.starts_with("The parameter Unit must be a value in the set [ Seconds, Microseconds,"),
            "{message}"
        );
    }
}
