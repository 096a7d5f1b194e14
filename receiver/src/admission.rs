//! Grants gateways room in the buffer before they accept data, so that accepted data always fits.

use std::time::Duration;

use acpw_shared_state::RoomLedger;

/// The time after which taken room counts as used if the queue is empty. A gateway enqueues data immediately after it
/// has taken room for it, so data that is still missing after this time belonged to a VM that failed in between.
const MISSING_AFTER: Duration = Duration::from_secs(1);

/// The receiver's side of the [`RoomLedger`].
#[derive(Debug, Default)]
pub struct Admission {
    /// The number of bytes that have arrived and are not in the ledger yet.
    unreported: u64,
    /// The total taken so far, and the time of that reading by the steady clock.
    last_taken: (u64, Duration),
}

impl Admission {
    /// Adds the memory of posted data that was taken out of the queue.
    pub fn count_arrived(&mut self, bytes: usize) {
        self.unreported = self.unreported.saturating_add(bytes as u64);
    }

    /// Returns true if gateways should get a new ledger before the next tick because much data has arrived.
    pub fn is_urgent(&self, room: usize) -> bool {
        self.unreported > room as u64 / 8
    }

    /// Returns the ledger to write in place of `ledger`. It grants `room` bytes, minus those that were taken and have
    /// not arrived yet. Call [`handle_written`](Self::handle_written) once it is written.
    pub fn next_ledger(&self, ledger: RoomLedger, room: usize, is_queue_empty: bool, now: Duration) -> RoomLedger {
        let mut arrived = ledger.arrived.saturating_add(self.unreported);
        let (taken, read_at) = self.last_taken;
        if is_queue_empty && now.saturating_sub(read_at) >= MISSING_AFTER {
            arrived = arrived.max(taken);
        }
        let arrived = arrived.min(ledger.taken);
        let outstanding = ledger.taken.saturating_sub(arrived);
        let granted = ledger.taken.saturating_add((room as u64).saturating_sub(outstanding));
        RoomLedger { granted, taken: ledger.taken, arrived }
    }

    /// Records that this ledger was written.
    pub fn handle_written(&mut self, ledger: RoomLedger, now: Duration) {
        self.unreported = 0;
        let (_, read_at) = self.last_taken;
        if now.saturating_sub(read_at) >= MISSING_AFTER {
            self.last_taken = (ledger.taken, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Updates the ledger in the same way as the receiver.
    fn update(admission: &mut Admission, ledger: &mut RoomLedger, room: usize, is_queue_empty: bool, now: Duration) {
        *ledger = admission.next_ledger(*ledger, room, is_queue_empty, now);
        admission.handle_written(*ledger, now);
    }

    #[test]
    fn taken_room_is_returned_when_its_data_has_arrived() {
        let (mut admission, mut ledger) = (Admission::default(), RoomLedger::default());
        update(&mut admission, &mut ledger, 100, true, SECOND);
        assert_eq!(ledger.room(), 100);
        ledger = ledger.take(60).unwrap();
        update(&mut admission, &mut ledger, 100, false, SECOND);
        assert_eq!((ledger.room(), ledger.outstanding()), (40, 60));
        // The data arrives, is merged with held data, and takes less memory than declared.
        admission.count_arrived(60);
        update(&mut admission, &mut ledger, 100 - 50, true, SECOND);
        assert_eq!((ledger.room(), ledger.outstanding()), (50, 0));
    }

    #[test]
    fn a_full_buffer_grants_no_room_and_keeps_taken_room_reserved() {
        let (mut admission, mut ledger) = (Admission::default(), RoomLedger::default());
        update(&mut admission, &mut ledger, 100, true, SECOND);
        ledger = ledger.take(80).unwrap();
        update(&mut admission, &mut ledger, 0, false, SECOND);
        assert_eq!((ledger.room(), ledger.outstanding(), ledger.take(1)), (0, 80, None));
    }

    #[test]
    fn room_for_data_that_never_arrives_is_granted_again() {
        let (mut admission, mut ledger) = (Admission::default(), RoomLedger::default());
        update(&mut admission, &mut ledger, 100, true, SECOND);
        ledger = ledger.take(100).unwrap();
        // The gateway failed before it enqueued anything.
        for tick in 0..9 {
            update(&mut admission, &mut ledger, 100, true, SECOND + SECOND / 10 * tick);
            assert_eq!(ledger.room(), 0);
        }
        update(&mut admission, &mut ledger, 100, true, SECOND * 2);
        update(&mut admission, &mut ledger, 100, true, SECOND * 3);
        assert_eq!((ledger.room(), ledger.outstanding()), (100, 0));
    }

    #[test]
    fn a_new_receiver_honours_the_room_granted_by_an_earlier_one() {
        let mut ledger = RoomLedger { granted: 200, taken: 150, arrived: 50 };
        let mut admission = Admission::default();
        ledger = admission.next_ledger(ledger, 200, false, Duration::ZERO);
        assert_eq!((ledger.room(), ledger.outstanding()), (100, 100));
        admission.handle_written(ledger, Duration::ZERO);
        assert!(!admission.is_urgent(100));
        admission.count_arrived(100);
        assert!(admission.is_urgent(100));
        update(&mut admission, &mut ledger, 100, true, SECOND);
        assert_eq!((ledger.room(), ledger.outstanding()), (100, 0));
    }
}
