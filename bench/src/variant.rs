//! The variants that are compared.

/// One Envoy in the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    /// The name in results and tables.
    pub(crate) name: &'static str,
    /// The addition to the Envoy.
    pub(crate) addition: Addition,
    /// The body of the response to each request.
    pub(crate) body: Body,
    /// The variant that makes the same host calls and discards the results.
    pub(crate) floor: Option<&'static str>,
}

/// An addition to an Envoy that answers requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addition {
    Nothing,
    Module(Attachment, Module),
    Lua,
    JsonLog,
    /// An access log that Envoy sends by gRPC.
    OpenTelemetryLog,
    /// Envoy's own stats of the full set, and their destination.
    NativeStats(Sink),
}

/// The destination of Envoy's own stats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    Receiver,
    OpenTelemetry,
    Statsd,
}

/// A way to read values of a request, measured without anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Headers one by one, by name.
    Single(&'static [&'static str]),
    /// All headers at once.
    All,
    /// Attributes, which Envoy calls properties.
    Properties(&'static [&'static str]),
}

/// The way in which a module is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attachment {
    Filter,
    Logger,
}

/// A module on the worker threads. Some modules need another one on the main thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Module {
    /// A module on the SDK that does nothing.
    Sdk,
    /// The sender, together with the receiver.
    Sender(SenderSetup),
    /// The floor of the sender.
    Raw(SenderSetup),
    /// A module that only reads values of each request.
    Reads(Reads),
    /// A module that enqueues each request, together with a receiver that drains the queue.
    Enqueue,
}

/// The configuration of a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SenderSetup {
    /// The seed configuration, which equals the first configuration of ACPW: RequestCount by host, method, path and
    /// status.
    Seed,
    /// The full set: count, latency, upstream latency, 4XX and 5XX errors, and bytes in both directions by host,
    /// method, status class and route.
    Full,
    /// A configuration that matches another host than that of the requests.
    Unmatched,
}

/// The body of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Empty,
    /// `OK` followed by a line feed.
    Small,
    Megabyte,
}

/// The name of the variant with which all others are compared.
pub(crate) const NONE: &str = "no Wasm";
/// The name of the variant whose added cost is the unit of ratios.
pub(crate) const EMPTY_FILTER: &str = "empty SDK filter";

/// All variants. Each variant is compared with the first one that has the same body.
pub(crate) const VARIANTS: [Variant; 29] = [
    variant(NONE, Addition::Nothing),
    variant(EMPTY_FILTER, Addition::Module(Attachment::Filter, Module::Sdk)),
    variant("empty SDK logger", Addition::Module(Attachment::Logger, Module::Sdk)),
    sender("sender filter, seed", Attachment::Filter, SenderSetup::Seed, "floor filter, seed"),
    sender("sender filter, full", Attachment::Filter, SenderSetup::Full, "floor filter, full"),
    sender("sender filter, unmatched", Attachment::Filter, SenderSetup::Unmatched, "floor filter, unmatched"),
    sender("sender logger, seed", Attachment::Logger, SenderSetup::Seed, "floor logger, seed"),
    sender("sender logger, full", Attachment::Logger, SenderSetup::Full, "floor logger, full"),
    sender("sender logger, unmatched", Attachment::Logger, SenderSetup::Unmatched, "floor logger, unmatched"),
    variant("floor filter, seed", Addition::Module(Attachment::Filter, Module::Raw(SenderSetup::Seed))),
    variant("floor filter, full", Addition::Module(Attachment::Filter, Module::Raw(SenderSetup::Full))),
    variant("floor filter, unmatched", Addition::Module(Attachment::Filter, Module::Raw(SenderSetup::Unmatched))),
    variant("floor logger, seed", Addition::Module(Attachment::Logger, Module::Raw(SenderSetup::Seed))),
    variant("floor logger, full", Addition::Module(Attachment::Logger, Module::Raw(SenderSetup::Full))),
    variant("floor logger, unmatched", Addition::Module(Attachment::Logger, Module::Raw(SenderSetup::Unmatched))),
    variant("enqueue each request", Addition::Module(Attachment::Filter, Module::Enqueue)),
    variant("Lua", Addition::Lua),
    variant("JSON access log", Addition::JsonLog),
    variant("OpenTelemetry access log", Addition::OpenTelemetryLog),
    variant("native stats", Addition::NativeStats(Sink::Receiver)),
    variant("native stats, OpenTelemetry sink", Addition::NativeStats(Sink::OpenTelemetry)),
    variant("native stats, statsd sink", Addition::NativeStats(Sink::Statsd)),
    with_body("no Wasm, 3 B", Body::Small, Addition::Nothing),
    with_body("empty SDK filter, 3 B", Body::Small, Addition::Module(Attachment::Filter, Module::Sdk)),
    with_body(
        "sender filter, full, 3 B",
        Body::Small,
        Addition::Module(Attachment::Filter, Module::Sender(SenderSetup::Full)),
    ),
    large("no Wasm, 1 MB", Addition::Nothing),
    large("empty SDK filter, 1 MB", Addition::Module(Attachment::Filter, Module::Sdk)),
    large("sender filter, full, 1 MB", Addition::Module(Attachment::Filter, Module::Sender(SenderSetup::Full))),
    large("sender logger, full, 1 MB", Addition::Module(Attachment::Logger, Module::Sender(SenderSetup::Full))),
];

