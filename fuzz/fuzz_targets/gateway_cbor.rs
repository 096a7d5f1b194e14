//! Fuzzes requests to the gateway in Smithy RPC v2 CBOR.
#![no_main]

use gateway::protocol::Protocol;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| fuzz::post(Protocol::Cbor, body));
