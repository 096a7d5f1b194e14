//! Units of measure.

/// A unit of measure, CloudWatch's `StandardUnit`. Data with different units belong to different series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit(u8);

// The index of a unit in this list is its code in a record, so new units must be appended.
const NAMES: [&str; 27] = [
    "None",
    "Count",
    "Percent",
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
];

impl Unit {
    /// No unit, CloudWatch's default.
    pub const NONE: Self = Self(0);
    /// A number of items.
    pub const COUNT: Self = Self(1);
    /// A percentage, 0 to 100.
    pub const PERCENT: Self = Self(2);
    /// A time in seconds.
    pub const SECONDS: Self = Self(3);
    /// A time in milliseconds.
    pub const MILLISECONDS: Self = Self(5);
    /// A size in bytes.
    pub const BYTES: Self = Self(6);

    /// Returns all units.
    pub fn all() -> impl Iterator<Item = Self> {
        (0u8..).zip(NAMES).map(|(code, _)| Self(code))
    }

    /// Returns the unit with the given CloudWatch name, which is case-sensitive.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|unit| unit.as_str() == name)
    }

    /// Returns CloudWatch's name of the unit.
    pub fn as_str(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or("None")
    }

    pub(crate) fn code(self) -> u8 {
        self.0
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        (usize::from(code) < NAMES.len()).then_some(Self(code))
    }
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_found_by_its_name_and_its_code() {
        assert_eq!(Unit::all().count(), NAMES.len());
        for unit in Unit::all() {
            assert_eq!(Unit::from_name(unit.as_str()), Some(unit));
            assert_eq!(Unit::from_code(unit.code()), Some(unit));
        }
        assert_eq!(Unit::from_code(27), None);
        assert_eq!(Unit::from_name("count"), None);
    }

    #[test]
    fn each_constant_has_the_name_of_its_unit() {
        let named = [
            (Unit::NONE, "None"),
            (Unit::COUNT, "Count"),
            (Unit::PERCENT, "Percent"),
            (Unit::SECONDS, "Seconds"),
            (Unit::MILLISECONDS, "Milliseconds"),
            (Unit::BYTES, "Bytes"),
        ];
        for (unit, name) in named {
            assert_eq!(unit.as_str(), name);
        }
    }
}