/// The ways to read values of a request, which are compared for requests with few and many headers.
pub(crate) const READS: [Variant; 9] = [
    variant(NONE, Addition::Nothing),
    reads("nothing", Reads::Single(&[])),
    reads("one header", Reads::Single(&[":authority"])),
    reads("three headers", Reads::Single(&[":authority", ":method", ":path"])),
    reads("six headers", Reads::Single(&[":authority", ":method", ":path", "x-header-0", "x-header-1", "x-header-2"])),
    reads("all headers at once", Reads::All),
    reads("the property request.host", Reads::Properties(&["request.host"])),
    reads("the same three as properties", Reads::Properties(&["request.host", "request.method", "request.path"])),
    reads("the property response.code", Reads::Properties(&["response.code"])),
];

const fn variant(name: &'static str, addition: Addition) -> Variant {
    Variant { name, addition, body: Body::Empty, floor: None }
}

const fn sender(name: &'static str, attachment: Attachment, setup: SenderSetup, floor: &'static str) -> Variant {
    let addition = Addition::Module(attachment, Module::Sender(setup));
    Variant { name, addition, body: Body::Empty, floor: Some(floor) }
}

const fn reads(name: &'static str, reads: Reads) -> Variant {
    variant(name, Addition::Module(Attachment::Filter, Module::Reads(reads)))
}

const fn large(name: &'static str, addition: Addition) -> Variant {
    with_body(name, Body::Megabyte, addition)
}

const fn with_body(name: &'static str, body: Body, addition: Addition) -> Variant {
    Variant { name, addition, body, floor: None }
}

impl Variant {
    /// Returns whether a receiver must receive data about its requests.
    pub(crate) fn is_observed(&self) -> bool {
        match self.addition {
            Addition::Module(_, Module::Sender(setup)) => setup != SenderSetup::Unmatched,
            Addition::NativeStats(sink) => sink == Sink::Receiver,
            Addition::Nothing
            | Addition::Module(..)
            | Addition::Lua
            | Addition::JsonLog
            | Addition::OpenTelemetryLog => false,
        }
    }

    /// Returns whether the variant does work for each request on the main thread.
    pub(crate) fn uses_main_thread(&self) -> bool {
        matches!(self.addition, Addition::Module(_, Module::Enqueue))
    }
}

impl Body {
    /// Returns the name of the variant with which others with this body are compared.
    pub(crate) fn base(self) -> &'static str {
        match self {
            Self::Empty => NONE,
            Self::Small => "no Wasm, 3 B",
            Self::Megabyte => "no Wasm, 1 MB",
        }
    }
}
