//! A client that signs with AWS's signer and writes HTTP by hand, so that tests see the raw response.

#![allow(dead_code, reason = "each test uses its own part")]

pub(crate) mod export;

use std::io;
use std::net::SocketAddr;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A response as received.
#[derive(Debug)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    head: String,
    /// The body as text, and as received.
    pub(crate) body: String,
    pub(crate) bytes: Vec<u8>,
}

impl HttpResponse {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A signing client. Tests override fields to make requests invalid.
#[derive(Debug, Clone)]
pub(crate) struct SigningClient {
    pub(crate) address: SocketAddr,
    pub(crate) access_key_id: &'static str,
    pub(crate) secret_access_key: &'static str,
    pub(crate) session_token: Option<&'static str>,
    pub(crate) region: &'static str,
    pub(crate) service: &'static str,
    pub(crate) time: SystemTime,
}

impl SigningClient {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            access_key_id: "local",
            secret_access_key: "local",
            session_token: None,
            region: "us-east-1",
            service: "monitoring",
            time: SystemTime::now(),
        }
    }

    /// Calls PutMetricData in JSON.
    pub(crate) async fn put(&self, body: &str) -> io::Result<HttpResponse> {
        self.json("PutMetricData", body.as_bytes(), &[]).await
    }

    pub(crate) async fn json(
        &self,
        operation: &str,
        body: &[u8],
        extra_headers: &[(&str, &str)],
    ) -> io::Result<HttpResponse> {
        let target = format!("GraniteServiceVersion20100801.{operation}");
        let mut headers = vec![("content-type", "application/x-amz-json-1.0"), ("x-amz-target", &target)];
        headers.extend(extra_headers);
        self.signed("/", &headers, body).await
    }

    pub(crate) async fn query(&self, body: &str) -> io::Result<HttpResponse> {
        self.signed("/", &[("content-type", "application/x-www-form-urlencoded")], body.as_bytes()).await
    }

    pub(crate) async fn signed(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<HttpResponse> {
        let host = self.address.to_string();
        let mut all = vec![("host", host.as_str())];
        all.extend(headers);
        let token = self.session_token.map(str::to_owned);
        let identity = Credentials::new(self.access_key_id, self.secret_access_key, token, None, "test").into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(self.time)
            .settings(SigningSettings::default())
            .build()
            .unwrap();
        let url = format!("http://{host}{path}");
        let request = SignableRequest::new("POST", url, all.iter().copied(), SignableBody::Bytes(body)).unwrap();
        let (instructions, _) = sign(request, &params.into()).unwrap().into_parts();
        all.extend(instructions.headers());
        exchange(self.address, "POST", path, &all, body).await
    }
}

/// Sends an unsigned request to the controls.
pub(crate) async fn control(address: SocketAddr, method: &str, path: &str, body: &str) -> HttpResponse {
    let host = address.to_string();
    let headers = [("host", host.as_str()), ("content-type", "application/json")];
    exchange(address, method, path, &headers, body.as_bytes()).await.unwrap()
}

/// Sends a request on a new connection and reads until the server closes it.
pub(crate) async fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<HttpResponse> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    stream.write_all(body).await?;
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await?;
    let head_end = received.windows(4).position(|window| window == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let bytes = received.split_off(head_end + 4);
    let head = String::from_utf8_lossy(&received).into_owned();
    let body = String::from_utf8_lossy(&bytes).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(HttpResponse { status, head, body, bytes })
}
