//! Reads the `Entity` of a group of data.

use acpw_config::comma_separated;
use acpw_metric::{Entity, EntityText};

use crate::{
    fault::{Path, ValidationErrorKind, ValidationErrors},
    fields::Fields,
    node::Node,
    rules::ReadContext,
};

/// CloudWatch's limit on entities per request.
pub const MAX_ENTITIES: usize = 2;

const KEYS: [&str; 5] = ["Type", "ResourceType", "Identifier", "Name", "Environment"];
const MIN_KEYS: usize = 2;
const MAX_KEYS: usize = 4;
const MAX_ATTRIBUTES: usize = 10;

/// Reads an entity.
///
/// The receiver can forward services only: entities of type `Service` with a `Name` and an `Environment`. The
/// CloudWatch console groups metrics by these.
pub fn read(
    node: &Node<'_>,
    path: &Path<'_>,
    context: &ReadContext<'_>,
    faults: &mut ValidationErrors,
) -> Option<Entity> {
    let fields = Fields::new(node, path, &["KeyAttributes", "Attributes"], context.unknown, faults)?;
    let keys_path = Path::Field(path, "KeyAttributes");
    let Some(keys) = fields.dictionary("KeyAttributes", faults) else {
        faults.add_kind(ValidationErrorKind::Missing, keys_path, "is required");
        return None;
    };
    let attributes = fields.dictionary("Attributes", faults).unwrap_or_default();
    if !(MIN_KEYS..=MAX_KEYS).contains(&keys.len()) {
        let message = format_args!("has {} items; CloudWatch accepts {MIN_KEYS} to {MAX_KEYS}", keys.len());
        faults.add_kind(ValidationErrorKind::Value, keys_path, message);
        return None;
    }
    if attributes.len() > MAX_ATTRIBUTES {
        let message = format_args!("has {} items; CloudWatch accepts at most {MAX_ATTRIBUTES}", attributes.len());
        faults.add_kind(ValidationErrorKind::Value, Path::Field(path, "Attributes"), message);
        return None;
    }
    if let Some((key, _)) = keys.iter().find(|(key, _)| !KEYS.contains(key)) {
        let key: String = key.chars().take(100).collect();
        let known = comma_separated(&mut KEYS.iter().copied());
        let message = format_args!("is not a known key; the known keys are {known}");
        faults.add_kind(ValidationErrorKind::Value, Path::Field(&keys_path, &key), message);
        return None;
    }
    let key = |name: &str| keys.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let (Some("Service"), Some(service), Some(environment), 3, true) =
        (key("Type"), key("Name"), key("Environment"), keys.len(), attributes.is_empty())
    else {
        let message = "must be Type (Service), Name and Environment, and the entity must have no Attributes; this \
                       gateway forwards no other entities";
        faults.add_kind(ValidationErrorKind::Value, keys_path, message);
        return None;
    };
    let mut text = |name: &str, value: &str| match EntityText::new(value) {
        Ok(text) => Some(text),
        Err(error) => {
            faults.add_kind(ValidationErrorKind::Value, Path::Field(&keys_path, name), error);
            None
        }
    };
    let (service, environment) = (text("Name", service), text("Environment", environment));
    Some(Entity { service: service?, environment: environment? })
}
