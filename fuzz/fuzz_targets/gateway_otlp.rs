//! Fuzzes exports of OTLP metrics to the gateway. The first byte selects the encoding.
#![no_main]

use gateway::otlp::encoding::Encoding;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((first, body)) = input.split_first() else { return };
    fuzz::export(if first % 2 == 0 { Encoding::Protobuf } else { Encoding::Json }, body);
});
