//! What CloudWatch, or something in its place, answers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use receiver::{Answer, Disposition};

const NAMES: [&str; 7] = [
    ":status",
    "date",
    "age",
    "retry-after",
    "x-amz-retry-after",
    "x-amzn-query-error",
    "x-envoy-upstream-service-time",
];

fuzz_target!(|input: (Vec<(u8, Vec<u8>)>, Vec<u8>, Option<i64>)| {
    let (headers, body, skew) = input;
    let name = |index: u8| NAMES[usize::from(index) % NAMES.len()].as_bytes();
    let headers = headers.iter().map(|(index, value)| (name(*index), value.as_slice()));
    let _ = Disposition::of(&Answer::new(headers, &body), skew);
});
