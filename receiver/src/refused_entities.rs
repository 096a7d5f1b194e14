//! Entities that CloudWatch does not take.

use std::collections::VecDeque;

use acpw_metric::Entity;

/// Entities that are remembered. The first is forgotten for one more, which costs its data one more request.
const LIMIT: usize = 64;

/// Entities that CloudWatch has refused. Their data are sent as those of no entity.
#[derive(Debug, Default)]
pub struct RefusedEntities(VecDeque<Entity>);

impl RefusedEntities {
    /// Remembers an entity.
    pub fn add(&mut self, entity: Entity) {
        if self.contains(&entity) {
            return;
        }
        if self.0.len() >= LIMIT {
            self.0.pop_front();
        }
        self.0.push_back(entity);
    }

    /// Returns whether an entity is among them.
    pub fn contains(&self, entity: &Entity) -> bool {
        self.0.contains(entity)
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::EntityText;

    use super::*;

    #[test]
    fn entities_are_remembered_within_the_limit() {
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
