//! Measures the receiver's work on Envoy's main thread. A feeder enqueues records like those of senders.

use std::{
    process::Command,
    time::{Duration, SystemTime},
};

use acpw_metric::{Now, Timestamp};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use scenes::{LoadShape, Publication, Service, records, shapes};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    bootstrap::{empty, plugin, receiver_sink, singleton},
    cloudwatch::CloudWatch,
    cpu,
    cpu::CpuLayout,
    document, envoy,
    envoy::{Envoy, Start, pause},
    results,
    statistics::median,
    table::table,
    trace,
    trace::{Callback, callbacks},
};

/// The time in which V8 recompiles hot code with optimisations.
const WARM_UP: Duration = Duration::from_secs(8);

/// The limit of the receiver's buffer, with room for 100,000 series.
pub(crate) const BUFFER_BYTES: u64 = 256 * 1024 * 1024;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Duration of the measurement of each scene in seconds
    #[arg(long, env = "BENCH_RECEIVER_SECONDS", default_value_t = 15)]
    seconds: u64,
}

/// The results of a run.
#[derive(Debug, Serialize)]
struct Run {
    machine: String,
    publications: Vec<PublicationRow>,
    native: Vec<Native>,
    merging: Merging,
}

/// The results of merging and publishing 10,000 series once a second.
#[derive(Debug, Serialize)]
struct PublicationRow {
    name: &'static str,
    service: &'static str,
    series: usize,
    record_bytes: usize,
    /// The CPU time in milliseconds that it adds to Envoy's main thread per second, including the feeder and Envoy's
    /// share of the CloudWatch calls.
    total: f64,
    /// The duration in milliseconds of the longest callback of a second; the median of all seconds.
    longest: f64,
    /// The work of that callback in most seconds.
    longest_is: String,
    /// The duration in milliseconds of the longest callback of the run. It includes callbacks that ran before V8
    /// optimised the code and callbacks that waited for a CPU.
    longest_ever: f64,
    /// The CPU time in milliseconds of the same code in a native build.
    native: f64,
}

/// The results of merging the records of a million requests per second from 16 senders.
#[derive(Debug, Serialize)]
struct Merging {
    observations: usize,
    records: usize,
    record_bytes: usize,
    /// The share of a core that Envoy's main thread uses, including the feeder.
    main_thread: f64,
    /// The share of a core that Envoy's main thread uses without records.
    idle: f64,
}

/// The CPU times in milliseconds of merging and publishing in a native build.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Native {
    shape: String,
    service: String,
    total: f64,
    /// The time of the longest record, tick or answer.
    longest: f64,
}

/// Measures the receiver, prints tables, and updates results and documentation.
///
/// # Errors
/// Returns an error if a program does not run or data are missing.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let layout = CpuLayout::new()?;
    let native = native()?;
    let idle = Scene { records: None, service: Service::PutMetricData, interval: MINUTE, is_traced: false };
    let idle = main_thread(&idle, options, &layout)?;
    let mut publications = Vec::new();
    for (name, shape) in [("counts", shapes::COUNTS), ("full set", shapes::DISTRIBUTIONS)] {
        for service in Service::ALL {
            let is_same = |native: &&Native| (native.shape.as_str(), native.service.as_str()) == (name, service.name());
            let native =
                native.iter().find(is_same).ok_or(format!("no native time of {name} by {}", service.name()))?;
            publications.push(publication((name, shape), service, (native.total, idle), options, &layout)?);
        }
    }
    let merging = merging(idle, options, &layout)?;
    let run = Run { machine: results::machine(), publications, native, merging };
    let text = text(&run);
    println!("{text}");
    results::write("receiver", &run)?;
    document::replace("receiver", &text)
}

/// Returns the keys of a receiver that publishes to this service.
pub(crate) fn service_keys(service: Service, cloudwatch: &CloudWatch) -> Value {
    match service {
        Service::PutMetricData => json!({}),
        Service::Otlp => {
            let otlp = json!({
                "cluster_name": "cloud_watch",
                "host": cloudwatch.address().to_string(),
                "buffer_limit_bytes": BUFFER_BYTES,
            });
            json!({ "publish_to": ["otlp"], "otlp": otlp })
        }
    }
}

