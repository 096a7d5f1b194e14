//! What is compared.

/// One Envoy of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    /// Its name in results and tables.
    pub(crate) name: &'static str,
    /// What is added to the Envoy.
    pub(crate) addition: Addition,
    /// The body of the answer to each request.
    pub(crate) body: Body,
    /// The variant that makes the same host calls and does nothing with the answers.
    pub(crate) floor: Option<&'static str>,
}

/// What is added to an Envoy that answers requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addition {
    Nothing,
    Module(Place, Module),
    Lua,
    JsonLog,
    NativeStats,
}

/// Where a module is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Filter,
    Logger,
}

/// A module for workers; some have another one on the main thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Module {
    /// The SDK's, doing nothing.
    Sdk,
    /// The sender, and the receiver with it.
    Sender(Observed),
    /// The host calls that the sender makes.
    Raw(Observed),
    /// An enqueue for each request, and a receiver that drains.
    Enqueue,
}

/// What a sender is configured to observe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Observed {
    /// RequestCount by host, method, path and status: what the first configuration of ACPW means.
    Seed,
    /// Count, latency, upstream's time, 4XX, 5XX and bytes both ways by host, method, status class and route.
    Full,
    /// Other hosts than that of the requests.
    Unmatched,
}

/// The body of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Empty,
    /// `OK` and a line break.
    Small,
    Megabyte,
}

/// The variant that all are compared with.
pub(crate) const NONE: &str = "no Wasm";
/// The variant whose added cost is 1.
pub(crate) const EMPTY_FILTER: &str = "empty SDK filter";

/// All variants. Those of a body are compared with the first of that body.
pub(crate) const VARIANTS: [Variant; 26] = [
    variant(NONE, Addition::Nothing),
    variant(EMPTY_FILTER, Addition::Module(Place::Filter, Module::Sdk)),
    variant("empty SDK logger", Addition::Module(Place::Logger, Module::Sdk)),
    sender("sender filter, seed", Place::Filter, Observed::Seed, "floor filter, seed"),
    sender("sender filter, full", Place::Filter, Observed::Full, "floor filter, full"),
    sender("sender filter, unmatched", Place::Filter, Observed::Unmatched, "floor filter, unmatched"),
    sender("sender logger, seed", Place::Logger, Observed::Seed, "floor logger, seed"),
    sender("sender logger, full", Place::Logger, Observed::Full, "floor logger, full"),
    sender("sender logger, unmatched", Place::Logger, Observed::Unmatched, "floor logger, unmatched"),
    variant("floor filter, seed", Addition::Module(Place::Filter, Module::Raw(Observed::Seed))),
    variant("floor filter, full", Addition::Module(Place::Filter, Module::Raw(Observed::Full))),
    variant("floor filter, unmatched", Addition::Module(Place::Filter, Module::Raw(Observed::Unmatched))),
    variant("floor logger, seed", Addition::Module(Place::Logger, Module::Raw(Observed::Seed))),
    variant("floor logger, full", Addition::Module(Place::Logger, Module::Raw(Observed::Full))),
    variant("floor logger, unmatched", Addition::Module(Place::Logger, Module::Raw(Observed::Unmatched))),
    variant("enqueue each request", Addition::Module(Place::Filter, Module::Enqueue)),
    variant("Lua", Addition::Lua),
    variant("JSON access log", Addition::JsonLog),
    variant("native stats", Addition::NativeStats),
    with_body("no Wasm, 3 B", Body::Small, Addition::Nothing),
    with_body("empty SDK filter, 3 B", Body::Small, Addition::Module(Place::Filter, Module::Sdk)),
    with_body("sender filter, full, 3 B", Body::Small, Addition::Module(Place::Filter, Module::Sender(Observed::Full))),
    large("no Wasm, 1 MB", Addition::Nothing),
    large("empty SDK filter, 1 MB", Addition::Module(Place::Filter, Module::Sdk)),
    large("sender filter, full, 1 MB", Addition::Module(Place::Filter, Module::Sender(Observed::Full))),
    large("sender logger, full, 1 MB", Addition::Module(Place::Logger, Module::Sender(Observed::Full))),
];

const fn variant(name: &'static str, addition: Addition) -> Variant {
    Variant { name, addition, body: Body::Empty, floor: None }
}

const fn sender(name: &'static str, place: Place, observed: Observed, floor: &'static str) -> Variant {
    let addition = Addition::Module(place, Module::Sender(observed));
    Variant { name, addition, body: Body::Empty, floor: Some(floor) }
}

const fn large(name: &'static str, addition: Addition) -> Variant {
    with_body(name, Body::Megabyte, addition)
}

const fn with_body(name: &'static str, body: Body, addition: Addition) -> Variant {
    Variant { name, addition, body, floor: None }
}

impl Variant {
    /// Whether its requests are to come to a receiver of ours.
    pub(crate) fn is_observed(&self) -> bool {
        match self.addition {
            Addition::Module(_, Module::Sender(observed)) => observed != Observed::Unmatched,
            Addition::NativeStats => true,
            Addition::Nothing | Addition::Module(..) | Addition::Lua | Addition::JsonLog => false,
        }
    }
}

impl Body {
    /// The variant that others with this body are compared with.
    pub(crate) fn base(self) -> &'static str {
        match self {
            Self::Empty => NONE,
            Self::Small => "no Wasm, 3 B",
            Self::Megabyte => "no Wasm, 1 MB",
        }
    }
}
