//! A call whose caller is gone, or has no more time, while the function has it: it keeps its permit until the function is
//! through.
//!
//! Only where places are few (`container_concurrency`): else a function is shown at once that nobody waits, and nothing
//! depends on when it ends. Closing a connection ends few programs, so it is left open, the answer is read and thrown
//! away. A function that is not through in time is replaced. Deliberately nothing of callers that still wait.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use gateless_core::abandoned::READ_FOR;
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;

use super::answer::Held;
use super::broken::Broken;
use crate::endpoint::body::Inbound;
use crate::endpoint::permit::Permit;
use crate::endpoint::pool::Conn;

/// What comes of a request that was sent.
pub(super) type Sending =
    Pin<Box<dyn Future<Output = Result<(Response<Inbound>, Option<Conn>), Broken>> + Send>>;

/// A request that is with a function. Dropped before there is an answer, it goes on without its caller.
pub(super) struct Exchange {
    sending: Option<Sending>,
    permit: Arc<dyn Permit>,
}

impl Exchange {
    pub(super) fn new(sending: Sending, permit: Arc<dyn Permit>) -> Self {
        let sending = Some(sending);
        Self { sending, permit }
    }
}

impl Future for Exchange {
    type Output = Result<(Response<Inbound>, Option<Conn>), Broken>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(sending) = &mut self.sending else {
            return Poll::Pending;
        };
        let sent = ready!(sending.as_mut().poll(cx));
        self.sending = None;
        Poll::Ready(sent)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(sending) = self.sending.take() {
            go_on(without_answer(sending, self.permit.clone()));
        }
    }
}

/// Of a call that is given up in the middle of its answer.
pub(super) fn in_mid_answer(answer: Inbound, held: Held) {
    let Held { lease, conn, .. } = held;
    if let Some(permit) = lease.kept() {
        go_on(async move {
            throw_away(answer, conn).await;
            drop(permit);
        });
    }
}

fn go_on(work: impl Future<Output = ()> + Send + 'static) {
    // Without a runtime this process ends.
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(work);
    }
}

async fn without_answer(sending: Sending, permit: Arc<dyn Permit>) {
    let sent = match permit.overdue_at(false) {
        Some(end) => tokio::time::timeout_at(end, sending).await,
        None => Ok(sending.await),
    };
    match sent {
        // Nobody is left to speak it: the connection keeps the permit until the function closes it.
        Ok(Ok((answer, _))) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {}
        Ok(Ok((answer, conn))) => throw_away(answer.into_body(), conn).await,
        // The function closed the connection, or who has that keeps the permit.
        Ok(Err(_)) => {}
        Err(_) => permit.overdue(),
    }
}

/// Reads an answer to its end, so that the function comes to its own. One that goes on for long is broken off: a
/// connection keeps the permit until the function closes it, and an HTTP/2 stream ends when it is reset.
async fn throw_away(mut answer: Inbound, conn: Option<Conn>) {
    let read = async {
        while let Some(frame) = answer.frame().await {
            if frame.is_err() {
                return;
            }
        }
        if let Some(conn) = conn {
            conn.finish();
        }
    };
    if tokio::time::timeout(READ_FOR, read).await.is_err() {
        tracing::debug!("an answer that nobody reads goes on: it is broken off");
    }
}
