//! Converts units of UCUM, which OpenTelemetry uses, into CloudWatch's.

use acpw_metric::Unit;

/// CloudWatch's names of units in UCUM.
const UNITS: [(&str, &str); 20] = [
    ("%", "Percent"),
    ("s", "Seconds"),
    ("ms", "Milliseconds"),
    ("us", "Microseconds"),
    ("By", "Bytes"),
    ("kBy", "Kilobytes"),
    ("MBy", "Megabytes"),
    ("GBy", "Gigabytes"),
    ("TBy", "Terabytes"),
    ("bit", "Bits"),
    ("kbit", "Kilobits"),
    ("Mbit", "Megabits"),
    ("Gbit", "Gigabits"),
    ("Tbit", "Terabits"),
    ("By/s", "Bytes/Second"),
    ("kBy/s", "Kilobytes/Second"),
    ("MBy/s", "Megabytes/Second"),
    ("GBy/s", "Gigabytes/Second"),
    ("bit/s", "Bits/Second"),
    ("1/s", "Count/Second"),
];

/// Returns CloudWatch's unit for one of UCUM, or [`Unit::NONE`] if it has no such unit. Values keep their scale.
///
/// An annotation such as `{request}` counts items, and so does the unit `1` of a sum.
pub(super) fn from_ucum(unit: &str, is_sum: bool) -> Unit {
    let is_annotation = |unit: &str| unit.len() > 1 && unit.starts_with('{') && unit.ends_with('}');
    let name = match unit {
        "1" if is_sum => "Count",
        unit if is_annotation(unit) => "Count",
        unit if unit.strip_suffix("/s").is_some_and(is_annotation) => "Count/Second",
        unit => UNITS.iter().find(|(known, _)| *known == unit).map_or("None", |(_, name)| *name),
    };
    Unit::from_name(name).unwrap_or(Unit::NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_ucum_become_cloudwatchs() {
        for (unit, name) in UNITS {
            assert_eq!(from_ucum(unit, false).as_str(), name, "{unit}");
        }
        for (unit, is_sum, name) in [
            ("1", true, "Count"),
            ("1", false, "None"),
            ("{request}", false, "Count"),
            ("{request}/s", true, "Count/Second"),
            ("", true, "None"),
            ("KiBy", false, "None"),
            ("Cel", false, "None"),
            ("{", false, "None"),
        ] {
            assert_eq!(from_ucum(unit, is_sum).as_str(), name, "{unit}");
        }
    }
}
