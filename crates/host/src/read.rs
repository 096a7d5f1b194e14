//! Text and bytes of the host: the log, the configuration, headers, properties and bodies.
//!
//! Headers are read by name. The SDK's functions for a whole header map panic on a name that is not UTF-8, and strangers
//! choose names.

use proxy_wasm::{
    hostcalls,
    types::{BufferType, LogLevel, MapType},
};

/// Writes a line to Envoy's log. A line that Envoy does not take is lost.
pub fn log(level: LogLevel, message: &str) {
    let _ = hostcalls::log(level, message);
}

/// Returns the plugin's configuration, which is empty when it has none.
pub fn plugin_configuration() -> Vec<u8> {
    hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX).ok().flatten().unwrap_or_default()
}

/// Returns the first request header of this name, in lower case. Readable while request headers arrive and in `on_log`.
pub fn request_header(name: &str) -> Option<Vec<u8>> {
    hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, name).ok().flatten()
}

/// Returns the first response header of this name, in lower case, during `on_http_call_response` with at least one header.
pub fn call_response_header(name: &str) -> Option<Vec<u8>> {
    hostcalls::get_map_value_bytes(MapType::HttpCallResponseHeaders, name).ok().flatten()
}

/// Returns the first `limit` bytes of the response's body, during `on_http_call_response`.
pub fn call_response_body(limit: usize) -> Vec<u8> {
    hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, limit).ok().flatten().unwrap_or_default()
}

/// Returns an attribute of the current request, in the bytes that Envoy has for it. NUL separates the parts of `path`.
pub fn property(path: &str) -> Option<Vec<u8>> {
    // The SDK joins the parts with NUL; a joined path passes as one part, so nothing has to be split here.
    hostcalls::get_property(vec![path]).ok().flatten()
}
