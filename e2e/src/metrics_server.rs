//! A Prometheus endpoint for tests.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use http_body_util::Full;
use hyper::{Response, body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    task::{AbortHandle, JoinSet},
};

/// A server on a free port that responds to every request with a text, which tests can change. Dropping it stops it.
#[derive(Debug)]
pub struct MetricsServer {
    address: SocketAddr,
    /// The text, and the number of responses with it.
    state: Arc<Mutex<(String, u64)>>,
    task: AbortHandle,
}

impl MetricsServer {
    /// Starts a server.
    ///
    /// # Panics
    /// Panics if there is no free port.
    pub async fn start(text: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new((text.to_owned(), 0)));
        let task = tokio::spawn(serve(listener, Arc::clone(&state))).abort_handle();
        Self { address, state, task }
    }

    /// Returns the address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the text and returns the number of responses with the previous text.
    pub fn set(&self, text: &str) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *state, (text.to_owned(), 0)).1
    }

    /// Returns the number of responses with the current text.
    pub fn responses(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<(String, u64)>>) -> io::Result<Infallible> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let state = Arc::clone(&state);
        let service = service_fn(move |_| {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.1 += 1;
            let response = Response::new(Full::<Bytes>::from(state.0.clone()));
            async { Ok::<_, Infallible>(response) }
        });
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
