//! State that a receiver and its gateways exchange through Envoy's shared data, which all VMs of one `vm_id` see.
//!
//! | key | value | written by |
//! |---|---|---|
//! | [`STATUS_KEY`] | [`Status`] | the receiver, once a second |
//! | [`ROOM_KEY`] | [`RoomLedger`] | the receiver and the gateways, by compare-and-swap |
//! | [`FLUSH_REQUESTED_KEY`] | [`FlushNumber`] | the gateways |
//! | [`FLUSH_DONE_KEY`] | [`FlushDone`] | the receiver |
//!
//! Every value carries [`VERSION`], so a module of one release recognises the state of another and reports it instead
//! of misreading it.

mod flush;
mod room;
mod status;
mod versioned;

pub use flush::{FLUSH_DONE_KEY, FLUSH_REQUESTED_KEY, FLUSH_SETTLE, FlushDone, FlushNumber};
pub use room::{ROOM_KEY, RoomLedger};
pub use status::{BigSeries, CredentialsStatus, Line, Minute, OtlpStatus, STATUS_KEY, Status, StatusSummary};
pub use versioned::{StateError, VERSION};
