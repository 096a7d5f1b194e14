//! The floor of an attachment: a module without the SDK that makes the host calls of the sender in the same place and
//! throws the answers away, and that Envoy enters as often. What the sender costs above it is its own work.
//!
//! Its configuration is lines: `filter` or `logger`, then the properties to read at the end of each request, with dots.
//! What the host hands over goes into an arena that each event empties.

#![no_std]

use core::{cell::UnsafeCell, ptr, slice};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_buffer_bytes(buffer: u32, start: usize, most: usize, data: *mut *mut u8, length: *mut usize) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, length: *mut usize) -> u32;
    fn proxy_get_property(path: *const u8, path_length: usize, data: *mut *mut u8, length: *mut usize) -> u32;
}

const ARENA: usize = 64 * 1024;
const MOST_PROPERTIES: usize = 16;
const MOST_CONFIGURATION: usize = 1024;

/// A VM has one thread.
struct Single<T>(UnsafeCell<T>);

// SAFETY: see above.
unsafe impl<T> Sync for Single<T> {}

struct State {
    used: usize,
    is_filter: bool,
    properties: usize,
    /// Where each property's path lies in the configuration.
    spans: [(usize, usize); MOST_PROPERTIES],
    configuration: [u8; MOST_CONFIGURATION],
}

#[repr(align(16))]
struct Arena([u8; ARENA]);

static STATE: Single<State> = Single(UnsafeCell::new(State {
    used: 0,
    is_filter: false,
    properties: 0,
    spans: [(0, 0); MOST_PROPERTIES],
    configuration: [0; MOST_CONFIGURATION],
}));
static MEMORY: Single<Arena> = Single(UnsafeCell::new(Arena([0; ARENA])));

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(length: usize) -> *mut u8 {
    // SAFETY: a VM has one thread, and nothing else holds a reference during a call of the host.
    unsafe {
        let used = &raw mut (*STATE.0.get()).used;
        let start = *used;
        let end = start + length.next_multiple_of(8);
        if end > ARENA {
            return ptr::null_mut();
        }
        *used = end;
        (&raw mut (*MEMORY.0.get()).0).cast::<u8>().add(start)
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(_: u32, _: u32) {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_: u32, _: usize) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(_: u32, length: usize) -> u32 {
    const PLUGIN_CONFIGURATION: u32 = 7;
    if length > MOST_CONFIGURATION {
        return 0;
    }
    let (mut data, mut given) = (ptr::null_mut(), 0);
    // SAFETY: the host fills in an address in the arena and a length.
    unsafe {
        if proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, length, &raw mut data, &raw mut given) != 0 || given > length
        {
            return 0;
        }
        let state = STATE.0.get();
        let text = slice::from_raw_parts_mut((&raw mut (*state).configuration).cast::<u8>(), given);
        text.copy_from_slice(slice::from_raw_parts(data, given));
        (*state).used = 0;
        (*state).properties = 0;
        (*state).is_filter = text.starts_with(b"filter");
        let mut start = 0;
        for (line, path) in text.split_mut(|byte| *byte == b'\n').enumerate() {
            let length = path.len();
            if line > 0 && length > 0 && (*state).properties < MOST_PROPERTIES {
                path.iter_mut().filter(|byte| **byte == b'.').for_each(|byte| *byte = 0);
                (*state).spans[(*state).properties] = (start, length);
                (*state).properties += 1;
            }
            start += length + 1;
        }
    }
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_done(_: u32) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(_: u32, _: u32, _: u32) -> u32 {
    empty();
    read_headers();
    0
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(_: u32) {
    empty();
    // SAFETY: the spans lie within the configuration; see `proxy_on_memory_allocate` for the rest.
    unsafe {
        let state = STATE.0.get();
        if !(*state).is_filter {
            read_headers();
        }
        let configuration = (&raw const (*state).configuration).cast::<u8>();
        for at in 0..(*state).properties {
            let (start, length) = (*state).spans[at];
            let (mut data, mut given) = (ptr::null_mut(), 0);
            proxy_get_property(configuration.add(start), length, &raw mut data, &raw mut given);
        }
    }
}

fn read_headers() {
    const REQUEST_HEADERS: u32 = 0;
    let (mut data, mut given) = (ptr::null_mut(), 0);
    // SAFETY: the host fills in an address in the arena and a length.
    unsafe {
        proxy_get_header_map_pairs(REQUEST_HEADERS, &raw mut data, &raw mut given);
    }
}

/// Frees all that the host has handed over.
fn empty() {
    // SAFETY: a VM has one thread.
    unsafe { (*STATE.0.get()).used = 0 };
}
