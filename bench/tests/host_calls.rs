//! Counts the calls between host and sender.wasm for each request, with a host that behaves like Envoy.
//! docs/performance.md must list the same numbers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use scenes::{FULL, HOST, SEED, UNMATCHED};
use wasmi::{Caller, Engine, Extern, Instance, Linker, Module, Store, Val};

const ROOT: u32 = 1;
const STREAM: u32 = 2;
const REQUESTS: u64 = 1_000;
/// The name under which calls from the host to the module are counted.
const ENTRY: &str = "";

/// A configuration with requests in flight, for which the sender reads the clock.
const IN_FLIGHT: &str = r#"{
    "receiver_vm_id": "receiver", "metrics": ["RequestCount", "RequestsInProgress"], "dimension_sets": [["host"]]
}"#;

type Calls = BTreeMap<String, u64>;

#[derive(Default)]
struct Host {
    configuration: &'static str,
    calls: Calls,
    metrics: u32,
}

/// The sender's module in a host.
struct SenderModule {
    store: Store<Host>,
    instance: Instance,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Attachment {
    Filter,
    Logger,
}

impl SenderModule {
    fn new(configuration: &'static str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sender.wasm");
        let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}; run `make build-all`", file.display()));
        let engine = Engine::default();
        let module = Module::new(&engine, &bytes[..]).unwrap();
        let mut store = Store::new(&engine, Host { configuration, ..Host::default() });
        let mut linker = Linker::new(&engine);
        for import in module.imports() {
            let ty = import.ty().func().unwrap().clone();
            let name = import.name().to_owned();
            let function = move |caller: Caller<'_, Host>, arguments: &[Val], results: &mut [Val]| {
                let status = handle_call(caller, &name, arguments);
                results.iter_mut().for_each(|result| *result = Val::I32(status));
                Ok(())
            };
            linker.func_new(import.module(), import.name(), ty, function).unwrap();
        }
        let instance = linker.instantiate_and_start(&mut store, &module).unwrap();
        let mut sender = Self { store, instance };
        sender.call("_initialize", &[]);
        sender.call("proxy_on_context_create", &[ROOT, 0]);
        sender.call("proxy_on_vm_start", &[ROOT, 0]);
        let is_configured = sender.call("proxy_on_configure", &[ROOT, configuration.len() as u32]);
        assert_eq!(is_configured, 1, "{configuration}");
        sender.reset_counts();
        sender
    }

    fn call(&mut self, name: &str, arguments: &[u32]) -> i32 {
        let function = self.instance.get_func(&self.store, name).unwrap_or_else(|| panic!("no export {name}"));
        let arguments: Vec<Val> = arguments.iter().map(|argument| Val::I32(*argument as i32)).collect();
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        function.call(&mut self.store, &arguments, &mut results).unwrap();
        results.first().and_then(Val::i32).unwrap_or_default()
    }

    /// Makes the calls that Envoy makes for a request, as far as the module exports them.
    fn request(&mut self, attachment: Attachment) {
        let events: &[(&str, &[u32])] = match attachment {
            Attachment::Logger => &[("proxy_on_log", &[ROOT])],
            Attachment::Filter => &[
                ("proxy_on_context_create", &[STREAM, ROOT]),
                ("proxy_on_request_headers", &[STREAM, 4, 1]),
                ("proxy_on_request_body", &[STREAM, 0, 1]),
                ("proxy_on_response_headers", &[STREAM, 4, 1]),
                ("proxy_on_response_body", &[STREAM, 0, 1]),
                ("proxy_on_log", &[STREAM]),
                ("proxy_on_done", &[STREAM]),
                ("proxy_on_delete", &[STREAM]),
            ],
        };
        for (name, arguments) in events {
            if self.instance.get_func(&self.store, name).is_some() {
                self.call(name, arguments);
                *self.store.data_mut().calls.entry(ENTRY.to_owned()).or_default() += 1;
            }
        }
    }

    fn reset_counts(&mut self) {
        self.store.data_mut().calls.clear();
    }

    fn pages(&self) -> u64 {
        self.instance.get_memory(&self.store, "memory").unwrap().size(&self.store)
    }
}