fn publication(
    (name, shape): (&'static str, LoadShape),
    service: Service,
    (native, idle): (f64, f64),
    options: &Options,
    layout: &CpuLayout,
) -> Result<PublicationRow, String> {
    let records = records(shape, now());
    let mut reference = Publication::default();
    reference.merge(&records);
    let scene = Scene { records: Some(&records), service, interval: SECOND, is_traced: false };
    let total = main_thread(&scene, options, layout)? - idle;
    let scene = Scene { is_traced: true, ..scene };
    let (envoy, cloudwatch) = scene.start(layout)?;
    pause(WARM_UP + Duration::from_secs(options.seconds));
    let log = envoy.log();
    drop(envoy);
    // Keep the trace, which shows the time between host calls.
    let file = envoy::root().join("target/bench").join(format!("trace {name} {}.log", service.name()));
    std::fs::write(&file, &log).map_err(|error| format!("{}: {error}", file.display()))?;
    let data: usize = cloudwatch.server().calls().iter().filter(|call| call.is_stored).map(|call| call.data).sum();
    if data < reference.series() {
        return Err(format!("{name}, {}: only {data} of {} data were stored", service.name(), reference.series()));
    }
    let callbacks: Vec<Callback> = callbacks(&log).into_iter().filter(is_of_receiver).collect();
    let warm = callbacks.first().map(|callback| callback.start + WARM_UP).unwrap_or_default();
    let seconds = by_second(callbacks.iter().filter(|callback| callback.start >= warm));
    let longest: Vec<&Callback> =
        seconds.iter().filter_map(|second| second.iter().max_by_key(|callback| callback.time).copied()).collect();
    let is_tick = |callback: &&&Callback| callback.name == "proxy_on_tick";
    let ticks = longest.iter().filter(is_tick).count();
    Ok(PublicationRow {
        name,
        service: service.name(),
        series: reference.series(),
        record_bytes: records.iter().map(Vec::len).sum(),
        total: total * 1e3,
        longest: median(&longest.iter().map(|callback| milliseconds(callback.time)).collect::<Vec<_>>()),
        longest_is: if ticks * 2 > longest.len() { "publishing" } else { "merging" }.to_owned(),
        longest_ever: callbacks.iter().map(|callback| milliseconds(callback.time)).fold(0.0, f64::max),
        native,
    })
}

fn merging(idle: f64, options: &Options, layout: &CpuLayout) -> Result<Merging, String> {
    let records = records(shapes::MILLION, now());
    let scene = Scene { records: Some(&records), service: Service::PutMetricData, interval: MINUTE, is_traced: false };
    Ok(Merging {
        observations: shapes::MILLION.senders.saturating_mul(shapes::MILLION.requests),
        records: records.len(),
        record_bytes: records.iter().map(Vec::len).sum(),
        main_thread: main_thread(&scene, options, layout)?,
        idle,
    })
}

/// Returns the share of a core that Envoy's main thread uses.
fn main_thread(scene: &Scene<'_>, options: &Options, layout: &CpuLayout) -> Result<f64, String> {
    let (envoy, _cloudwatch) = scene.start(layout)?;
    pause(WARM_UP);
    let before = cpu::of_main_thread(envoy.id())?;
    pause(Duration::from_secs(options.seconds));
    let used = cpu::of_main_thread(envoy.id())?.saturating_sub(before);
    Ok(used.as_secs_f64() / options.seconds as f64)
}

/// An Envoy with a receiver and a feeder, which enqueues the same records every second.
#[derive(Clone, Copy)]
struct Scene<'a> {
    records: Option<&'a [Vec<u8>]>,
    service: Service,
    interval: Duration,
    is_traced: bool,
}

impl Scene<'_> {
    fn start(&self, layout: &CpuLayout) -> Result<(Envoy, CloudWatch), String> {
        let cloudwatch = CloudWatch::start()?;
        let mut bootstrap = empty(cloudwatch.address());
        let mut receiver = service_keys(self.service, &cloudwatch);
        if let Some(receiver) = receiver.as_object_mut() {
            receiver.insert("publish_interval_millisecond".to_owned(), json!(self.interval.as_millis() as u64));
            receiver.insert("buffer_limit_bytes".to_owned(), json!(BUFFER_BYTES));
        }
        let mut plugins = vec![("stats_sinks", receiver_sink(cloudwatch.address(), &receiver))];
        plugins.extend(self.records.map(|records| ("bootstrap_extensions", singleton(feeder(records, None)))));
        if let Some(bootstrap) = bootstrap.as_object_mut() {
            bootstrap.extend(plugins.into_iter().map(|(key, plugin)| (key.to_owned(), json!([plugin]))));
        }
        let arguments: &[&str] = if self.is_traced { &trace::ARGUMENTS } else { &["--log-level", "error"] };
        let envoy = Envoy::start(&Start { bootstrap: &bootstrap, workers: 1, arguments }, layout)?;
        Ok((envoy, cloudwatch))
    }
}

