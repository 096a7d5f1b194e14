//! `Entity`: what a group of data belongs to. It is checked, not stored.

use crate::error::ApiError;
use crate::metric::{invalid, missing, too_large};
use crate::node::Fields;
use crate::quota::{MAX_ENTITY_ATTRIBUTES, MAX_ENTITY_KEY_ATTRIBUTES, MIN_ENTITY_KEY_ATTRIBUTES};

const KEY_ATTRIBUTES: [&str; 5] = ["Type", "ResourceType", "Identifier", "Name", "Environment"];

/// Checks the `Entity` of an `EntityMetricData` item.
pub(crate) fn check(item: &Fields<'_>) -> Result<(), ApiError> {
    let entity = item.structure("Entity")?.ok_or_else(|| missing(&item.path_of("Entity")))?;
    let key = entity.dictionary("KeyAttributes")?;
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
    if entity.dictionary("Attributes")?.len() > MAX_ENTITY_ATTRIBUTES {
        return Err(too_large(&entity.path_of("Attributes"), MAX_ENTITY_ATTRIBUTES));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Node, TimeForm};

    fn dictionary(names: impl IntoIterator<Item = String>) -> Node {
        Node::Map(names.into_iter().map(|name| (name, Node::text("v"))).collect())
    }

    fn is_good(key: usize, attributes: usize) -> bool {
        let key = dictionary(KEY_ATTRIBUTES.iter().take(key).map(|name| (*name).to_owned()));
        let attributes = dictionary((0..attributes).map(|n| n.to_string()));
        let entity = Node::map([("KeyAttributes", key), ("Attributes", attributes)]);
        let item = Node::map([("Entity", entity)]);
        check(&Fields::root(&item, TimeForm::Number).unwrap()).is_ok()
    }

    #[test]
    fn attributes_have_their_quotas() {
        assert_eq!([1, 2, 3, 4, 5].map(|n| is_good(n, 0)), [false, true, true, true, false]);
        assert_eq!([9, 10, 11].map(|n| is_good(2, n)), [true, true, false]);
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let key = dictionary(["Type".to_owned(), "Colour".to_owned()]);
        let item = Node::map([("Entity", Node::map([("KeyAttributes", key)]))]);
        assert!(check(&Fields::root(&item, TimeForm::Number).unwrap()).is_err());
        assert!(check(&Fields::root(&Node::map([]), TimeForm::Number).unwrap()).is_err());
    }
}
