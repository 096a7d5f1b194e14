//! TCP connections that can be dropped without an answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Serves one connection until its peer or a handler ends it.
pub(crate) async fn serve(stream: TcpStream, router: Router) {
    // Answers are small; a client must not wait for the kernel to fill a packet.
    let _ = stream.set_nodelay(true);
    let hang_up = HangUp::default();
    let io = TokioIo::new(Peer { stream, hang_up: hang_up.clone() });
    let service = TowerToHyperService::new(router.layer(Extension(hang_up.clone())));
    let builder = Builder::new(TokioExecutor::new());
    // A connection that breaks concerns its client only.
    tokio::select! {
        _ = builder.serve_connection(io, service) => {}
        () = hang_up.0.ordered.notified() => {}
    }
}

/// A handler's way to drop the connection its request came on.
#[derive(Debug, Clone, Default)]
pub(crate) struct HangUp(Arc<Order>);

#[derive(Debug, Default)]
struct Order {
    is_given: AtomicBool,
    ordered: Notify,
}

impl HangUp {
    /// Drops the connection, with a reset, and with it the handler that awaits this.
    pub(crate) async fn hang_up<T>(&self) -> T {
        self.0.is_given.store(true, Ordering::SeqCst);
        self.0.ordered.notify_one();
        std::future::pending().await
    }
}

struct Peer {
    stream: TcpStream,
    hang_up: HangUp,
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.hang_up.0.is_given.load(Ordering::SeqCst) {
            // Without lingering the kernel resets the connection instead of closing it in good order.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Peer {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Peer {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
