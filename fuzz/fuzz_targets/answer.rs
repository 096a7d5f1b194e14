//! Fuzzes the parser of responses from CloudWatch, or from a server in its place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use receiver::{Disposition, PublishAnswer};

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
    let header = |name: &str| {
        let is_named = |index: &u8| NAMES[usize::from(*index) % NAMES.len()] == name;
        headers.iter().find(|(index, _)| is_named(index)).map(|(_, value)| value.clone())
    };
    let _ = Disposition::from_answer(&PublishAnswer::new(header, &body), skew);
});
