//! What follows a 101: bytes both ways until either side ends or both fall silent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use gateless_core::time::Time;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::answer::Held;
use crate::clock;
use crate::runtime::Endpoint;

/// Joins both sides in a task of its own; `held` goes back when they part.
///
/// The call's deadline does not apply any more: a WebSocket may live for days. Without a
/// byte either way for `idle`, it is closed, and when what its caller proved is `over`.
pub(super) fn join(
    (caller, over): (OnUpgrade, impl Future<Output = ()> + Send + 'static),
    instance: OnUpgrade,
    held: Held,
    idle: Option<Duration>,
) {
    tokio::spawn(async move {
        let (Ok(caller), Ok(instance)) = tokio::join!(caller, instance) else {
            return;
        };
        let last = Arc::new(AtomicU64::new(clock::now().as_nanos()));
        let mut caller = Active {
            inner: TokioIo::new(caller),
            last: last.clone(),
            alive: None,
        };
        let mut instance = Active {
            inner: TokioIo::new(instance),
            last: last.clone(),
            alive: Some(held.lease.endpoint().clone()),
        };
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut caller, &mut instance) => {}
            () = silence(&last, idle) => tracing::debug!("upgraded connection idle, closing it"),
            () = over => tracing::debug!("the caller's key opens the function no more, closing its connection"),
        }
        held.lease.renew();
        drop(held);
    });
}

/// Ends when nothing moved for `idle`.
async fn silence(last: &AtomicU64, idle: Option<Duration>) {
    let Some(idle) = idle else {
        return std::future::pending().await;
    };
    loop {
        let end = Time::from_nanos(last.load(Ordering::Relaxed)) + idle;
        if clock::now() >= end {
            return;
        }
        tokio::time::sleep_until(clock::instant(end)).await;
    }
}

struct Active<T> {
    inner: T,
    last: Arc<AtomicU64>,
    /// Of the instance: what comes from it is a sign of life.
    alive: Option<Arc<Endpoint>>,
}

impl<T> Active<T> {
    fn touch(&self) {
        if let Some(endpoint) = &self.alive {
            endpoint.heard();
        }
        self.last.store(clock::now().as_nanos(), Ordering::Relaxed);
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Active<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if polled.is_ready() {
            self.touch();
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Active<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
