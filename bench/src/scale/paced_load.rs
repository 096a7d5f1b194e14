//! Sends requests at a given rate. wrk has no rate.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
    time::{Instant, sleep_until},
};

/// The start of each response.
const RESPONSE: &[u8] = b"HTTP/1.1 ";

/// Connections that together send requests at a rate, as far as they are answered. Dropping it closes them.
#[derive(Debug)]
pub(super) struct PacedLoad {
    counts: Arc<Counts>,
    _runtime: Runtime,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    successful: AtomicU64,
    other: AtomicU64,
}

impl PacedLoad {
    /// Starts `connections` connections. `request` returns the bytes of the request with a number.
    ///
    /// # Errors
    /// Returns an error if there are no threads.
    pub(super) fn start(
        address: SocketAddr,
        connections: u64,
        per_second: u64,
        request: fn(u64) -> Vec<u8>,
    ) -> Result<Self, String> {
        let runtime = Runtime::new().map_err(|error| format!("cannot start the load: {error}"))?;
        let counts = Arc::<Counts>::default();
        for _ in 0..connections {
            let rate = per_second as f64 / connections as f64;
            runtime.spawn(send(address, rate, request, Arc::clone(&counts)));
        }
        Ok(Self { counts, _runtime: runtime })
    }

    /// Returns the number of responses with a status of 2xx.
    pub(super) fn successful(&self) -> u64 {
        self.counts.successful.load(Ordering::Relaxed)
    }

    /// Returns the number of other responses, and of connections that were closed.
    pub(super) fn other(&self) -> u64 {
        self.counts.other.load(Ordering::Relaxed)
    }
}

/// Sends a request when it is due and the last one was answered. Envoy closes a connection with pipelined requests if
/// it answers them itself.
async fn send(address: SocketAddr, rate: f64, request: fn(u64) -> Vec<u8>, counts: Arc<Counts>) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (start, mut sent) = (Instant::now(), 0u32);
    let mut buffer = Vec::new();
    loop {
        sleep_until(start + Duration::from_secs_f64(f64::from(sent) / rate)).await;
        stream.write_all(&request(counts.sent.fetch_add(1, Ordering::Relaxed))).await?;
        sent = sent.saturating_add(1);
        loop {
            if stream.read_buf(&mut buffer).await? == 0 {
                counts.other.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            let (successful, other, used) = statuses(&buffer);
            counts.successful.fetch_add(successful, Ordering::Relaxed);
            counts.other.fetch_add(other, Ordering::Relaxed);
            buffer.drain(..used);
            if successful.saturating_add(other) > 0 {
                break;
            }
        }
    }
}

/// Returns the numbers of responses with 2xx and with other statuses, and the bytes that need not be searched again.
fn statuses(bytes: &[u8]) -> (u64, u64, usize) {
    let (mut successful, mut other, mut used) = (0u64, 0u64, 0);
    let length = RESPONSE.len().saturating_add(1);
    for (start, window) in bytes.windows(length).enumerate() {
        if let Some(digit) = window.strip_prefix(RESPONSE) {
            let count = if digit == b"2" { &mut successful } else { &mut other };
            *count = count.saturating_add(1);
            used = start.saturating_add(length);
        }
    }
    let searched = bytes.len().saturating_sub(length.saturating_sub(1));
    (successful, other, used.max(searched))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_counted_once_wherever_they_are_split() {
        let text = b"HTTP/1.1 202 Accepted\r\n\r\nbodyHTTP/1.1 503 No\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
        for split in 0..text.len() {
            let mut buffer = text[..split].to_vec();
            let (successful, other, used) = statuses(&buffer);
            buffer.drain(..used);
            buffer.extend(&text[split..]);
            let (more_successful, more_other, _) = statuses(&buffer);
            assert_eq!((successful + more_successful, other + more_other), (2, 1), "{split}");
        }
    }
}
