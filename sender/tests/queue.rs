//! The data that a sender holds, enqueues and takes back, with and without a receiver.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use acpw_metric::{
    Accumulator, DataKind, Dimensions, Distribution, Metric, MetricName, Origin, PeriodKey, StorageResolution, Unit,
};
use sender::{ValueCounts, record_buffer::HELD_BYTES_LIMIT};

use crate::support::{at, expected, send, sender, sums};

#[test]
fn without_a_receiver_the_queue_does_not_grow_and_no_value_is_lost() {
    let mut sender = sender("");
    let mut queue: Vec<Vec<u8>> = Vec::new();
    for second in 0..600 {
        send(&mut sender, b"example.com", b"/", Some(200));
        sender.flush(at(second));
        for record in queue.drain(..) {
            sender.take_back(&record).unwrap();
        }
        queue = sender.take_records();
        assert_eq!(queue.len(), 1);
    }
    assert_eq!(sums(&queue).values().sum::<f64>(), 600.0);
    let counts = sender.take_counts();
    assert_eq!(counts.observed, 600);
    assert_eq!(counts.enqueued - counts.taken_back, 600);
}

/// Runs two workers for five minutes with a request per second each. Returns the seconds at which a line is logged, and
/// the number of flushes counted as without a receiver. For each second, `receiver` returns whether there is a queue
/// and whether the receiver empties it.
fn absences(receiver: impl Fn(u64) -> (bool, bool)) -> (Vec<u64>, u64) {
    let (mut sender, mut other) = (sender(""), sender(""));
    let (mut queue, mut lines, mut counter): (Vec<Vec<u8>>, _, _) = (Vec::new(), Vec::new(), 0);
    for second in 0..300 {
        let (has_queue, is_emptied) = receiver(second);
        send(&mut sender, b"example.com", b"/", Some(200));
        sender.flush(at(second));
        if has_queue {
            // Even with a receiver, the queue contains what the other worker has just enqueued.
            for record in queue.drain(..) {
                sender.take_back(&record).unwrap();
            }
            queue = sender.take_records();
        }
        if let Some(line) = sender.check_receiver(has_queue, counter, at(second)) {
            assert!(line.to_string().contains("vm_id \"receiver\""), "{line}");
            lines.push(second);
        }
        counter += sender.take_counts().no_receiver;
        send(&mut other, b"example.com", b"/", Some(200));
        other.flush(at(second));
        if is_emptied {
            queue = other.take_records();
        }
    }
    (lines, counter)
}

#[test]
fn an_absent_receiver_is_logged_once() {
    assert_eq!(absences(|_| (true, true)), (vec![], 0));
    assert_eq!(absences(|second| (second >= 10, second >= 10)), (vec![], 0));
    assert_eq!(absences(|_| (false, false)), (vec![11], 300 - 11));
    // The receiver fails at second 100. Its queue remains, and seconds later the data in it are old.
    let (lines, counter) = absences(|second| (true, second < 100));
    assert!(matches!(lines[..], [115..=180]) && counter > 100, "{lines:?} {counter}");
    // The receiver starts late, and fails again.
    let (lines, _) = absences(|second| (second > 50, (51..100).contains(&second)));
    assert!(matches!(lines[..], [11, 115..=180]), "{lines:?}");
}

#[test]
fn posted_data_in_the_queue_do_not_show_that_the_receiver_is_absent() {
    let metric =
        Metric { name: MetricName::new("M").unwrap(), unit: Unit::COUNT, resolution: StorageResolution::Standard };
    let mut one = Distribution::exact(1);
    one.record(1.0);
    let mut sender = sender("");
    for second in 0..100 {
        let mut posted = Accumulator::default();
        let key = PeriodKey::new(at(0).wall, DataKind::STATED, Origin::default(), &metric);
        posted.file(key, &Dimensions::default(), &metric, &one);
        for record in posted.into_records(1_000) {
            sender.take_back(&record).unwrap();
        }
        assert!(sender.check_receiver(true, 0, at(1_000 + second)).is_none());
    }
    assert_eq!(sender.take_counts().no_receiver, 0);
}

#[test]
fn a_record_that_the_queue_refuses_is_held_again() {
    let mut sender = sender("");
    send(&mut sender, b"example.com", b"/", Some(200));
    sender.flush(at(1));
    for record in sender.take_records() {
        sender.restore(&record);
    }
    assert_eq!(sender.take_counts(), ValueCounts { observed: 1, ..ValueCounts::default() });
    assert_eq!((sender.held(), sender.is_empty()), (1, false));
    assert_eq!(sums(&sender.take_records()), expected([("RequestCount example.com GET / 200", 1.0)]));
}

#[test]
fn held_data_are_bounded_and_dropped_values_are_counted() {
    let mut sender = sender(r#", "max_series": 100000"#);
    let mut observed = 0;
    for minute in 0..6 {
        for n in 0..12_000 {
            send(&mut sender, b"example.com", format!("/{n}").as_bytes(), Some(200));
            observed += 1;
        }
        sender.flush(at(60 * minute));
        assert!(sender.held_bytes() <= HELD_BYTES_LIMIT);
    }
    let counts = sender.take_counts();
    assert!(counts.dropped_buffer_full > 0);
    assert_eq!(counts.observed, observed);
    assert_eq!(counts.observed, sender.held() + counts.dropped_buffer_full);
}

#[test]
fn a_queue_without_a_receiver_is_bounded_and_dropped_values_are_counted() {
    let mut sender = sender(r#", "max_series": 100000"#);
    let mut queue: Vec<Vec<u8>> = Vec::new();
    for minute in 0..12 {
        for n in 0..6_000 {
            send(&mut sender, b"example.com", format!("/{n}").as_bytes(), Some(200));
        }
        sender.flush(at(60 * minute));
        for record in queue.drain(..) {
            sender.take_back(&record).unwrap();
        }
        assert!(sender.held_bytes() <= HELD_BYTES_LIMIT);
        queue = sender.take_records();
    }
    let counts = sender.take_counts();
    assert!(counts.dropped_buffer_full > 0);
    let queued = sums(&queue).values().map(|sum| *sum as u64).sum::<u64>();
    assert_eq!(counts.observed, queued + counts.dropped_buffer_full);
    assert_eq!(counts.enqueued - counts.taken_back + counts.dropped_buffer_full, counts.observed);
}

#[test]
fn bytes_that_are_not_a_record_are_not_taken_back() {
    assert!(sender("").take_back(b"?").is_err());
}
