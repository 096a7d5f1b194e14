//! The modules: how each is built, and what it may be.

/// A module that Envoy loads.
#[derive(Debug)]
pub(crate) struct Module {
    /// The name of its file without `.wasm`; its package is `acpw-NAME`.
    pub(crate) name: &'static str,
    /// What it does, after "a module that".
    pub(crate) task: &'static str,
    /// The cargo profile.
    pub(crate) profile: &'static str,
    /// More flags for rustc.
    pub(crate) rustflags: &'static str,
    /// The events that it handles. Envoy enters the VM for each export that it finds, at 0.2 to 0.3 µs each.
    pub(crate) events: &'static [&'static str],
    /// The guard on its size in bytes.
    pub(crate) max_bytes: u64,
}

const KIB: u64 = 1024;

/// All modules.
///
/// The guards on size are there to notice a dependency that nobody meant to add. An operator feels none of these sizes:
/// Envoy reads a module once, and one of 600 KB compiles in tens of milliseconds.
pub(crate) const MODULES: [Module; 3] = [
    Module {
        name: "sender",
        task: "counts requests on Envoy's workers",
        profile: "release",
        // Inlining as much as speed alone would have it adds 4 % to the module and makes no request faster.
        rustflags: "-Cllvm-args=-inline-threshold=50",
        events: &["proxy_on_log", "proxy_on_request_headers", "proxy_on_tick"],
        // The SDK, hash tables and the reader of configurations, with a quarter to grow.
        max_bytes: 320 * KIB,
    },
    Module {
        name: "receiver",
        task: "publishes metrics to Amazon CloudWatch",
        profile: "small",
        rustflags: "",
        events: &["proxy_on_http_call_response", "proxy_on_queue_ready", "proxy_on_tick"],
        // As above, and deflate, SHA-256, serde_json, eight credentials providers and three sources.
        max_bytes: 800 * KIB,
    },
    Module {
        name: "gateway",
        task: "takes metrics over HTTP",
        profile: "small",
        rustflags: "",
        events: &["proxy_on_log", "proxy_on_request_body", "proxy_on_request_headers", "proxy_on_tick"],
        // As above, and three protocols, inflate and the page.
        max_bytes: 500 * KIB,
    },
];

/// The exports that Envoy needs of every module. `proxy_on_delete` is among them because the SDK frees contexts there.
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
    /// Returns every export that the module has.
    pub(crate) fn exports(&self) -> impl Iterator<Item = &'static str> {
        ALWAYS.into_iter().chain(self.events.iter().copied())
    }
}
