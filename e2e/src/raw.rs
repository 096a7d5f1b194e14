//! Sends bytes that no HTTP client would send.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Timeout of an exchange, for servers that wait for more bytes.
const LIMIT: Duration = Duration::from_secs(5);

/// Sends the bytes over a new connection. Returns everything that the server sends until it closes the connection, or
/// within 5 s. With `Connection: close`, a valid request returns immediately.
///
/// # Panics
/// Panics if the server does not accept the connection.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    // A server that rejects the first bytes may close the connection before the rest is sent.
    let _ = stream.write_all(bytes).await;
    let mut response = Vec::new();
    // A reset after the response does not discard received bytes.
    let _ = timeout(LIMIT, stream.read_to_end(&mut response)).await;
    response
}

/// Sends the bytes and leaves the connection open.
///
/// # Panics
/// Panics if the bytes cannot be sent.
pub async fn send(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(bytes).await.expect("the bytes are sent");
    stream
}

/// Returns the status of a response, or `None` if the bytes do not start with a status line.
pub fn status(response: &[u8]) -> Option<u16> {
    let rest = response.strip_prefix(b"HTTP/1.1 ").or_else(|| response.strip_prefix(b"HTTP/1.0 "))?;
    std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_parsed() {
        assert_eq!(status(b"HTTP/1.1 431 Request Header Fields Too Large\r\n"), Some(431));
        assert_eq!(status(b"HTTP/1.0 200"), Some(200));
        for response in ["", "HTTP/1.1 ", "HTTP/1.1 20", "200 OK"] {
            assert_eq!(status(response.as_bytes()), None, "{response}");
        }
    }
}
