//! Fuzzes request headers: each request must become one value of one valid series. Requests with unusual headers must
//! not change the count of a usual request.
#![no_main]

use acpw_metric::{Accumulator, Now, Record};
use libfuzzer_sys::fuzz_target;
use sender::{HeaderPhase, Sender, SenderConfig};

const NAMES: [&str; 5] = [":authority", ":method", ":path", "x-envoy-original-host", "x-envoy-original-path"];

const USUAL_HOST: &str = "usual.example.com";

fuzz_target!(|requests: Vec<(Vec<(u8, Vec<u8>)>, Option<u16>)>| {
    let config = SenderConfig::from_json(br#"{"receiver_vm_id": "r", "max_series": 5}"#, |_| None)
        .expect("a valid configuration");
    let mut sender = Sender::new(config, Now::default());
    let mut observed = 0;
    let usual_request = |sender: &mut Sender| {
        let header = |name: &str| match name {
            ":authority" => Some(USUAL_HOST.as_bytes().to_vec()),
            ":method" => Some(b"GET".to_vec()),
            ":path" => Some(b"/".to_vec()),
            _ => None,
        };
        let request = sender.start_request(header, HeaderPhase::End).expect("every host is measured");
        sender.end_request(request, |_| Some(200_i64.to_le_bytes().to_vec()));
    };
    usual_request(&mut sender);
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
    usual_request(&mut sender);
    sender.flush(Now::default());
    let mut held = Accumulator::default();
    for bytes in sender.take_records() {
        held.merge_record(&Record::decode(&bytes).expect("a valid record"), 0);
    }
    assert_eq!(held.samples(), observed + 2);
    let usual = held
        .iter()
        .filter(|(_, dimensions, _)| dimensions.iter().any(|(name, value)| name == "host" && value == USUAL_HOST));
    let counted: f64 = usual.flat_map(|(_, _, metrics)| metrics).map(|(_, distribution)| distribution.sum()).sum();
    let is_copied = requests
        .iter()
        .flat_map(|(headers, _)| headers)
        .any(|(_, value)| value.windows(USUAL_HOST.len()).any(|part| part.eq_ignore_ascii_case(USUAL_HOST.as_bytes())));
    assert!(counted == 2.0 || is_copied, "{counted} usual requests");
    assert!(held.series() <= 6);
});
