//! An answer's bounds hold although nobody polls it.
//!
//! An answer looks at its own alarm when it is polled, and hyper polls no body while the caller's socket
//! or HTTP/2 window takes nothing. So what serves answers (an HTTP/1 connection, an HTTP/2 stream) runs as
//! [`Guarded`]: when the time of the answer in it is up and the answer does not end by itself, all of it is
//! dropped, and with it the permit, the connection to the instance and the caller's stream.
//! Deliberately no clock per frame and no task of its own: the alarm is polled beside what it guards.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use gateless_listen::Handle;
use hyper::rt;
use parking_lot::Mutex;

use super::alarm::Alarm;
use super::patience::{Found, Patience};
use crate::clock;

thread_local! {
    /// Of the guarded future that is polled now.
    static CURRENT: RefCell<Option<Arc<Watchdog>>> = const { RefCell::new(None) };
}

/// Watches over the answer, at most one at a time, that a guarded future sends.
#[derive(Debug, Default)]
pub(crate) struct Watchdog {
    // A lock, because an answer may be dropped elsewhere; a few instructions long.
    answer: Mutex<Option<Patience>>,
}

impl Watchdog {
    /// Of the guarded future that is polled now.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }
}

/// An answer's bounds, where who serves it sees them.
#[derive(Debug)]
pub(crate) enum Watch {
    /// By whoever serves it too.
    Shared(Arc<Watchdog>),
    /// By the answer alone: what reads it polls it, or drops it.
    Own(Patience),
}

impl Watch {
    /// Lets the guarded future that is polled now, if any, know of an answer in it.
    pub(crate) fn over(patience: Patience) -> Self {
        let Some(dog) = Watchdog::current() else {
            return Self::Own(patience);
        };
        let mut answer = dog.answer.lock();
        if answer.is_some() {
            return Self::Own(patience);
        }
        *answer = Some(patience);
        drop(answer);
        Self::Shared(dog)
    }

    /// A part of the answer went on its way.
    pub(crate) fn moved(&mut self) {
        self.with(Patience::moved);
    }

    /// Whether its time is up, and when to look again.
    pub(crate) fn look(&mut self) -> Option<Found> {
        self.with(|patience| patience.look(clock::instant_now()))?
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Patience) -> T) -> Option<T> {
        match self {
            Self::Shared(dog) => dog.answer.lock().as_mut().map(act),
            Self::Own(patience) => Some(act(patience)),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Self::Shared(dog) = self {
            *dog.answer.lock() = None;
        }
    }
}

/// A future whose answer is ended in time; resolves to `None` when it was.
pub(crate) struct Guarded<F> {
    // Boxed, because it may have to be dropped before it is done.
    inner: Option<Pin<Box<F>>>,
    dog: Arc<Watchdog>,
    alarm: Option<Alarm>,
    connection: Option<Handle>,
}

impl<F: Future> Guarded<F> {
    pub(crate) fn new(inner: F) -> Self {
        Self {
            inner: Some(Box::pin(inner)),
            dog: Arc::default(),
            alarm: None,
            connection: None,
        }
    }

    /// The connection that is all of it is reset when the answer in it is ended.
    pub(crate) fn resetting(mut self, connection: Handle) -> Self {
        self.connection = Some(connection);
        self
    }

    fn poll_inner(&mut self, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        let _within = Within::enter(self.dog.clone());
        inner.as_mut().poll(cx).map(Some)
    }

    /// Ready when the time of the answer in it is up.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let due = self.dog.answer.lock().as_ref().and_then(Patience::due);
            let Some(due) = due else {
                return Poll::Pending;
            };
            ready!(Alarm::set_in(&mut self.alarm, due).poll(cx));
            let look = |patience: &mut Patience| patience.look(clock::instant_now());
            let found = self.dog.answer.lock().as_mut().and_then(look);
            if found == Some(Found::Over) {
                return Poll::Ready(());
            }
        }
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Poll::Ready(done) = this.poll_inner(cx) {
            return Poll::Ready(done);
        }
        ready!(this.poll_overdue(cx));
        // Once more: one that is polled ends itself, with what its protocol has for that.
        if let Poll::Ready(done) = this.poll_inner(cx) {
            return Poll::Ready(done);
        }
        ready!(this.poll_overdue(cx));
        tracing::debug!("an answer whose caller does not read it is broken off");
        if let Some(connection) = &this.connection {
            connection.reset_on_close();
        }
        this.inner = None;
        Poll::Ready(None)
    }
}

/// While a guarded future is polled.
struct Within(Option<Arc<Watchdog>>);

impl Within {
    fn enter(dog: Arc<Watchdog>) -> Self {
        Self(CURRENT.replace(Some(dog)))
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// A future whose answers only itself watches over, wherever it is polled: they are not sent to the caller
/// of the future round it.
pub(crate) async fn apart<F: Future>(inner: F) -> F::Output {
    let mut inner = std::pin::pin!(inner);
    std::future::poll_fn(|cx| {
        let _within = Within(CURRENT.take());
        inner.as_mut().poll(cx)
    })
    .await
}

/// Runs HTTP/2 streams in tasks, each guarded by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Executor;

impl<F> rt::Executor<F> for Executor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(Guarded::new(stream));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::Instant;

    const LIMIT: Duration = Duration::from_secs(10);

    fn bounded() -> Watch {
        let now = Instant::now();
        Watch::over(Patience::new(now, Some(now + LIMIT), None, None))
    }

    #[tokio::test(start_paused = true)]
    async fn answer_that_nobody_polls_is_dropped_at_its_deadline() {
        let began = Instant::now();
        let guarded = Guarded::new(async {
            let _answer = bounded();
            std::future::pending::<()>().await;
        });
        assert_eq!(guarded.await, None);
        assert_eq!(began.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_end_in_time_leave_nothing_behind() {
        let guarded = Guarded::new(async {
            for _ in 0..3 {
                drop(bounded());
                tokio::time::sleep(LIMIT * 2).await;
            }
        });
        assert_eq!(guarded.await, Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn answer_for_somebody_else_does_not_end_the_caller() {
        let guarded = Guarded::new(async {
            let inner = apart(async { bounded() }).await;
            tokio::time::sleep(LIMIT * 2).await;
            drop(inner);
        });
        assert_eq!(guarded.await, Some(()));
    }
}
