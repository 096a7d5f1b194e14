//! Flushes that others ask for, one after another.

use crate::Publisher;
use acpw_metric::{Now, shared::FLUSH_SETTLE};
use serde::Serialize;

/// A flush that came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FlushDone {
    /// The number up to which flushes are done.
    pub id: u64,
    /// How many values are held now: they came after it was asked for.
    pub held: u64,
}

/// Follows the number of flushes that were asked for.
#[derive(Debug, Default)]
pub struct Flushes {
    done: u64,
    current: Option<u64>,
}

impl Flushes {
    /// Starts a flush when there is one to be done and none under way, and says when one has come to its end. What is asked
    /// for meanwhile is done by the next one.
    pub fn poll(&mut self, requested: u64, publisher: &mut Publisher, now: Now) -> Option<FlushDone> {
        match self.current {
            None if requested > self.done => {
                publisher.flush(FLUSH_SETTLE, now);
                self.current = Some(requested);
                None
            }
            Some(id) if requested > id && publisher.is_flush_held_up() => {
                publisher.flush(FLUSH_SETTLE, now);
                self.current = Some(requested);
                None
            }
            Some(id) if publisher.is_flushed(now) => {
                self.current = None;
                self.done = id;
                Some(FlushDone { id, held: publisher.held() })
            }
            _ => None,
        }
    }
}
