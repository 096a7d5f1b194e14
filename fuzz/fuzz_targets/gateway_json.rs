//! Fuzzes requests to the gateway in AWS JSON 1.0.
#![no_main]

use gateway::protocol::Protocol;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| fuzz::post(Protocol::Json, body));
