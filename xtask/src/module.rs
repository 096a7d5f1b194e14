//! The modules, with their build settings and limits.

/// A module that Envoy loads.
#[derive(Debug)]
pub(crate) struct Module {
    /// The name of the file without `.wasm`. The package is `acpw-NAME`.
    pub(crate) name: &'static str,
    /// Its purpose, worded to follow "a module that".
    pub(crate) task: &'static str,
    /// The cargo profile.
    pub(crate) profile: &'static str,
    /// Additional flags for rustc.
    pub(crate) rustflags: &'static str,
    /// The events that the module handles. Envoy enters the VM for each exported event, which costs 0.2 to 0.3 µs.
    pub(crate) events: &'static [&'static str],
    /// The maximum size in bytes.
    pub(crate) max_bytes: u64,
}

const KIB: u64 = 1024;

/// All modules.
///
/// The maximum sizes reveal dependencies that were added by accident. They do not matter in operation: Envoy reads a
/// module once, and compiles 600 KB in tens of milliseconds.
pub(crate) const MODULES: [Module; 3] = [
    Module {
        name: "sender",
        task: "counts requests on Envoy's workers",
        profile: "release",
        // The default threshold of opt-level 3 makes the module 4 % larger, but no request faster.
        rustflags: "-Cllvm-args=-inline-threshold=50",
        events: &["proxy_on_log", "proxy_on_request_headers", "proxy_on_tick"],
        // The SDK, hash tables and the configuration parser, plus a quarter for growth.
        max_bytes: 320 * KIB,
    },
    Module {
        name: "receiver",
        task: "publishes metrics to Amazon CloudWatch",
        profile: "small",
        rustflags: "",
        events: &["proxy_on_http_call_response", "proxy_on_queue_ready", "proxy_on_tick"],
        // The same, plus deflate, SHA-256, serde_json, eight credentials providers, three sources, and OTLP with
        // protobuf.
        max_bytes: 980 * KIB,
    },
    Module {
        name: "gateway",
        task: "takes metrics over HTTP",
        profile: "small",
        rustflags: "",
        events: &["proxy_on_log", "proxy_on_request_body", "proxy_on_request_headers", "proxy_on_tick"],
        // The same, plus three protocols, OTLP in two encodings, inflate and the web page.
        max_bytes: 660 * KIB,
    },
];

/// The exports of every module. `proxy_on_delete` is among them because the SDK frees contexts there.
const ALWAYS: [&str; 9] = [
    "_initialize",
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_done",
    "proxy_on_memory_allocate",
    "proxy_on_vm_start",
];

impl Module {
    /// Returns all exports of the module.
    pub(crate) fn exports(&self) -> impl Iterator<Item = &'static str> {
        ALWAYS.into_iter().chain(self.events.iter().copied())
    }
}
