//! One guest serving one call, as a future that somebody polls: the caller until there is a response, the
//! response's body after that. Every poll is metered; a guest past a limit is dropped where it stands.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::Request;
use tokio::runtime::RuntimeFlavor;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use wasmtime::{Store, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::Error as WasiError;

use crate::clock;
use crate::error::CallError;
use crate::host::State;
use crate::instance::{Instance, Shared};
use crate::meter::{Call, CpuTimeUsedUp};
use crate::modules::Loaded;
use crate::outgoing::BoxFuture;
use crate::ticker::Running;
use crate::turns::{self, Turn};
use crate::world::Handler;

/// Lines of a trap's backtrace in an error, and bytes of the whole.
const TRAP_LINES: usize = 8;
const TRAP_BYTES: usize = 1_000;

/// A component's instance with its store.
pub(crate) struct Live {
    pub(crate) store: Store<State>,
    handler: Option<Handler>,
    pub(crate) module: Arc<Loaded>,
    pub(crate) requests: u32,
}

impl Live {
    /// Not instantiated yet: that happens, metered, within the first call.
    pub(crate) fn new(store: Store<State>, module: Arc<Loaded>) -> Self {
        Self {
            store,
            handler: None,
            module,
            requests: 0,
        }
    }

    /// Serves one call.
    async fn serve<B>(
        mut self,
        request: Request<B>,
        call: Arc<Call>,
        shared: Arc<Shared>,
    ) -> Result<Self, CallError>
    where
        B: http_body::Body<Data = bytes::Bytes, Error = WasiError> + Send + 'static,
    {
        self.requests += 1;
        match self.handle(request, call).await {
            Ok(()) => Ok(self),
            Err(error) => Err(explain(&error, self.store.data(), &shared)),
        }
    }

    async fn handle<B>(&mut self, request: Request<B>, call: Arc<Call>) -> wasmtime::Result<()>
    where
        B: http_body::Body<Data = bytes::Bytes, Error = WasiError> + Send + 'static,
    {
        let store = &mut self.store;
        store.set_epoch_deadline(1);
        let handler = match &mut self.handler {
            Some(handler) => handler,
            none => none.insert(self.module.pre.instantiate(store).await?),
        };
        handler.handle(store, request, call).await
    }
}

/// A call under way. Dropping it ends the guest.
pub(crate) struct Guest {
    /// First, so that the store is gone before its slot is free.
    serving: Option<BoxFuture<Result<Live, CallError>>>,
    call: Arc<Call>,
    deadline: Option<Instant>,
    /// Made when the guest first waits; most never do.
    timer: Option<Pin<Box<Sleep>>>,
    /// In the queue for a turn, once the guest has computed for long; most never do.
    place: turns::Place,
    instance: Arc<Instance>,
    _running: Running,
    _slot: OwnedSemaphorePermit,
}

impl Guest {
    pub(crate) fn new<B>(
        instance: Arc<Instance>,
        live: Live,
        request: Request<B>,
        call: Arc<Call>,
        slot: OwnedSemaphorePermit,
    ) -> Self
    where
        B: http_body::Body<Data = bytes::Bytes, Error = WasiError> + Send + 'static,
    {
        let serving = live.serve(request, call.clone(), instance.shared.clone());
        Self {
            serving: Some(Box::pin(serving)),
            deadline: call.deadline,
            call,
            timer: None,
            place: turns::Place::default(),
            _running: instance.engine.running(),
            instance,
            _slot: slot,
        }
    }

    pub(crate) fn call(&self) -> &Call {
        &self.call
    }

    /// Lets the guest go on. Ready at most once.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Live, CallError>> {
        if self.serving.is_none() {
            return Poll::Pending;
        }
        let Poll::Ready(turn) = self.poll_turn(cx) else {
            if self.is_late(cx) {
                self.serving = None;
                return Poll::Ready(Err(CallError::Deadline));
            }
            return Poll::Pending;
        };
        let Some(serving) = &mut self.serving else {
            return Poll::Pending;
        };
        self.call.enter();
        let polled = if turn.is_some() && may_block() {
            // The runtime looks at its sockets only between so many polls: a turn would be a long one.
            tokio::task::block_in_place(|| serving.as_mut().poll(cx))
        } else {
            serving.as_mut().poll(cx)
        };
        self.call.leave();
        let over = match polled {
            Poll::Ready(result) => result,
            Poll::Pending if self.call.is_used_up() => Err(CallError::CpuTime {
                limit: self.instance.shared.limits.cpu_time,
            }),
            Poll::Pending if self.is_late(cx) => Err(CallError::Deadline),
            Poll::Pending => return Poll::Pending,
        };
        self.serving = None;
        Poll::Ready(over)
    }

    /// A turn to compute, for as long as this poll takes; short calls need none.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Option<Turn>> {
        if !self.call.is_long() {
            return Poll::Ready(None);
        }
        let turns = self.instance.engine.turns();
        turns.poll(&mut self.place, cx).map(Some)
    }

    /// Asks the clock, too: the timer of a busy runtime can be late.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = self.deadline else {
            return false;
        };
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
        timer.as_mut().poll(cx).is_ready() || clock::now() >= deadline
    }

    /// The guest served its call whole.
    pub(crate) fn recycle(self, live: Live) {
        self.instance.recycle(live, self.call.left_at());
    }

    /// The response was delivered whole, but the guest goes on: gives it a little more time, in a task of
    /// its own. It keeps its slot, which bounds how many there can be.
    pub(crate) fn linger(mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let latest = clock::now() + self.instance.engine.settings().after_response;
        self.deadline = Some(
            self.deadline
                .map_or(latest, |deadline| deadline.min(latest)),
        );
        self.timer = None;
        runtime.spawn(async move {
            match std::future::poll_fn(|cx| self.poll(cx)).await {
                Ok(live) => self.recycle(live),
                Err(error) => self.log_late(&error),
            }
        });
    }

    /// Something went wrong when nobody waits for it any more.
    pub(crate) fn log_late(&self, error: &CallError) {
        let function = &self.instance.identity().function;
        tracing::debug!(function, %error, "a guest failed after its response was delivered");
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.instance.engine.turns().forget(&mut self.place);
        self.instance.account(self.call.computed());
    }
}

