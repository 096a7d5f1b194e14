//! What the receiver and a gateway tell each other in shared data, which the VMs of one vm_id have in common.

use std::time::Duration;

/// The receiver's status, as JSON, written once a second.
pub const STATUS_KEY: &str = "acpw.status";

/// The number of flushes asked for, little-endian; whoever wants one raises it.
pub const FLUSH_REQUESTED_KEY: &str = "acpw.flush.requested";

/// The last flush that came to its end, as JSON.
pub const FLUSH_DONE_KEY: &str = "acpw.flush.done";

/// How long senders may take to hand over what they have observed when a flush is asked for: a little more than their
/// default time between flushes.
pub const FLUSH_SETTLE: Duration = Duration::from_millis(1_200);
