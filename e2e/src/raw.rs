//! Bytes that no HTTP client would send.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long an answer may take; so long is waited for servers that wait for more.
const LIMIT: Duration = Duration::from_secs(5);

/// Sends the bytes over a connection of their own and gives everything that comes back until the server closes it or 5 s
/// have passed. To be answered at once, a good request asks for `Connection: close`.
///
/// # Panics
/// When the server does not accept the connection.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    // A server that refuses the first bytes may not wait for the rest.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    // A reset after an answer loses nothing of it.
    let _ = timeout(LIMIT, stream.read_to_end(&mut answer)).await;
    answer
}

/// Sends the bytes and leaves the connection open.
///
/// # Panics
/// When the server does not take them.
pub async fn send(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(bytes).await.expect("bytes are taken");
    stream
}

/// The status of the first answer in these bytes, if they start with one.
pub fn status(answer: &[u8]) -> Option<u16> {
    let rest = answer.strip_prefix(b"HTTP/1.1 ").or_else(|| answer.strip_prefix(b"HTTP/1.0 "))?;
    std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_read() {
        assert_eq!(status(b"HTTP/1.1 431 Request Header Fields Too Large\r\n"), Some(431));
        assert_eq!(status(b"HTTP/1.0 200"), Some(200));
        for answer in ["", "HTTP/1.1 ", "HTTP/1.1 20", "200 OK"] {
            assert_eq!(status(answer.as_bytes()), None, "{answer}");
        }
    }
}
