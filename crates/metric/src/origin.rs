//! The attributes common to all data of one sender.

use crate::{
    Namespace, PublishTo,
    text::{check, checked_text},
};

/// The maximum length of a key attribute of an entity, in characters.
const MAX_ENTITY_TEXT_LENGTH: usize = 255;

checked_text! {
    /// A key attribute of an entity: 1 to 255 printable ASCII characters, not all spaces.
    EntityText, |text| check(text, MAX_ENTITY_TEXT_LENGTH)
}

/// A CloudWatch `Entity` of type `Service`, under which the CloudWatch console shows metrics.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entity {
    /// The key attribute `Name`.
    pub service: EntityText,
    /// The key attribute `Environment`.
    pub environment: EntityText,
}

/// The attributes common to all data of one sender.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The namespace, or `None` for the namespace in the receiver's configuration.
    pub namespace: Option<Namespace>,
    /// The entity that the data belong to.
    pub entity: Option<Entity>,
    /// The number of minutes after its last value for which a series of unit Count is published as zero. 0 disables
    /// zeros.
    pub zero_minutes: u16,
    /// The services to which the data are published, or `None` for those in the receiver's configuration.
    pub publish_to: Option<PublishTo>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_texts_have_1_to_255_characters() {
        for (length, fits) in [(0, false), (1, true), (254, true), (255, true), (256, false)] {
            assert_eq!(EntityText::new(&"e".repeat(length)).is_ok(), fits, "{length}");
        }
    }
}
