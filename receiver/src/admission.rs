//! Grants gateways room in the buffer, so that data which they accepted are never dropped for want of it.

use std::time::Duration;

use acpw_shared_state::RoomLedger;

/// Time after which room that was taken is taken as arrived if the queue is empty. A gateway puts data onto the queue
/// right after it has taken their room, so only data of a VM that failed in between are still missing then.
const LOST: Duration = Duration::from_secs(1);

/// The receiver's side of the [`RoomLedger`].
#[derive(Debug, Default)]
pub struct Admission {
    /// Bytes that have arrived and are not in the ledger yet.
    unreported: u64,
    /// What had been taken in total at a time by the steady clock.
    mark: (u64, Duration),
}

impl Admission {
    /// Adds the memory of posted data that were taken out of the queue.
    pub fn arrive(&mut self, bytes: usize) {
        self.unreported = self.unreported.saturating_add(bytes as u64);
    }

    /// Returns whether so much has arrived that gateways should know it before the next tick.
    pub fn is_urgent(&self, room: usize) -> bool {
        self.unreported > room as u64 / 8
    }

    /// Returns the ledger to write in place of `ledger`, so that gateways may take what is left of `room` bytes when all that
    /// they have taken has arrived. Once it is written, [`handle_written`](Self::handle_written) must follow.
    pub fn next(&self, ledger: RoomLedger, room: usize, is_queue_empty: bool, now: Duration) -> RoomLedger {
        let mut arrived = ledger.arrived.saturating_add(self.unreported);
        let (taken, at) = self.mark;
        if is_queue_empty && now.saturating_sub(at) >= LOST {
            arrived = arrived.max(taken);
        }
        let arrived = arrived.min(ledger.taken);
        let outstanding = ledger.taken.saturating_sub(arrived);
        let granted = ledger.taken.saturating_add((room as u64).saturating_sub(outstanding));
        RoomLedger { granted, taken: ledger.taken, arrived }
    }

    /// Takes note that this ledger was written.
    pub fn handle_written(&mut self, ledger: RoomLedger, now: Duration) {
        self.unreported = 0;
        let (_, at) = self.mark;
        if now.saturating_sub(at) >= LOST {
            self.mark = (ledger.taken, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Writes the ledger as the receiver does.
    fn update(admission: &mut Admission, ledger: &mut RoomLedger, room: usize, is_queue_empty: bool, now: Duration) {
        *ledger = admission.next(*ledger, room, is_queue_empty, now);
        admission.handle_written(*ledger, now);
    }

    #[test]
    fn room_is_what_is_left_when_all_that_was_taken_has_arrived() {
        let (mut admission, mut ledger) = (Admission::default(), RoomLedger::default());
        update(&mut admission, &mut ledger, 100, true, SECOND);
        assert_eq!(ledger.room(), 100);
        ledger = ledger.take(60).unwrap();
        update(&mut admission, &mut ledger, 100, false, SECOND);
        assert_eq!((ledger.room(), ledger.outstanding()), (40, 60));
        // It arrives, merges with what is held, and takes less than was declared.
        admission.arrive(60);
        update(&mut admission, &mut ledger, 100 - 50, true, SECOND);
        assert_eq!((ledger.room(), ledger.outstanding()), (50, 0));
    }

    #[test]
    fn no_room_is_granted_while_the_buffer_is_full_and_what_was_taken_stays_promised() {
        let (mut admission, mut ledger) = (Admission::default(), RoomLedger::default());
        update(&mut admission, &mut ledger, 100, true, SECOND);
        ledger = ledger.take(80).unwrap();
        update(&mut admission, &mut ledger, 0, false, SECOND);
        assert_eq!((ledger.room(), ledger.outstanding(), ledger.take(1)), (0, 80, None));
    }

    #[test]
    fn room_of_data_that_never_arrive_comes_back() {
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
    fn a_new_receiver_keeps_what_an_earlier_one_has_promised() {
        let mut ledger = RoomLedger { granted: 200, taken: 150, arrived: 50 };
        let mut admission = Admission::default();
        ledger = admission.next(ledger, 200, false, Duration::ZERO);
        assert_eq!((ledger.room(), ledger.outstanding()), (100, 100));
        admission.handle_written(ledger, Duration::ZERO);
        assert!(!admission.is_urgent(100));
        admission.arrive(100);
        assert!(admission.is_urgent(100));
        update(&mut admission, &mut ledger, 100, true, SECOND);
        assert_eq!((ledger.room(), ledger.outstanding()), (100, 0));
    }
}
