//! Shared queues.

use proxy_wasm::{hostcalls, types::Status};

/// A queue that this VM registered or resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue(u32);

impl Queue {
    /// Registers the queue under this VM's `vm_id` and takes over its wake-ups. Records that are already in it stay.
    ///
    /// # Errors
    /// Any status of the host but `Ok`.
    pub fn register(name: &str) -> Result<Self, Status> {
        hostcalls::register_shared_queue(name).map(Self)
    }

    /// Resolves the queue that a VM of this `vm_id` registered.
    pub fn resolve(vm_id: &str, name: &str) -> Option<Self> {
        hostcalls::resolve_shared_queue(vm_id, name).ok().flatten().map(Self)
    }

    /// Takes the oldest record. Returns `None` if the queue is empty or gone.
    pub fn dequeue(self) -> Option<Vec<u8>> {
        hostcalls::dequeue_shared_queue(self.0).ok().flatten()
    }

    /// Adds a record at the end. An empty record is never added: `dequeue` could not tell it from an empty queue.
    ///
    /// # Errors
    /// The queue is gone; the record is not in it.
    pub fn enqueue(self, record: &[u8]) -> Result<(), Status> {
        if record.is_empty() {
            return Ok(());
        }
        hostcalls::enqueue_shared_queue(self.0, Some(record))
    }
}
