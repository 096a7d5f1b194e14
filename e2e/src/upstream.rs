//! A server behind Envoy.

use std::{
    convert::Infallible,
    future::pending,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    task::{AbortHandle, JoinSet},
};

/// What it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The `Host` header.
    pub host: String,
    /// Path and query.
    pub path: String,
}

/// A server on a free port that answers `/status/NNN` with that status, `/hang` never, and closes the connection instead
/// of an answer for `/reset`. Everything else gets 200. It ends when it is dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: AbortHandle,
}

impl Upstream {
    /// Starts a server.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::default();
        let task = tokio::spawn(serve(listener, Arc::clone(&seen))).abort_handle();
        Self { address, seen, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything that it was asked for, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, seen: Arc<Mutex<Vec<Seen>>>) -> io::Result<Infallible> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let seen = Arc::clone(&seen);
        let service = service_fn(move |request| {
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(Seen::of(&request));
            answer(request)
        });
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let path = request.uri().path();
    let status = match path {
        "/hang" => pending().await,
        "/reset" => return Err(io::ErrorKind::ConnectionReset.into()),
        _ => path.strip_prefix("/status/").and_then(|status| status.parse().ok()).unwrap_or(StatusCode::OK),
    };
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    Ok(answer)
}

impl Seen {
    fn of(request: &Request<Incoming>) -> Self {
        let host =
            request.headers().get(header::HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
        Self { host: host.unwrap_or_default(), path: request.uri().to_string() }
    }
}
