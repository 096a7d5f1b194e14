//! Fuzzes requests in the gateway's own JSON format.
#![no_main]

use gateway::protocol::Protocol;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| fuzz::post(Protocol::Plain, body));
