//! Connects the receiver with Envoy: events in, host calls out.

use std::time::Duration;

use acpw_host::{
    Counter, Gauge, Queue, call_response_body, call_response_header, dispatch, environment, log, now,
    plugin_configuration, random, release, set_shared_data, shared_data, update_shared_data,
};
use acpw_metric::record::QUEUE_NAME;
use acpw_shared_state::{FLUSH_REQUESTED_KEY, FlushNumber, ROOM_KEY, RoomLedger};
use proxy_wasm::{
    hostcalls,
    traits::{Context, RootContext},
    types::{LogLevel, Status},
};

use crate::{Config, Counts, Receiver, notice::Level, receiver::Trigger, status::Snapshot};

proxy_wasm::main! {{
    // Also writes a panic to Envoy's log before it ends the VM.
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// The singleton's context, which has a plugin once its configuration is valid.
#[derive(Default)]
struct Root(Option<Plugin>);

struct Plugin {
    receiver: Receiver,
    queue: Queue,
    stats: Stats,
    pace: Duration,
    /// Whether a test has requested that this VM ends.
    #[cfg(feature = "trap")]
    is_trap_requested: bool,
}

impl Context for Root {
    /// Only hands the answer over. What follows from it is sent on the next tick: Envoy also calls this while it shuts down,
    /// when a dispatch would crash it.
    fn on_http_call_response(&mut self, token: u32, headers: usize, _: usize, _: usize) {
        let Some(plugin) = &mut self.0 else { return };
        // Envoy has no header map for an answer that broke off, and the SDK panics when asked for one.
        let header = |name: &str| if headers > 0 { call_response_header(name) } else { None };
        plugin.receiver.handle_answer(token, header, call_response_body, now());
        plugin.report();
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        match Plugin::configure() {
            Ok((plugin, summary)) => {
                log(LogLevel::Info, &format!("acpw receiver: {summary}"));
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
        plugin.drain(Trigger::Tick);
        plugin.receiver.handle_tick(now());
        plugin.send();
        plugin.report();
        plugin.share();
        plugin.set_pace();
    }
}

impl Plugin {
    fn configure() -> Result<(Self, String), String> {
        let config = Config::from_json(&plugin_configuration(), environment).map_err(|faults| faults.to_string())?;
        let summary = config.summary(&release());
        let queue = Queue::register(QUEUE_NAME).map_err(|error| format!("Envoy registered no queue: {error:?}"))?;
        let stats = Stats::define().map_err(|error| format!("Envoy defined no statistics: {error:?}"))?;
        let mut plugin = Self {
            receiver: Receiver::new(config, random()),
            queue,
            stats,
            pace: Duration::ZERO,
            #[cfg(feature = "trap")]
            is_trap_requested: false,
        };
        plugin.set_pace();
        // Gateways accept posts as soon as they find these.
        plugin.share();
        Ok((plugin, summary))
    }

    fn drain(&mut self, trigger: Trigger) {
        self.stats.account_for_earlier_receivers();
        self.receiver.begin_drain(trigger);
        while self.receiver.wants_record() {
            let record = self.queue.dequeue();
            self.receiver.handle_record(record.as_deref(), now());
            #[cfg(feature = "trap")]
            {
                let request = b"/trap-the-receiver";
                self.is_trap_requested |=
                    record.iter().flat_map(|record| record.windows(request.len())).any(|text| text == request);
            }
        }
    }

    fn send(&mut self) {
        while let Some(callout) = self.receiver.poll_callout(now()) {
            let headers = callout.call.headers.iter().map(|(name, value)| (*name, value.as_str()));
            match dispatch(&callout.call.cluster, headers, &callout.call.body, callout.call.timeout) {
                Ok(token) => self.receiver.handle_dispatched(callout.purpose, token),
                Err(error) => self.receiver.handle_undispatched(callout.purpose, &error.to_string(), now()),
            }
        }
    }

    fn report(&mut self) {
        while let Some((level, line)) = self.receiver.poll_line(now()) {
            let level = match level {
                Level::Debug => LogLevel::Debug,
                Level::Info => LogLevel::Info,
                Level::Warn => LogLevel::Warn,
                Level::Error => LogLevel::Error,
            };
            log(level, &format!("acpw receiver: {line}"));
        }
        self.stats.update(&self.receiver.snapshot(now()));
        #[cfg(feature = "trap")]
        #[allow(clippy::panic, reason = "this is the purpose of the feature")]
        if self.is_trap_requested {
            panic!("a test has requested it");
        }
    }

    fn share(&mut self) {
        if let Ok(requested) = FlushNumber::decode(shared_data(FLUSH_REQUESTED_KEY).as_deref()) {
            self.receiver.handle_flush_requested(requested);
        }
        for (key, value) in self.receiver.poll_shared(now()) {
            // Nobody may be there to read it.
            let _ = set_shared_data(key, &value);
        }
        self.grant_room();
    }

    fn grant_room(&mut self) {
        let now = now();
        let written = update_shared_data(ROOM_KEY, |ledger| {
            let ledger = ledger.and_then(|bytes| RoomLedger::decode(bytes).ok()).unwrap_or_default();
            let next = self.receiver.next_room(ledger, now);
            (next, Some(next.encode()))
        });
        if let Ok(ledger) = written {
            self.receiver.handle_room_written(ledger, now);
        }
    }

    fn set_pace(&mut self) {
        let pace = self.receiver.pace();
        if pace != self.pace && hostcalls::set_tick_period(pace).is_ok() {
            self.pace = pace;
        }
    }
}

/// The receiver's part of Envoy's statistics, each in the order of its names.
struct Stats {
    counters: Vec<Counter>,
    gauges: Vec<Gauge>,
    /// What was counted up to the last update.
    before: Counts,
    has_accounted: bool,
}

impl Stats {
    fn define() -> Result<Self, Status> {
        let name = |name: &&str| format!("acpw.receiver.{name}");
        let counters = Counts::NAMES.iter().map(|counter| Counter::define(&name(counter)));
        let gauges = Snapshot::GAUGES.iter().map(|gauge| Gauge::define(&name(gauge)));
        let (counters, gauges) = (counters.collect::<Result<_, _>>()?, gauges.collect::<Result<_, _>>()?);
        Ok(Self { counters, gauges, before: Counts::default(), has_accounted: false })
    }

    /// Counts what an earlier receiver had received and not accounted for when it failed: the counters outlive it. To be
    /// called before this one has counted anything.
    fn account_for_earlier_receivers(&mut self) {
        if !std::mem::replace(&mut self.has_accounted, true) {
            let totals = Counts::from_values(self.counters.iter().map(|counter| counter.value()));
            self.add(&Counts::lost_by_earlier(&totals));
        }
    }

    fn update(&mut self, snapshot: &Snapshot) {
        self.add(&snapshot.counts.since(&self.before));
        self.before = snapshot.counts;
        self.gauges.iter().zip(snapshot.gauges()).for_each(|(gauge, value)| gauge.set(value));
    }

    fn add(&self, news: &Counts) {
        self.counters.iter().zip(news.values()).for_each(|(counter, count)| counter.add(count));
    }
}
