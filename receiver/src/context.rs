//! Connects the receiver with Envoy: passes events to it, and makes the host calls that it requests.

use std::time::Duration;

use acpw_host::{
    Counters, Gauges, Queue, call_response_body, call_response_header, dispatch, environment, log, now,
    plugin_configuration, random, release, set_shared_data, shared_data, update_shared_data,
};
use acpw_metric::record::QUEUE_NAME;
use acpw_shared_state::{FLUSH_REQUESTED_KEY, ROOM_KEY};
use proxy_wasm::{
    hostcalls,
    traits::{Context, RootContext},
    types::LogLevel,
};

#[cfg(feature = "trap")]
use crate::trap::Trap;
use crate::{Counts, Receiver, ReceiverConfig, receiver::Trigger, status::Snapshot};

const PREFIX: &str = "acpw.receiver.";

proxy_wasm::main! {{
    // Envoy filters by its own level. The SDK also logs a panic before it ends the VM.
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// The root context of the singleton. It has a plugin once the configuration is valid.
#[derive(Default)]
struct Root(Option<Plugin>);

struct Plugin {
    receiver: Receiver,
    queue: Queue,
    counters: Counters,
    gauges: Gauges,
    tick_period: Duration,
    #[cfg(feature = "trap")]
    trap: Trap,
}

impl Context for Root {
    /// Passes the answer to the receiver. Requests that follow from it are sent on the next tick, because Envoy also
    /// calls this function during its shutdown, when a dispatch would crash it.
    fn on_http_call_response(&mut self, token: u32, headers: usize, _: usize, _: usize) {
        let Some(plugin) = &mut self.0 else { return };
        // Envoy has no header map for an incomplete answer, and the SDK panics if it is requested.
        let header = |name: &str| if headers > 0 { call_response_header(name) } else { None };
        plugin.receiver.handle_answer(token, header, call_response_body, now());
        plugin.report();
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        match Plugin::configure() {
            Ok((plugin, summary)) => {
                log::info!("acpw receiver: {summary}");
                self.0 = Some(plugin);
                true
            }
            Err(error) => {
                log(LogLevel::Critical, &format!("acpw receiver: {error}"));
                false
            }
        }
    }

    fn on_queue_ready(&mut self, _: u32) {
        let Some(plugin) = &mut self.0 else { return };
        plugin.drain(Trigger::WakeUp);
        if plugin.receiver.is_room_urgent() {
            plugin.grant_room();
        }
        plugin.report();
    }

    fn on_tick(&mut self) {
        let Some(plugin) = &mut self.0 else { return };
        let start = now().steady;
        plugin.drain(Trigger::Tick);
        plugin.receiver.handle_tick(now());
        plugin.send();
        plugin.report();
        plugin.share();
        plugin.end_tick(now().steady.saturating_sub(start));
    }
}

impl Plugin {
    fn configure() -> Result<(Self, String), String> {
        let config =
            ReceiverConfig::from_json(&plugin_configuration(), environment).map_err(|errors| errors.to_string())?;
        let summary = config.summary(&release());
        let queue = Queue::register(QUEUE_NAME).map_err(|error| format!("Envoy registered no queue: {error:?}"))?;
        let undefined = |status| format!("Envoy defined no statistics: {status:?}");
        let counters = Counters::define(PREFIX, Counts::NAMES).map_err(undefined)?;
        let gauges = Gauges::define(PREFIX, Snapshot::GAUGES).map_err(undefined)?;
        let mut plugin = Self {
            receiver: Receiver::new(config, random()),
            queue,
            counters,
            gauges,
            tick_period: Duration::ZERO,
            #[cfg(feature = "trap")]
            trap: Trap::default(),
        };
        plugin.end_tick(Duration::ZERO);
        // Gateways accept posts as soon as they find the status and the ledger.
        plugin.share();
        Ok((plugin, summary))
    }

    fn drain(&mut self, trigger: Trigger) {
        let counters = &self.counters;
        self.receiver.account_for_earlier_receivers(|| Counts::from_values(counters.values()));
        self.receiver.begin_drain(trigger);
        while self.receiver.wants_record() {
            let record = self.queue.dequeue();
            self.receiver.handle_record(record.as_deref(), now());
            #[cfg(feature = "trap")]
            self.trap.handle_record(record.as_deref());
        }
    }

    fn send(&mut self) {
        while let Some(callout) = self.receiver.poll_callout(now()) {
            let headers = callout.call.headers.iter().map(|(name, value)| (*name, value.as_str()));
            let custom = callout.call.custom_headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let headers = headers.chain(custom);
            let result = dispatch(&callout.call.cluster, headers, &callout.call.body, callout.call.timeout);
            self.receiver.handle_dispatch(callout.purpose, result.map_err(|error| error.to_string()), now());
        }
    }

    fn report(&mut self) {
        while let Some((level, line)) = self.receiver.poll_log_line(now()) {
            log::log!(level, "acpw receiver: {line}");
        }
        self.counters.add(self.receiver.poll_counters().values());
        self.gauges.set(self.receiver.snapshot(now()).gauges());
        #[cfg(feature = "trap")]
        self.trap.trap_if_requested();
    }

    fn share(&mut self) {
        self.receiver.handle_flush_requested(shared_data(FLUSH_REQUESTED_KEY).as_deref());
        for (key, value) in self.receiver.poll_shared(now()) {
            // Ignore an error: no other module may read the value.
            let _ = set_shared_data(key, &value);
        }
        self.grant_room();
    }

    fn grant_room(&mut self) {
        let now = now();
        if let Ok(ledger) = update_shared_data(ROOM_KEY, |ledger| self.receiver.next_room(ledger, now)) {
            self.receiver.handle_room_written(ledger, now);
        }
    }

    fn end_tick(&mut self, duration: Duration) {
        let tick_period = self.receiver.handle_tick_end(duration);
        if tick_period != self.tick_period && hostcalls::set_tick_period(tick_period).is_ok() {
            self.tick_period = tick_period;
        }
    }
}
