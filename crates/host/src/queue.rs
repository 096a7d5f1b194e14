//! Shared queues.

use crate::{HostError, abi};

/// A queue that this VM registered or found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue(u32);

impl Queue {
    /// Registers the queue under this VM's vm_id and takes over its wake-ups; what lies in it stays there.
    ///
    /// # Errors
    /// What the host says.
    pub fn register(name: &str) -> Result<Self, HostError> {
        abi::register_queue(name).map(Self)
    }

    /// The queue that a VM of this vm_id registered, if one has.
    pub fn resolve(vm_id: &str, name: &str) -> Option<Self> {
        abi::resolve_queue(vm_id, name).ok().map(Self)
    }

    /// The oldest record, if there is one.
    ///
    /// # Errors
    /// What the host says, when that is not that the queue is empty.
    pub fn dequeue(self) -> Result<Option<Vec<u8>>, HostError> {
        match abi::dequeue(self.0) {
            Ok(record) => Ok(Some(record)),
            Err(status) if status.is_absence() => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// Puts a record at the end.
    ///
    /// # Errors
    /// What the host says; the record is then not in the queue.
    pub fn enqueue(self, record: &[u8]) -> Result<(), HostError> {
        abi::enqueue(self.0, record)
    }
}
