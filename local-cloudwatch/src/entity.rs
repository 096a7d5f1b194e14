//! Validates `Entity`, the resource that a group of data belongs to. Entities are not stored.

use crate::error::ApiError;
use crate::metric::{invalid, missing, too_large};
use crate::quota::{MAX_ENTITY_ATTRIBUTES, MAX_ENTITY_KEY_ATTRIBUTES, MIN_ENTITY_KEY_ATTRIBUTES};
use crate::request_fields::RequestFields;

const KEY_ATTRIBUTES: [&str; 5] = ["Type", "ResourceType", "Identifier", "Name", "Environment"];

/// Validates the `Entity` of an `EntityMetricData` item.
pub(crate) fn check(item: &RequestFields<'_>) -> Result<(), ApiError> {
    let entity = item.structure("Entity")?.ok_or_else(|| missing(&item.path_of("Entity")))?;
    let key = entity.string_map("KeyAttributes")?;
    let path = entity.path_of("KeyAttributes");
    if key.len() < MIN_ENTITY_KEY_ATTRIBUTES {
        return Err(invalid(format!(
            "The collection {path} must not have a size less than {MIN_ENTITY_KEY_ATTRIBUTES}."
        )));
    }
    if key.len() > MAX_ENTITY_KEY_ATTRIBUTES {
        return Err(too_large(&path, MAX_ENTITY_KEY_ATTRIBUTES));
    }
    if let Some((name, _)) = key.iter().find(|(name, _)| !KEY_ATTRIBUTES.contains(name)) {
        return Err(invalid(format!("The parameter {path} must not have the key {name}.")));
    }
    if let Some((name, _)) = key.iter().find(|(_, value)| value.is_empty()) {
        return Err(invalid(format!("The parameter {path}.{name} must not be empty.")));
    }
    if entity.string_map("Attributes")?.len() > MAX_ENTITY_ATTRIBUTES {
        return Err(too_large(&entity.path_of("Attributes"), MAX_ENTITY_ATTRIBUTES));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request_fields::TimeForm;
    use crate::wire_value::WireValue;

    fn dictionary(names: impl IntoIterator<Item = String>) -> WireValue {
        WireValue::Structure(names.into_iter().map(|name| (name, WireValue::text("v"))).collect())
    }

    fn is_valid(key: usize, attributes: usize) -> bool {
        let key = dictionary(KEY_ATTRIBUTES.iter().take(key).map(|name| (*name).to_owned()));
        let attributes = dictionary((0..attributes).map(|n| n.to_string()));
        let entity = WireValue::structure([("KeyAttributes", key), ("Attributes", attributes)]);
        let item = WireValue::structure([("Entity", entity)]);
        check(&RequestFields::root(&item, TimeForm::Number).unwrap()).is_ok()
    }

    #[test]
    fn attribute_counts_have_quotas() {
        assert_eq!([1, 2, 3, 4, 5].map(|n| is_valid(n, 0)), [false, true, true, true, false]);
        assert_eq!([9, 10, 11].map(|n| is_valid(2, n)), [true, true, false]);
    }

    #[test]
    fn an_unknown_key_is_rejected() {
        let key = dictionary(["Type".to_owned(), "Colour".to_owned()]);
        let item = WireValue::structure([("Entity", WireValue::structure([("KeyAttributes", key)]))]);
        assert!(check(&RequestFields::root(&item, TimeForm::Number).unwrap()).is_err());
        assert!(check(&RequestFields::root(&WireValue::structure([]), TimeForm::Number).unwrap()).is_err());
    }
}
