//! Fuzzes the parser of responses from CloudWatch, or from a server in its place. A response without a request ID is
//! not CloudWatch's: it must neither deliver data nor remove any, and must not correct the clock. A header that is not
//! valid must not change what the other headers and the body say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use receiver::{Disposition, PublishAnswer};

const NAMES: [&str; 9] = [
    ":status",
    "date",
    "age",
    "retry-after",
    "x-amz-retry-after",
    "x-amzn-query-error",
    "x-amzn-errortype",
    "x-amzn-requestid",
    "x-envoy-upstream-service-time",
];

fuzz_target!(|input: (Vec<(u8, Vec<u8>)>, Vec<u8>, Option<i64>)| {
    let (headers, body, skew) = input;
    let header = |name: &str| {
        let is_named = |index: &u8| NAMES[usize::from(*index) % NAMES.len()] == name;
        headers.iter().find(|(index, _)| is_named(index)).map(|(_, value)| value.clone())
    };
    let answer = PublishAnswer::new(header, &body);
    let disposition = Disposition::from_answer(&answer, skew);
    if answer.is_foreign() {
        // A server in between may find a request too large, or throttle it.
        let is_harmless = matches!(disposition, Disposition::Retry { .. } | Disposition::Split);
        assert!(is_harmless, "{disposition:?} from {answer:?}");
    }
    if let PublishAnswer::Complete(reply) = &answer {
        for optional in ["date", "retry-after", "x-amz-retry-after"] {
            let without = PublishAnswer::new(|name| header(name).filter(|_| name != optional), &body);
            let PublishAnswer::Complete(without) = without else {
                panic!("{optional} decides whether there is an answer")
            };
            assert_eq!((reply.status, reply.is_foreign), (without.status, without.is_foreign));
            assert_eq!((&reply.code, &reply.message), (&without.code, &without.message));
        }
    }
});
