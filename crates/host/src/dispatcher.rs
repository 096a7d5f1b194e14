//! The events that Envoy tells, as Proxy-Wasm ABI 0.2.1 names them.
//!
//! The SDK's dispatcher serves every kind of plugin: for each request it allocates a context and finds it in several maps,
//! and it brings the code of every event and call into the module, used or not. This one has what these plugins need, and
//! what one of them does not handle is pruned from its module.

#![allow(unsafe_code, reason = "the border to the host")]

use std::cell::RefCell;

use crate::{Contexts, LogLevel, Plugin, log};

/// Runs `act` on the contexts, unless they are at work already, which Envoy's calls, one after the other, do not let happen.
pub fn with<P: Plugin, T: Default>(contexts: &RefCell<Contexts<P>>, act: impl FnOnce(&mut Contexts<P>) -> T) -> T {
    contexts.try_borrow_mut().map_or_else(|_| T::default(), |mut contexts| act(&mut contexts))
}

/// Has a panic written to Envoy's log, before it ends the VM.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| log(LogLevel::Critical, &panic.to_string())));
}

/// Exports the functions by which Envoy calls a [`Plugin`](crate::Plugin).
#[macro_export]
macro_rules! plugin {
    ($plugin:ty) => {
        thread_local! {
            static CONTEXTS: ::std::cell::RefCell<$crate::Contexts<$plugin>> = ::std::cell::RefCell::default();
        }

        unsafe extern "C" {
            fn __wasm_call_ctors();
        }

        #[unsafe(no_mangle)]
        extern "C" fn _initialize() {
            // SAFETY: a reactor's constructors are run once, by its `_initialize`.
            unsafe { __wasm_call_ctors() };
            $crate::dispatcher::log_panics();
        }

        #[unsafe(no_mangle)]
        extern "C" fn proxy_abi_version_0_2_1() {}

        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_memory_allocate(length: usize) -> *mut u8 {
            $crate::arena::allocate(length)
        }

        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_context_create(id: u32, root: u32) {
            CONTEXTS.with(|contexts| $crate::dispatcher::with(contexts, |contexts| contexts.create(id, root)));
        }

        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_vm_start(_: u32, _: usize) -> u32 {
            1
        }

        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_configure(id: u32, _: usize) -> u32 {
            let configure =
                |contexts: &mut $crate::Contexts<$plugin>| contexts.root(id).is_some_and($crate::Plugin::on_configure);
            u32::from(CONTEXTS.with(|contexts| $crate::dispatcher::with(contexts, configure)))
        }

        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_tick(id: u32) {
            CONTEXTS.with(|contexts| {
                $crate::dispatcher::with(contexts, |contexts| {
                    contexts.root(id).map($crate::Plugin::on_tick);
                });
            });
        }

        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_done(id: u32) -> u32 {
            CONTEXTS.with(|contexts| $crate::dispatcher::with(contexts, |contexts| contexts.done(id)));
            1
        }

        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_queue_ready(id: u32, _: u32) {
            CONTEXTS.with(|contexts| {
                $crate::dispatcher::with(contexts, |contexts| {
                    contexts.root(id).map($crate::Plugin::on_queue_ready);
                });
            });
        }

        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_http_call_response(id: u32, callout: $crate::Callout, _: usize, _: usize, _: usize) {
            CONTEXTS.with(|contexts| {
                $crate::dispatcher::with(contexts, |contexts| {
                    contexts.root(id).map(|root| $crate::Plugin::on_http_call_response(root, callout));
                });
            });
        }

        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_request_headers(id: u32, _: u32, is_end: u32) -> $crate::Action {
            let act = |contexts: &mut $crate::Contexts<$plugin>| contexts.request_headers(id, is_end != 0);
            CONTEXTS.with(|contexts| $crate::dispatcher::with(contexts, act))
        }

        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_request_body(id: u32, length: usize, is_end: u32) -> $crate::Action {
            let act = |contexts: &mut $crate::Contexts<$plugin>| contexts.request_body(id, is_end != 0, length);
            CONTEXTS.with(|contexts| $crate::dispatcher::with(contexts, act))
        }

        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_log(id: u32) {
            CONTEXTS.with(|contexts| $crate::dispatcher::with(contexts, |contexts| contexts.log(id)));
        }
    };
}
