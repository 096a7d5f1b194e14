//! The entities that CloudWatch refuses.

use std::collections::VecDeque;

use acpw_metric::Entity;

/// The maximum number of entities. The oldest one is replaced, which costs one refused request when its data is sent
/// again.
const LIMIT: usize = 64;

/// The entities that CloudWatch has refused. Their data is sent without an entity.
#[derive(Debug, Default)]
pub struct RefusedEntities(VecDeque<Entity>);

impl RefusedEntities {
    /// Adds an entity.
    pub fn add(&mut self, entity: Entity) {
        if self.contains(&entity) {
            return;
        }
        if self.0.len() >= LIMIT {
            self.0.pop_front();
        }
        self.0.push_back(entity);
    }

    /// Returns true if CloudWatch has refused this entity.
    pub fn contains(&self, entity: &Entity) -> bool {
        self.0.contains(entity)
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::EntityText;

    use super::*;

    #[test]
    fn the_oldest_entity_is_replaced_at_the_limit() {
        let entity = |n: usize| {
            let text = |text: &str| EntityText::new(text).unwrap();
            Entity { service: text(&n.to_string()), environment: text("e") }
        };
        let mut refused = RefusedEntities::default();
        for n in 0..=LIMIT {
            refused.add(entity(n));
            refused.add(entity(n));
        }
        assert!(!refused.contains(&entity(0)));
        assert!((1..=LIMIT).all(|n| refused.contains(&entity(n))));
    }
}