/// Returns a plugin that enqueues these records every second, a number of times or forever.
pub(crate) fn feeder(records: &[Vec<u8>], times: Option<u32>) -> Value {
    let mut configuration = times.unwrap_or(0).to_le_bytes().to_vec();
    for record in records {
        configuration.extend(u32::try_from(record.len()).unwrap_or(u32::MAX).to_le_bytes());
        configuration.extend(record);
    }
    let bytes = "type.googleapis.com/google.protobuf.BytesValue";
    let mut plugin = plugin("feeder", "target/bench/feeder.wasm", "feeder", "");
    if let Some(plugin) = plugin.as_object_mut() {
        plugin.insert("configuration".to_owned(), json!({ "@type": bytes, "value": STANDARD.encode(configuration) }));
    }
    plugin
}

/// Returns whether a callback is the receiver's. Callbacks of the feeder are recognised by the call that resolves the
/// queue.
pub(crate) fn is_of_receiver(callback: &Callback) -> bool {
    !callback.calls.iter().any(|call| call == "proxy_resolve_shared_queue")
}

/// Groups callbacks by second, without the last one, which is incomplete.
fn by_second<'a>(callbacks: impl Iterator<Item = &'a Callback>) -> Vec<Vec<&'a Callback>> {
    let mut seconds: Vec<Vec<&Callback>> = Vec::new();
    let mut first = None;
    for callback in callbacks {
        let start = *first.get_or_insert(callback.start);
        let second = callback.start.saturating_sub(start).as_secs() as usize;
        seconds.resize(seconds.len().max(second.saturating_add(1)), Vec::new());
        if let Some(second) = seconds.get_mut(second) {
            second.push(callback);
        }
    }
    seconds.pop();
    seconds
}

fn native() -> Result<Vec<Native>, String> {
    let program = envoy::root().join("target/release/scenes");
    let output = Command::new(&program).arg("times").output();
    let output = output.map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    serde_json::from_slice(&output.stdout).map_err(|error| format!("{}: {error}", program.display()))
}

fn text(run: &Run) -> String {
    let rows = run.publications.iter().map(|row| {
        vec![
            row.name.to_owned(),
            row.service.to_owned(),
            row.series.to_string(),
            format!("{:.1}", row.total),
            format!("{:.1}", row.native),
            format!("{:.2}", row.total / row.native),
            format!("{:.1}", row.longest),
            row.longest_is.clone(),
            format!("{:.1}", row.longest_ever),
        ]
    });
    let head =
        ["10,000 series", "service", "series", "total ms", "native ms", "ratio", "longest ms", "which is", "ever ms"];
    let publications = table(&head, rows);
    let rows = run.native.iter().map(|native| {
        let (total, longest) = (format!("{:.1}", native.total), format!("{:.2}", native.longest));
        vec![native.shape.clone(), native.service.clone(), total, longest]
    });
    let natively = table(&["natively", "service", "total ms", "longest step ms"], rows);
    let Merging { records, record_bytes, main_thread, idle, .. } = run.merging;
    let percent = |share: f64| format!("{:.2} %", share * 100.0);
    let rows = [
        ("records a second", records.to_string()),
        ("bytes of records a second", record_bytes.to_string()),
        ("Envoy's main thread, of a core", percent(main_thread)),
        ("the same without records", percent(idle)),
    ];
    let rows = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]);
    format!("{publications}\n{natively}\n{}", table(&["1,000,000 requests a second from 16 senders", ""], rows))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn now() -> Now {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Now { wall: Timestamp::from_millis(u64::try_from(wall.as_millis()).unwrap_or_default()), steady: Duration::ZERO }
}
