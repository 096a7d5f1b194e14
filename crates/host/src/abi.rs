//! The host's functions, as Proxy-Wasm ABI 0.2.1 declares them.

#![allow(unsafe_code, reason = "the border to the host is here, and nowhere else")]

use std::fmt;

use crate::{
    arena::{self, Event},
    number::{Buffer, Headers, LogLevel, StatKind, status},
};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, length: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(buffer: u32, start: usize, most: usize, data: *mut *mut u8, length: *mut usize) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, length: *mut usize) -> u32;
    fn proxy_get_property(path: *const u8, path_length: usize, data: *mut *mut u8, length: *mut usize) -> u32;
    fn proxy_register_shared_queue(name: *const u8, length: usize, token: *mut u32) -> u32;
    fn proxy_resolve_shared_queue(
        vm_id: *const u8,
        vm_id_length: usize,
        name: *const u8,
        name_length: usize,
        token: *mut u32,
    ) -> u32;
    fn proxy_dequeue_shared_queue(token: u32, data: *mut *mut u8, length: *mut usize) -> u32;
    fn proxy_enqueue_shared_queue(token: u32, data: *const u8, length: usize) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, length: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_get_metric(id: u32, value: *mut u64) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_length: usize,
        data: *mut *mut u8,
        length: *mut usize,
        version: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_length: usize,
        data: *const u8,
        length: usize,
        expected_version: u32,
    ) -> u32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_length: usize,
        headers: *const u8,
        headers_length: usize,
        body: *const u8,
        body_length: usize,
        trailers: *const u8,
        trailers_length: usize,
        timeout: u32,
        callout: *mut u32,
    ) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_length: usize,
        body: *const u8,
        body_length: usize,
        headers: *const u8,
        headers_length: usize,
        grpc_status: i32,
    ) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn environ_sizes_get(count: *mut usize, length: *mut usize) -> u16;
    fn environ_get(addresses: *mut *mut u8, bytes: *mut u8) -> u16;
}

/// What the host answered instead of Ok: Proxy-Wasm's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostError(pub(crate) u32);

impl HostError {
    /// Another VM has changed what was to be changed.
    pub(crate) const fn mismatch() -> Self {
        Self(status::CAS_MISMATCH)
    }

    /// Whether it says that.
    pub(crate) const fn is_mismatch(self) -> bool {
        self.0 == Self::mismatch().0
    }

    /// What was asked for is not there, or there is no more of it.
    pub(crate) const fn is_absence(self) -> bool {
        matches!(self.0, status::NOT_FOUND | status::EMPTY)
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            status::NOT_FOUND => "not found",
            status::BAD_ARGUMENT => "bad argument",
            status::INVALID_MEMORY_ACCESS => "invalid memory access",
            status::EMPTY => "empty",
            status::CAS_MISMATCH => "mismatch",
            status::INTERNAL_FAILURE => "internal failure",
            status::UNIMPLEMENTED => "not implemented",
            _ => "failure",
        };
        write!(f, "{name} (status {})", self.0)
    }
}

impl std::error::Error for HostError {}

fn done(status: u32) -> Result<(), HostError> {
    if status == 0 { Ok(()) } else { Err(HostError(status)) }
}

/// The bytes that a host function hands over: `ask` fills in their address and length.
///
/// The host writes them into memory that it gets from `proxy_on_memory_allocate`, and gives it away: an allocation of
/// exactly that length, or a part of the memory of an event.
fn bytes(ask: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, HostError> {
    let (data, length) = handed_over(ask)?;
    if data.is_null() || length == 0 {
        return Ok(Vec::new());
    }
    if arena::is_within(data) {
        // SAFETY: see above; nobody else writes there as long as the event lasts.
        return Ok(unsafe { std::slice::from_raw_parts(data, length) }.to_vec());
    }
    // SAFETY: see above; address and length are those of one allocation that nobody else owns.
    Ok(unsafe { Vec::from_raw_parts(data, length, length) })
}

fn handed_over(ask: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<(*mut u8, usize), HostError> {
    let mut data = std::ptr::null_mut();
    let mut length = 0;
    done(ask(&raw mut data, &raw mut length))?;
    Ok((data, length))
}

impl Event {
    /// The headers of the request, to be read with [`pairs`](crate::pairs); empty when there are none. Readable in
    /// on_http_request_headers and on_log.
    pub fn request_headers(&self) -> &[u8] {
        let map = Headers::Request as u32;
        // SAFETY: `handed_over` passes the addresses of two variables of its own, and gives what the host wrote.
        let handed_over = handed_over(|data, length| unsafe { proxy_get_header_map_pairs(map, data, length) });
        // SAFETY: the host has given it away.
        handed_over.map_or(&[], |(data, length)| unsafe { self.keep(data, length) })
    }

    /// A property of the request, its path's parts separated by NUL, as the bytes that Envoy has for it.
    pub fn property(&self, path: &[u8]) -> Option<&[u8]> {
        // SAFETY: as above; the host reads the path during the call.
        let ask = |data, length| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, length) };
        let (data, length) = handed_over(ask).ok()?;
        // SAFETY: the host has given it away.
        Some(unsafe { self.keep(data, length) })
    }
}

pub(crate) fn log(level: LogLevel, message: &str) -> Result<(), HostError> {
    // SAFETY: the host reads the text during the call.
    done(unsafe { proxy_log(level as u32, message.as_ptr(), message.len()) })
}

pub(crate) fn current_time_nanoseconds() -> Result<u64, HostError> {
    let mut time = 0;
    // SAFETY: the host writes one integer.
    done(unsafe { proxy_get_current_time_nanoseconds(&raw mut time) })?;
    Ok(time)
}

