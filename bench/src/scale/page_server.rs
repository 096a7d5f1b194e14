//! A Prometheus endpoint with many counters.

use std::{fmt::Write as _, io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};

/// A server whose counters increase with each response. Dropping it stops it.
#[derive(Debug)]
pub(super) struct PageServer {
    address: SocketAddr,
    _runtime: Runtime,
}

impl PageServer {
    /// Starts a server with `series` counters.
    ///
    /// # Errors
    /// Returns an error if threads or a port are not available.
    pub(super) fn start(series: u64) -> Result<Self, String> {
        let describe = |error| format!("cannot start the endpoint: {error}");
        let runtime = Runtime::new().map_err(describe)?;
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).map_err(describe)?;
        let address = listener.local_addr().map_err(describe)?;
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, series));
            }
        });
        Ok(Self { address, _runtime: runtime })
    }

    /// Returns the address on which it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(mut stream: TcpStream, series: u64) -> io::Result<()> {
    let mut buffer = Vec::new();
    let mut responses = 0u64;
    while stream.read_buf(&mut buffer).await? > 0 {
        if buffer.ends_with(b"\r\n\r\n") {
            buffer.clear();
            responses = responses.saturating_add(1);
            let page = page(series, responses);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", page.len());
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(page.as_bytes()).await?;
        }
    }
    Ok(())
}

fn page(series: u64, responses: u64) -> String {
    let mut page = "# TYPE requests_total counter\n".to_owned();
    for number in 0..series {
        let value = responses.saturating_mul(number.saturating_add(1));
        let _ = writeln!(page, "requests_total{{path=\"/resource/{number}\"}} {value}");
    }
    page
}
