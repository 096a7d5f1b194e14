//! An upstream server for tests.

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

/// A request that the server received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRequest {
    /// The `Host` header.
    pub host: String,
    /// The path and the query.
    pub path: String,
}

/// A server on a free port. Dropping it stops it.
///
/// | path | response |
/// |---|---|
/// | `/status/NNN` | the status NNN |
/// | `/sleep/MS` | 200 after MS milliseconds |
/// | `/bytes/N` | a body of N bytes |
/// | `/grpc/N` | the gRPC status N |
/// | `/flaky/N/…` | 503 for the first N requests with the same path, then 200 |
/// | `/hang` | none |
/// | `/reset` | none; the connection is closed |
/// | any other | 200 |
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<SeenRequest>>>,
    task: AbortHandle,
}

impl Upstream {
    /// Starts a server.
    ///
    /// # Panics
    /// Panics if there is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::default();
        let task = tokio::spawn(serve(listener, Arc::clone(&requests))).abort_handle();
        Self { address, requests, task }
    }

    /// Returns the address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns all received requests, in order.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, requests: Arc<Mutex<Vec<SeenRequest>>>) -> io::Result<Infallible> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let requests = Arc::clone(&requests);
        let service = service_fn(move |request| {
            let received = SeenRequest::new(&request);
            let mut requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
            let earlier = requests.iter().filter(|earlier| earlier.path == received.path).count();
            requests.push(received);
            respond(request, earlier)
        });
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn respond(request: Request<Incoming>, earlier: usize) -> io::Result<Response<Full<Bytes>>> {
    let path = request.uri().path().to_owned();
    // Read the body, because Envoy may still be sending it.
    let _ = request.into_body().collect().await;
    let mut parts = path.split('/').skip(1);
    let (kind, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let number = value.parse().unwrap_or(0);
    let mut response = Response::new(Full::default());
    match kind {
        "hang" => pending().await,
        "reset" => return Err(io::ErrorKind::ConnectionReset.into()),
        "status" => *response.status_mut() = value.parse().unwrap_or(StatusCode::OK),
        "flaky" if earlier < number => *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE,
        "sleep" => tokio::time::sleep(Duration::from_millis(number as u64)).await,
        "bytes" => *response.body_mut() = vec![b'x'; number].into(),
        "grpc" => {
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert("grpc-status", number.into());
        }
        _ => {}
    }
    Ok(response)
}

impl SeenRequest {
    fn new(request: &Request<Incoming>) -> Self {
        let host =
            request.headers().get(header::HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
        Self { host: host.unwrap_or_default(), path: request.uri().to_string() }
    }
}
