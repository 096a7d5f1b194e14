//! The design of the original ACPW in Go, implemented in Rust: the filter enqueues a JSON document for every request,
//! which wakes the receiver. The receiver drains the queue and discards the documents, because only the filter is
//! compared.
//!
//! The configuration is `receiver` for the receiver and empty for the filter.

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

/// The `vm_id` of the receiver.
const RECEIVER: &str = "enqueue-receiver";
const QUEUE: &str = "requests";

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root { queue: None }));
}}

struct Root {
    queue: Option<u32>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        if self.get_plugin_configuration().as_deref() == Some(b"receiver") {
            return hostcalls::register_shared_queue(QUEUE).is_ok();
        }
        self.set_tick_period(std::time::Duration::from_millis(100));
        true
    }

    fn on_tick(&mut self) {
        if self.queue.is_none() {
            self.queue = hostcalls::resolve_shared_queue(RECEIVER, QUEUE).ok().flatten();
        }
    }

    fn on_queue_ready(&mut self, queue: u32) {
        while let Ok(Some(_)) = hostcalls::dequeue_shared_queue(queue) {}
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { queue: self.queue, ..Stream::default() }))
    }
}

#[derive(Default)]
struct Stream {
    queue: Option<u32>,
    host: String,
    method: String,
    path: String,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let header = |name| text(self.get_http_request_header_bytes(name));
        (self.host, self.method, self.path) = (header(":authority"), header(":method"), header(":path"));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        let status = text(self.get_http_response_header_bytes(":status"));
        if let Some(queue) = self.queue {
            let Self { host, method, path, .. } = self;
            let json = format!(r#"{{"host":"{host}","method":"{method}","path":"{path}","status":"{status}"}}"#);
            let _ = hostcalls::enqueue_shared_queue(queue, Some(json.as_bytes()));
        }
        Action::Continue
    }
}

/// Converts bytes to text. The SDK's getters that return text trap on a header that is not UTF-8.
fn text(bytes: Option<Vec<u8>>) -> String {
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}
