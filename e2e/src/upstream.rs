//! A server behind Envoy.

use std::{
    convert::Infallible,
    future::pending,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
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

/// A server on a free port that answers `/status/NNN` with that status, `/sleep/MS` after so many milliseconds,
/// `/bytes/N` with a body of so many bytes, `/grpc/N` with that gRPC status, `/flaky/N/…` with 503 the first N times,
/// `/hang` never, and closes the connection instead of an answer for `/reset`. Everything else gets 200. It ends when it
/// is dropped.
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
            let asked = Seen::of(&request);
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let earlier = seen.iter().filter(|earlier| earlier.path == asked.path).count();
            seen.push(asked);
            answer(request, earlier)
        });
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(request: Request<Incoming>, earlier: usize) -> io::Result<Response<Full<Bytes>>> {
    let path = request.uri().path().to_owned();
    // Envoy may still be sending.
    let _ = request.into_body().collect().await;
    let mut parts = path.split('/').skip(1);
    let (what, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let number = value.parse().unwrap_or(0);
    let mut answer = Response::new(Full::default());
    match what {
        "hang" => pending().await,
        "reset" => return Err(io::ErrorKind::ConnectionReset.into()),
        "status" => *answer.status_mut() = value.parse().unwrap_or(StatusCode::OK),
        "flaky" if earlier < number => *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE,
        "sleep" => tokio::time::sleep(Duration::from_millis(number as u64)).await,
        "bytes" => *answer.body_mut() = vec![b'x'; number].into(),
        "grpc" => {
            let headers = answer.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert("grpc-status", number.into());
        }
        _ => {}
    }
    Ok(answer)
}

impl Seen {
    fn of(request: &Request<Incoming>) -> Self {
        let host =
            request.headers().get(header::HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
        Self { host: host.unwrap_or_default(), path: request.uri().to_string() }
    }
}