/// Whether another thread can take over the tasks of this one meanwhile.
fn may_block() -> bool {
    let runtime = tokio::runtime::Handle::try_current();
    runtime.is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}

/// Names the limit behind an error, if there is one.
fn explain(error: &wasmtime::Error, state: &State, shared: &Shared) -> CallError {
    let limits = &shared.limits;
    if error.is::<CpuTimeUsedUp>() {
        return CallError::CpuTime {
            limit: limits.cpu_time,
        };
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return CallError::Exit(exit.0);
    }
    let trap = describe(error);
    if trap.contains("instance count too high") {
        return CallError::Instances {
            limit: limits.core_instances,
        };
    }
    if state.limiter.memory_refused {
        return CallError::Memory {
            limit: limits.memory_bytes,
            trap,
        };
    }
    if state.limiter.table_refused {
        return CallError::Tables {
            limit: limits.table_elements,
            trap,
        };
    }
    if state.call().was_refused_outgoing() {
        return CallError::Outgoing {
            total: limits.outgoing_total,
            concurrent: limits.outgoing_concurrent,
            trap,
        };
    }
    CallError::Trap(trap)
}

/// The cause, and the first frames of where it happened.
fn describe(error: &wasmtime::Error) -> String {
    let mut text = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        for line in backtrace.to_string().lines().skip(1).take(TRAP_LINES) {
            text.push('\n');
            text.push_str(line);
        }
    }
    if let Some((end, _)) = text.char_indices().find(|(at, _)| *at >= TRAP_BYTES) {
        text.truncate(end);
    }
    text
}
