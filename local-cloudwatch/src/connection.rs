//! TCP connections that a handler can reset without responding.

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

/// Serves one connection until its peer or a handler closes it.
pub(crate) async fn serve(stream: TcpStream, router: Router) {
    // Responses are small; don't let the kernel delay them to fill a packet.
    let _ = stream.set_nodelay(true);
    let hang_up = HangUp::default();
    let io = TokioIo::new(ResettableStream { stream, hang_up: hang_up.clone() });
    let service = TowerToHyperService::new(router.layer(Extension(hang_up.clone())));
    let builder = Builder::new(TokioExecutor::new());
    // An I/O error affects only this client.
    tokio::select! {
        _ = builder.serve_connection(io, service) => {}
        () = hang_up.0.notify.notified() => {}
    }
}

/// Lets a handler reset the connection of its request.
#[derive(Debug, Clone, Default)]
pub(crate) struct HangUp(Arc<ResetSignal>);

#[derive(Debug, Default)]
struct ResetSignal {
    is_set: AtomicBool,
    notify: Notify,
}

impl HangUp {
    /// Resets the connection. Never returns: the awaiting handler is dropped with its connection.
    pub(crate) async fn hang_up<T>(&self) -> T {
        self.0.is_set.store(true, Ordering::SeqCst);
        self.0.notify.notify_one();
        std::future::pending().await
    }
}

struct ResettableStream {
    stream: TcpStream,
    hang_up: HangUp,
}

impl Drop for ResettableStream {
    fn drop(&mut self) {
        if self.hang_up.0.is_set.load(Ordering::SeqCst) {
            // With SO_LINGER at zero, the kernel sends a reset instead of closing the connection normally.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for ResettableStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for ResettableStream {
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
