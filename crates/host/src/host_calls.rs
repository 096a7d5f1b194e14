//! Host calls that write the log or read the configuration, headers, properties and bodies.
//!
//! Headers are read one by one, by name. The SDK's functions for a whole header map panic if a header name is not
//! UTF-8, and clients choose header names.

use proxy_wasm::{
    hostcalls,
    types::{BufferType, LogLevel, MapType},
};

/// Writes a line to Envoy's log. The line is lost if Envoy refuses it.
pub fn log(level: LogLevel, message: &str) {
    let _ = hostcalls::log(level, message);
}

/// Returns the plugin's configuration. It is empty if the plugin has none.
pub fn plugin_configuration() -> Vec<u8> {
    hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX).ok().flatten().unwrap_or_default()
}

/// Returns the value of the first request header with this name, which must be in lower case.
///
/// Request headers can be read in `on_http_request_headers` and in `on_log`.
pub fn request_header(name: &str) -> Option<Vec<u8>> {
    hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, name).ok().flatten()
}

/// Returns the value of the first header with this name, in lower case, of the response to a callout.
///
/// These headers can be read in `on_http_call_response` if it reports at least one header.
pub fn call_response_header(name: &str) -> Option<Vec<u8>> {
    hostcalls::get_map_value_bytes(MapType::HttpCallResponseHeaders, name).ok().flatten()
}

/// Returns the first `limit` bytes of the body of the response to a callout. Call it in `on_http_call_response`.
pub fn call_response_body(limit: usize) -> Vec<u8> {
    hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, limit).ok().flatten().unwrap_or_default()
}

/// Returns an Envoy attribute of the current request, in Envoy's encoding. The parts of `path` are separated by NUL.
pub fn property(path: &str) -> Option<Vec<u8>> {
    // The SDK joins the parts with NUL, so a path that is already joined can be passed as one part.
    hostcalls::get_property(vec![path]).ok().flatten()
}
