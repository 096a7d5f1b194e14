//! The numbers of Proxy-Wasm ABI 0.2.1.

/// How much a line in Envoy's log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum LogLevel {
    /// Of interest when something is looked into.
    Debug = 1,
    /// Of interest to know.
    Info = 2,
    /// Something is tried again.
    Warn = 3,
    /// Something is lost, or needs an operator.
    Error = 4,
    /// The plugin does not run.
    Critical = 5,
}

/// What the host has as a run of bytes.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum Buffer {
    RequestBody = 0,
    CallResponseBody = 4,
    PluginConfiguration = 7,
}

/// What the host has as names and values.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum Headers {
    Request = 0,
    CallResponse = 6,
}

/// A kind of Envoy's statistics.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum StatKind {
    Counter = 0,
    Gauge = 1,
}

/// What the host answers instead of Ok; there are more.
pub(crate) mod status {
    pub(crate) const NOT_FOUND: u32 = 1;
    pub(crate) const BAD_ARGUMENT: u32 = 2;
    pub(crate) const INVALID_MEMORY_ACCESS: u32 = 6;
    pub(crate) const EMPTY: u32 = 7;
    pub(crate) const CAS_MISMATCH: u32 = 8;
    pub(crate) const INTERNAL_FAILURE: u32 = 10;
    pub(crate) const UNIMPLEMENTED: u32 = 12;
}

#[cfg(test)]
mod tests {
    use proxy_wasm::types::{self, BufferType, MapType, MetricType, Status};

    use super::*;
    use crate::Action;

    #[test]
    fn numbers_are_those_of_the_sdk() {
        let numbers = [
            (LogLevel::Debug as u32, types::LogLevel::Debug as u32),
            (LogLevel::Info as u32, types::LogLevel::Info as u32),
            (LogLevel::Warn as u32, types::LogLevel::Warn as u32),
            (LogLevel::Error as u32, types::LogLevel::Error as u32),
            (LogLevel::Critical as u32, types::LogLevel::Critical as u32),
            (Action::Continue as u32, types::Action::Continue as u32),
            (Action::Pause as u32, types::Action::Pause as u32),
            (Buffer::RequestBody as u32, BufferType::HttpRequestBody as u32),
            (Buffer::CallResponseBody as u32, BufferType::HttpCallResponseBody as u32),
            (Buffer::PluginConfiguration as u32, BufferType::PluginConfiguration as u32),
            (Headers::Request as u32, MapType::HttpRequestHeaders as u32),
            (Headers::CallResponse as u32, MapType::HttpCallResponseHeaders as u32),
            (StatKind::Counter as u32, MetricType::Counter as u32),
            (StatKind::Gauge as u32, MetricType::Gauge as u32),
            (status::NOT_FOUND, Status::NotFound as u32),
            (status::BAD_ARGUMENT, Status::BadArgument as u32),
            (status::EMPTY, Status::Empty as u32),
            (status::CAS_MISMATCH, Status::CasMismatch as u32),
            (status::INTERNAL_FAILURE, Status::InternalFailure as u32),
        ];
        for (index, (ours, theirs)) in numbers.into_iter().enumerate() {
            assert_eq!(ours, theirs, "number {index}");
        }
    }
}
