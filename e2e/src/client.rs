//! An HTTP client with keep-alive connections.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

/// A request to send.
#[derive(Clone, Debug)]
pub struct ClientRequest {
    host: String,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// A received response.
#[derive(Clone, Debug)]
pub struct ClientResponse {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The complete body.
    pub body: Bytes,
}

impl ClientRequest {
    /// Creates a GET request with a `Host` header and a path, which can include a query.
    pub fn get(host: &str, path: &str) -> Self {
        Self::new(Method::GET, host, path)
    }

    /// Creates a request with a method, a `Host` header and a path.
    pub fn new(method: Method, host: &str, path: &str) -> Self {
        Self { host: host.to_owned(), method, path: path.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Asks the server to close the connection after the response. Envoy does so anyway if it responds before it has
    /// read the body, as direct responses do, and another request on the same connection would race with that.
    #[must_use]
    pub fn closing(self) -> Self {
        self.header("connection", "close")
    }

    fn to_hyper(&self) -> hyper::Request<Full<Bytes>> {
        let mut request =
            hyper::Request::builder().method(&self.method).uri(&self.path).header(header::HOST, &self.host);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body.clone())).expect("a request that hyper can send")
    }
}

/// A keep-alive connection. It is opened again if the server has closed it before the next request is sent.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// Creates a connection, which is opened by the first request.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, sender: None }
    }

    /// Sends a request and returns the response. Does not retry what was sent.
    ///
    /// # Errors
    /// Fails if the connection is refused, or closed before the response is complete.
    pub async fn send(
        &mut self,
        request: &ClientRequest,
    ) -> Result<ClientResponse, Box<dyn std::error::Error + Send + Sync>> {
        let mut sender = match self.sender.take() {
            Some(sender) => sender,
            None => open(self.address).await?,
        };
        // It fails if the connection is closed.
        if sender.ready().await.is_err() {
            sender = open(self.address).await?;
        }
        let response = match sender.try_send_request(request.to_hyper()).await {
            Ok(response) => response,
            Err(mut error) => match error.take_message() {
                Some(unsent) => {
                    sender = open(self.address).await?;
                    sender.send_request(unsent).await?
                }
                None => return Err(error.into_error().into()),
            },
        };
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        self.sender = Some(sender);
        Ok(ClientResponse { status: parts.status.as_u16(), headers: parts.headers, body })
    }
}

/// Sends all requests over `connections` concurrent connections. Returns the statuses in the order of the requests.
///
/// # Panics
/// Panics if a request gets no response.
pub async fn load(address: SocketAddr, connections: usize, requests: Vec<ClientRequest>) -> Vec<u16> {
    let mut shares = vec![Vec::new(); connections];
    for (index, request) in requests.into_iter().enumerate() {
        shares[index % connections].push((index, request));
    }
    let mut tasks: JoinSet<Vec<(usize, u16)>> = JoinSet::new();
    for share in shares {
        tasks.spawn(async move {
            let mut connection = Connection::new(address);
            let mut statuses = Vec::with_capacity(share.len());
            for (index, request) in share {
                statuses.push((index, connection.send(&request).await.expect("a response").status));
            }
            statuses
        });
    }
    let mut statuses = tasks.join_all().await.concat();
    statuses.sort_unstable();
    statuses.into_iter().map(|(_, status)| status).collect()
}

async fn open(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The request in flight reports its errors.
    tokio::spawn(connection);
    sender.ready().await?;
    Ok(sender)
}
