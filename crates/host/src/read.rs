//! What the host tells about itself and the current request.

use crate::{
    LogLevel, abi,
    number::{Buffer, Headers},
};

/// Writes a line to Envoy's log; a host that does not take it is not told twice.
pub fn log(level: LogLevel, message: &str) {
    let _ = abi::log(level, message);
}

/// The plugin's configuration, empty when it has none.
pub fn plugin_configuration() -> Vec<u8> {
    abi::buffer(Buffer::PluginConfiguration, usize::MAX).unwrap_or_default()
}

/// A property of the current request, its path's parts separated by NUL, as the bytes that Envoy has for it.
pub fn property(path: &[u8]) -> Option<Vec<u8>> {
    abi::property(path).ok()
}

/// The headers of the current request, to be read with [`pairs`](crate::pairs). Readable in on_http_request_headers and on_log.
pub fn request_headers() -> Vec<u8> {
    abi::header_map(Headers::Request).unwrap_or_default()
}
