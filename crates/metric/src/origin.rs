//! Where data come from, as far as CloudWatch or the receiver is told: what one sender's records have in common.

use crate::{
    Namespace,
    text::{check, checked_text},
};

/// Characters of an attribute of an entity.
const MAX_ENTITY_TEXT_LENGTH: usize = 255;

checked_text! {
    /// A key attribute of an entity: 1 to 255 printable ASCII characters, not all spaces.
    EntityText, |text| check(text, MAX_ENTITY_TEXT_LENGTH)
}

/// CloudWatch's `Entity` of type `Service`: what its console shows the metrics under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entity {
    /// The key attribute `Name`.
    pub service: EntityText,
    /// The key attribute `Environment`.
    pub environment: EntityText,
}

/// What all data of one sender have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The namespace; `None` is the one that the receiver is configured with.
    pub namespace: Option<Namespace>,
    /// What they belong to.
    pub entity: Option<Entity>,
    /// For how many minutes after its last value a series of unit Count is published as zero; none at 0.
    pub zero_minutes: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_bounded() {
        for (length, fits) in [(0, false), (1, true), (254, true), (255, true), (256, false)] {
            assert_eq!(EntityText::new(&"e".repeat(length)).is_ok(), fits, "{length}");
        }
    }
}
