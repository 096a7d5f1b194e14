//! Enqueues all given records for a receiver once a second, like senders, for a given number of times.
//!
//! The configuration is binary. It starts with the number of times, where 0 means forever, followed by the records,
//! each preceded by its length. Integers are 32-bit and little-endian.

use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, RootContext};

const RECEIVER: &str = "receiver";
const QUEUE: &str = "acpw.records";
const PERIOD: Duration = Duration::from_secs(1);

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Feeder::default()));
}}

#[derive(Default)]
struct Feeder {
    remaining: Option<u32>,
    records: Vec<Vec<u8>>,
}

impl Context for Feeder {}

impl RootContext for Feeder {
    fn on_configure(&mut self, _: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        let Some((times, mut rest)) = split(&configuration) else { return false };
        self.remaining = (times > 0).then_some(times);
        while let Some((length, bytes)) = split(rest) {
            let Some((record, after)) = bytes.split_at_checked(length as usize) else { return false };
            self.records.push(record.to_vec());
            rest = after;
        }
        self.set_tick_period(PERIOD);
        true
    }

    fn on_tick(&mut self) {
        let Ok(Some(queue)) = hostcalls::resolve_shared_queue(RECEIVER, QUEUE) else { return };
        if self.remaining == Some(0) {
            return;
        }
        self.remaining = self.remaining.map(|remaining| remaining - 1);
        for record in &self.records {
            let _ = hostcalls::enqueue_shared_queue(queue, Some(record));
        }
    }
}

fn split(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (first, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*first), rest))
}