/// Handles a host call like Envoy.
fn handle_call(mut caller: Caller<'_, Host>, name: &str, arguments: &[Val]) -> i32 {
    const NOT_FOUND: i32 = 1;
    *caller.data_mut().calls.entry(name.to_owned()).or_default() += 1;
    let argument = |index: usize| arguments[index].i32().unwrap() as u32;
    match name {
        "proxy_get_buffer_bytes" => {
            let configuration = caller.data().configuration;
            return_bytes(&mut caller, configuration.as_bytes(), argument(3), argument(4));
        }
        "proxy_get_header_map_value" => {
            let value = match read(&caller, argument(1), argument(2)).as_slice() {
                b":authority" => HOST,
                b":path" => "/test",
                b":method" => "GET",
                _ => return NOT_FOUND,
            };
            return_bytes(&mut caller, value.as_bytes(), argument(3), argument(4));
        }
        "proxy_get_property" => {
            let path = read(&caller, argument(0), argument(1));
            let value = match path.as_slice() {
                b"xds\0route_name" => b"main".to_vec(),
                b"response\0code" => 200i64.to_le_bytes().to_vec(),
                b"response\0backend_latency" => return NOT_FOUND,
                _ => 1_000_000i64.to_le_bytes().to_vec(),
            };
            return_bytes(&mut caller, &value, argument(2), argument(3));
        }
        "proxy_get_current_time_nanoseconds" => {
            let time = scenes::START * 1_000_000_000;
            write(&mut caller, argument(0), &time.to_le_bytes());
        }
        "proxy_define_metric" => {
            caller.data_mut().metrics += 1;
            let id = caller.data().metrics;
            write(&mut caller, argument(3), &id.to_le_bytes());
        }
        "environ_sizes_get" => {
            write(&mut caller, argument(0), &[0; 4]);
            write(&mut caller, argument(1), &[0; 4]);
        }
        "clock_time_get" => write(&mut caller, argument(2), &1u64.to_le_bytes()),
        _ => {}
    }
    0
}

/// Copies bytes into memory that the module allocates, and writes their address and length to `data` and `length`.
fn return_bytes(caller: &mut Caller<'_, Host>, bytes: &[u8], data: u32, length: u32) {
    let allocate = caller.get_export("proxy_on_memory_allocate").and_then(Extern::into_func).unwrap();
    let mut address = [Val::I32(0)];
    allocate.call(&mut *caller, &[Val::I32(bytes.len() as i32)], &mut address).unwrap();
    let address = address[0].i32().unwrap() as u32;
    write(caller, address, bytes);
    write(caller, data, &address.to_le_bytes());
    write(caller, length, &(bytes.len() as u32).to_le_bytes());
}

fn write(caller: &mut Caller<'_, Host>, address: u32, bytes: &[u8]) {
    let memory = caller.get_export("memory").and_then(Extern::into_memory).unwrap();
    memory.write(caller, address as usize, bytes).unwrap();
}

fn read(caller: &Caller<'_, Host>, address: u32, length: u32) -> Vec<u8> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory).unwrap();
    let mut bytes = vec![0; length as usize];
    memory.read(caller, address as usize, &mut bytes).unwrap();
    bytes
}

/// Returns the number of calls for one request, by name.
fn calls(configuration: &'static str, attachment: Attachment) -> Calls {
    let mut sender = SenderModule::new(configuration);
    sender.request(attachment);
    sender.reset_counts();
    let pages = sender.pages();
    for _ in 0..REQUESTS {
        sender.request(attachment);
    }
    // The memory does not grow, so the module frees what the host returns.
    assert_eq!(sender.pages(), pages, "{configuration}");
    let calls = sender.store.data().calls.iter();
    calls
        .map(|(name, count)| {
            assert_eq!(count % REQUESTS, 0, "{name}");
            (name.clone(), count / REQUESTS)
        })
        .collect()
}

#[test]
fn the_document_lists_the_calls_of_a_request() {
    const BEGIN: &str = "<!-- host calls: held up by bench/tests/host_calls.rs -->\n";
    const END: &str = "<!-- /host calls -->";
    let mut table = "\
        | configuration | attached as | calls of the module | headers | properties | clock |\n\
        |---|---|--:|--:|--:|--:|\n"
        .to_owned();
    for (name, configuration) in [
        ("a host that does not match", UNMATCHED),
        ("RequestCount by host, method, path, status", SEED),
        ("the full set", FULL),
        ("RequestCount and RequestsInProgress by host", IN_FLIGHT),
    ] {
        for (attached, attachment) in [("HTTP filter", Attachment::Filter), ("access logger", Attachment::Logger)] {
            if configuration == IN_FLIGHT && attachment == Attachment::Logger {
                continue;
            }
            let mut calls = calls(configuration, attachment);
            let mut take = |name: &str| calls.remove(name).unwrap_or(0);
            let entries = take(ENTRY);
            let (headers, properties) = (take("proxy_get_header_map_value"), take("proxy_get_property"));
            let clock = take("proxy_get_current_time_nanoseconds") + take("clock_time_get");
            let _ = writeln!(table, "| {name} | {attached} | {entries} | {headers} | {properties} | {clock} |");
            assert!(calls.is_empty(), "{name}: {calls:?}");
        }
    }
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md")).unwrap();
    let listed = document.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(table, _)| table);
    assert_eq!(listed, Some(table.as_str()), "docs/performance.md");
}
