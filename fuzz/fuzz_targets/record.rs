//! Fuzzes records in the shared queue: each is either refused, or merged, encoded and decoded without loss.
#![no_main]

use acpw_metric::{Accumulator, Record};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(record) = Record::decode(bytes) else { return };
    let mut held = Accumulator::default();
    held.merge_record(&record, 0);
    held.merge_record(&record, -1);
    let samples = held.samples();
    let mut decoded = Accumulator::default();
    for bytes in held.into_records(1 << 16) {
        decoded.merge_record(&Record::decode(&bytes).expect("a valid record"), 0);
    }
    assert_eq!(decoded.samples(), samples);
});
