//! Bytes in the shared queue: refused, or merged, written and read again without a loss.
#![no_main]

use acpw_metric::{Accumulator, Record};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(record) = Record::decode(bytes) else { return };
    let mut held = Accumulator::default();
    held.merge_record(&record, 0);
    held.merge_record(&record, -1);
    let samples = held.samples();
    let mut again = Accumulator::default();
    for bytes in held.into_records(1 << 16) {
        again.merge_record(&Record::decode(&bytes).expect("what is written is a record"), 0);
    }
    assert_eq!(again.samples(), samples);
});