pub(crate) fn set_tick_period(milliseconds: u32) -> Result<(), HostError> {
    // SAFETY: nothing is pointed to.
    done(unsafe { proxy_set_tick_period_milliseconds(milliseconds) })
}

pub(crate) fn buffer(buffer: Buffer, most: usize) -> Result<Vec<u8>, HostError> {
    // SAFETY: `bytes` passes the addresses of two variables of its own.
    bytes(|data, length| unsafe { proxy_get_buffer_bytes(buffer as u32, 0, most, data, length) })
}

pub(crate) fn header_map(map: Headers) -> Result<Vec<u8>, HostError> {
    // SAFETY: as above.
    bytes(|data, length| unsafe { proxy_get_header_map_pairs(map as u32, data, length) })
}

pub(crate) fn property(path: &[u8]) -> Result<Vec<u8>, HostError> {
    // SAFETY: as above; the host reads the path during the call.
    bytes(|data, length| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, length) })
}

pub(crate) fn register_queue(name: &str) -> Result<u32, HostError> {
    let mut token = 0;
    // SAFETY: the host reads the name and writes one integer.
    done(unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), &raw mut token) })?;
    Ok(token)
}

pub(crate) fn resolve_queue(vm_id: &str, name: &str) -> Result<u32, HostError> {
    let mut token = 0;
    // SAFETY: the host reads the two texts and writes one integer.
    done(unsafe {
        proxy_resolve_shared_queue(vm_id.as_ptr(), vm_id.len(), name.as_ptr(), name.len(), &raw mut token)
    })?;
    Ok(token)
}

pub(crate) fn dequeue(token: u32) -> Result<Vec<u8>, HostError> {
    // SAFETY: `bytes` passes the addresses of two variables of its own.
    bytes(|data, length| unsafe { proxy_dequeue_shared_queue(token, data, length) })
}

pub(crate) fn enqueue(token: u32, data: &[u8]) -> Result<(), HostError> {
    // SAFETY: the host copies the bytes during the call.
    done(unsafe { proxy_enqueue_shared_queue(token, data.as_ptr(), data.len()) })
}

pub(crate) fn define_metric(kind: StatKind, name: &str) -> Result<u32, HostError> {
    let mut id = 0;
    // SAFETY: the host reads the name and writes one integer.
    done(unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut id) })?;
    Ok(id)
}

pub(crate) fn increment_metric(id: u32, offset: i64) -> Result<(), HostError> {
    // SAFETY: nothing is pointed to.
    done(unsafe { proxy_increment_metric(id, offset) })
}

pub(crate) fn record_metric(id: u32, value: u64) -> Result<(), HostError> {
    // SAFETY: nothing is pointed to.
    done(unsafe { proxy_record_metric(id, value) })
}

pub(crate) fn metric(id: u32) -> Result<u64, HostError> {
    let mut value = 0;
    // SAFETY: the host writes one integer.
    done(unsafe { proxy_get_metric(id, &raw mut value) })?;
    Ok(value)
}

/// The value of a key and its version.
pub(crate) fn shared_data(key: &str) -> Result<(Vec<u8>, u32), HostError> {
    let mut version = 0;
    // SAFETY: `bytes` passes the addresses of two variables of its own; the host reads the key and writes one integer.
    let data = bytes(|data, length| unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), data, length, &raw mut version)
    })?;
    Ok((data, version))
}

/// Sets a key whose version is this one; 0 sets it whatever the version is.
pub(crate) fn set_shared_data(key: &str, data: &[u8], version: u32) -> Result<(), HostError> {
    // SAFETY: the host copies both during the call.
    done(unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), data.as_ptr(), data.len(), version) })
}

/// `headers` and `trailers` are header maps as the host lays them out; the timeout is in milliseconds.
pub(crate) fn http_call(
    cluster: &str,
    headers: &[u8],
    body: &[u8],
    trailers: &[u8],
    timeout: u32,
) -> Result<u32, HostError> {
    let mut callout = 0;
    // SAFETY: the host copies what it is given during the call and writes one integer.
    done(unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout,
            &raw mut callout,
        )
    })?;
    Ok(callout)
}

/// All variables of the environment, each as `NAME=value` with a NUL after it; none where the host has no environment.
pub(crate) fn environment() -> Option<Vec<u8>> {
    let (mut count, mut length) = (0, 0);
    // SAFETY: the host writes two integers.
    let status = unsafe { environ_sizes_get(&raw mut count, &raw mut length) };
    if status != 0 {
        return None;
    }
    let mut addresses = vec![std::ptr::null_mut(); count];
    let mut bytes = vec![0; length];
    // SAFETY: there is room for as many addresses and bytes as the host has said.
    let status = unsafe { environ_get(addresses.as_mut_ptr(), bytes.as_mut_ptr()) };
    (status == 0).then_some(bytes)
}

pub(crate) fn set_effective_context(context: u32) -> Result<(), HostError> {
    // SAFETY: nothing is pointed to.
    done(unsafe { proxy_set_effective_context(context) })
}

/// `headers` is a header map as the host lays it out.
pub(crate) fn send_local_response(status: u32, headers: &[u8], body: &[u8]) -> Result<(), HostError> {
    const NO_GRPC_STATUS: i32 = -1;
    const DETAILS: &str = "acpw_gateway";
    // SAFETY: the host copies all of them during the call.
    done(unsafe {
        proxy_send_local_response(
            status,
            DETAILS.as_ptr(),
            DETAILS.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        )
    })
}
