//! Fuzzes request headers: each request must become one value of one valid series.
#![no_main]

use acpw_metric::{Accumulator, Now, Record};
use libfuzzer_sys::fuzz_target;
use sender::{HeaderPhase, Sender, SenderConfig};

const NAMES: [&str; 5] = [":authority", ":method", ":path", "x-envoy-original-host", "x-envoy-original-path"];

fuzz_target!(|requests: Vec<(Vec<(u8, Vec<u8>)>, Option<u16>)>| {
    let config = SenderConfig::from_json(br#"{"receiver_vm_id": "r", "max_series": 5}"#, |_| None)
        .expect("a valid configuration");
    let mut sender = Sender::new(config, Now::default());
    let mut observed = 0;
    for (headers, status) in &requests {
        let header = |name: &str| {
            let is_named = |index: &u8| NAMES[usize::from(*index) % NAMES.len()] == name;
            headers.iter().find(|(index, _)| is_named(index)).map(|(_, value)| value.clone())
        };
        if let Some(request) = sender.start_request(header, HeaderPhase::End) {
            let code = status.map(|status| i64::from(status).to_le_bytes());
            sender.end_request(request, |_| code.map(|code| code.to_vec()));
            observed += 1;
        }
    }
    sender.flush(Now::default());
    let mut held = Accumulator::default();
    for bytes in sender.take_records() {
        held.merge_record(&Record::decode(&bytes).expect("a valid record"), 0);
    }
    assert_eq!(held.samples(), observed);
    assert!(held.series() <= 6);
});
