//! Units of measure, CloudWatch's `StandardUnit`.

/// A unit CloudWatch knows. Data of different units are different series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit(u8);

// A unit's place in this list is its code in a record: append only.
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
    /// A number without a unit; CloudWatch's default.
    pub const NONE: Self = Self(0);
    /// A number of things.
    pub const COUNT: Self = Self(1);
    /// A share of a whole, 0 to 100.
    pub const PERCENT: Self = Self(2);
    /// Time in seconds.
    pub const SECONDS: Self = Self(3);
    /// Time in milliseconds.
    pub const MILLISECONDS: Self = Self(5);
    /// Size in bytes.
    pub const BYTES: Self = Self(6);

    /// Every unit.
    pub fn all() -> impl Iterator<Item = Self> {
        (0u8..).zip(NAMES).map(|(code, _)| Self(code))
    }

    /// The unit of CloudWatch's name for it, exactly as written there.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|unit| unit.as_str() == name)
    }

    /// CloudWatch's name.
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
    fn the_named_constants_are_what_they_say() {
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
