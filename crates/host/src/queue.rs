//! Shared queues.

use proxy_wasm::{hostcalls, types::Status};

/// A shared queue that this VM registered or resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue(u32);

impl Queue {
    /// Registers the queue under this VM's `vm_id`. From then on, Envoy calls this VM's `on_queue_ready`. Records that
    /// are already in the queue stay there.
    ///
    /// # Errors
    /// Returns the host's status if it is not `Ok`.
    pub fn register(name: &str) -> Result<Self, Status> {
        hostcalls::register_shared_queue(name).map(Self)
    }

    /// Resolves the queue that a VM with the given `vm_id` registered. Returns `None` if there is no such queue.
    pub fn resolve(vm_id: &str, name: &str) -> Option<Self> {
        hostcalls::resolve_shared_queue(vm_id, name).ok().flatten().map(Self)
    }

    /// Removes and returns the oldest record. Returns `None` if the queue is empty or no longer exists.
    pub fn dequeue(self) -> Option<Vec<u8>> {
        hostcalls::dequeue_shared_queue(self.0).ok().flatten()
    }

    /// Appends a record. Does nothing if the record is empty, because `dequeue` could not distinguish it from an empty
    /// queue.
    ///
    /// # Errors
    /// Returns an error if the queue no longer exists. The record is not enqueued.
    pub fn enqueue(self, record: &[u8]) -> Result<(), Status> {
        if record.is_empty() {
            return Ok(());
        }
        hostcalls::enqueue_shared_queue(self.0, Some(record))
    }
}
