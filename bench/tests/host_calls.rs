//! The host calls of sender.wasm for each request, and the calls of it, counted by a host that answers as Envoy does; and that docs/performance.md
//! lists them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that traps has failed")]

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use scenes::{FULL, HOST, SEED, UNMATCHED};
use wasmi::{Caller, Engine, Extern, Instance, Linker, Module, Store, Val};

const ROOT: u32 = 1;
const STREAM: u32 = 2;
const REQUESTS: u64 = 1_000;
/// What a call of the module is counted under.
const ENTRY: &str = "";

/// The sender with requests in progress, for which it reads the clock.
const PROGRESS: &str = r#"{
    "receiver_vm_id": "receiver", "metrics": ["RequestCount", "RequestsInProgress"], "dimension_sets": [["host"]]
}"#;

type Calls = BTreeMap<String, u64>;

#[derive(Default)]
struct Host {
    configuration: &'static str,
    calls: Calls,
    metrics: u32,
}

/// The module in a host.
struct Sender {
    store: Store<Host>,
    instance: Instance,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Attachment {
    Filter,
    Logger,
}

impl Sender {
    fn new(configuration: &'static str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sender.wasm");
        let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}; make build-all", file.display()));
        let engine = Engine::default();
        let module = Module::new(&engine, &bytes[..]).unwrap();
        let mut store = Store::new(&engine, Host { configuration, ..Host::default() });
        let mut linker = Linker::new(&engine);
        for import in module.imports() {
            let ty = import.ty().func().unwrap().clone();
            let name = import.name().to_owned();
            let answer = move |caller: Caller<'_, Host>, arguments: &[Val], results: &mut [Val]| {
                let status = answer(caller, &name, arguments);
                results.iter_mut().for_each(|result| *result = Val::I32(status));
                Ok(())
            };
            linker.func_new(import.module(), import.name(), ty, answer).unwrap();
        }
        let instance = linker.instantiate_and_start(&mut store, &module).unwrap();
        let mut sender = Self { store, instance };
        sender.call("_initialize", &[]);
        sender.call("proxy_on_context_create", &[ROOT, 0]);
        sender.call("proxy_on_vm_start", &[ROOT, 0]);
        let is_configured = sender.call("proxy_on_configure", &[ROOT, configuration.len() as u32]);
        assert_eq!(is_configured, 1, "{configuration}");
        sender.forget();
        sender
    }

    fn call(&mut self, name: &str, arguments: &[u32]) -> i32 {
        let function = self.instance.get_func(&self.store, name).unwrap_or_else(|| panic!("no export {name}"));
        let arguments: Vec<Val> = arguments.iter().map(|argument| Val::I32(*argument as i32)).collect();
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        function.call(&mut self.store, &arguments, &mut results).unwrap();
        results.first().and_then(Val::i32).unwrap_or_default()
    }

    /// Calls what Envoy calls for a request and the module exports.
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

    fn forget(&mut self) {
        self.store.data_mut().calls.clear();
    }

    fn pages(&self) -> u64 {
        self.instance.get_memory(&self.store, "memory").unwrap().size(&self.store)
    }
}

/// Answers a call as Envoy does.
fn answer(mut caller: Caller<'_, Host>, name: &str, arguments: &[Val]) -> i32 {
    const NOT_FOUND: i32 = 1;
    *caller.data_mut().calls.entry(name.to_owned()).or_default() += 1;
    let argument = |at: usize| arguments[at].i32().unwrap() as u32;
    match name {
        "proxy_get_buffer_bytes" => {
            let configuration = caller.data().configuration;
            hand_over(&mut caller, configuration.as_bytes(), argument(3), argument(4));
        }
        "proxy_get_header_map_value" => {
            let value = match read(&caller, argument(1), argument(2)).as_slice() {
                b":authority" => HOST,
                b":path" => "/test",
                b":method" => "GET",
                _ => return NOT_FOUND,
            };
            hand_over(&mut caller, value.as_bytes(), argument(3), argument(4));
        }
        "proxy_get_property" => {
            let path = read(&caller, argument(0), argument(1));
            let value = match path.as_slice() {
                b"xds\0route_name" => b"main".to_vec(),
                b"response\0code" => 200i64.to_le_bytes().to_vec(),
                b"response\0backend_latency" => return NOT_FOUND,
                _ => 1_000_000i64.to_le_bytes().to_vec(),
            };
            hand_over(&mut caller, &value, argument(2), argument(3));
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

/// Has the module allocate memory, and writes bytes into it, and where they are.
fn hand_over(caller: &mut Caller<'_, Host>, bytes: &[u8], data: u32, length: u32) {
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

/// The calls of one request, by name.
fn calls(configuration: &'static str, attachment: Attachment) -> Calls {
    let mut sender = Sender::new(configuration);
    sender.request(attachment);
    sender.forget();
    let pages = sender.pages();
    for _ in 0..REQUESTS {
        sender.request(attachment);
    }
    // What is handed over is freed again.
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
fn the_calls_of_a_request_are_those_that_the_document_lists() {
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
        ("RequestCount and RequestsInProgress by host", PROGRESS),
    ] {
        for (attached, attachment) in [("HTTP filter", Attachment::Filter), ("access logger", Attachment::Logger)] {
            if configuration == PROGRESS && attachment == Attachment::Logger {
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
