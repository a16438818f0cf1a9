//! Delivers queued calls: one task for each function that has any, woken by events.
//!
//! It bounds how many attempts run at once and leaves waiting for a slot to [`Invoke`], which
//! holds an async call just as it holds a sync one. That an attempt begins is on disk before
//! it is made, and how it ended afterwards, so a crash at any point leads to another attempt
//! and never to a lost call. Deliberately decides nothing: `gateless_core::call` does.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use gateless_core::config::AsyncPolicy;
use gateless_core::name::FunctionName;
use http::{HeaderName, HeaderValue, Request, header};
use http_body_util::BodyExt;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::callback;
use super::headers;
use super::invoke::{Exchange, Invoke, InvokeError, Lookup, Policies, Slot};
use super::types::{Attempt, CallId, CallResult, Ended, Record, Started};
use super::{Error, Source};

/// The longest an expired result is kept beyond its time.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// Handle to the dispatcher. Cheap to clone.
#[derive(Clone)]
pub struct Dispatcher {
    shared: Arc<Shared>,
    task: Arc<parking_lot::Mutex<Option<JoinHandle<()>>>>,
}

struct Shared {
    queue: Arc<dyn Source>,
    invoke: Arc<dyn Invoke>,
    policies: Arc<dyn Policies>,
    config: watch::Sender<u64>,
    stopping: CancellationToken,
}

impl Dispatcher {
    /// Begins to deliver. `local_url` is where callbacks to a path are sent, for example
    /// `http://127.0.0.1:8081`.
    #[must_use]
    pub fn start(
        queue: Arc<dyn Source>,
        invoke: Arc<dyn Invoke>,
        policies: Arc<dyn Policies>,
        local_url: &str,
    ) -> Self {
        let shared = Arc::new(Shared {
            queue,
            invoke,
            policies,
            config: watch::Sender::new(0),
            stopping: CancellationToken::new(),
        });
        let task = tokio::spawn(run(shared.clone(), local_url.to_owned()));
        let task = Arc::new(parking_lot::Mutex::new(Some(task)));
        Self { shared, task }
    }

    /// The configuration has changed: policies are looked up again.
    pub fn config_changed(&self) {
        self.shared.config.send_modify(|version| *version += 1);
    }

    /// Begins no more attempts and waits for those under way, so long at most. Those that
    /// remain are cut off, and made again when the queue is opened next.
    pub async fn stop(&self, grace: Duration) {
        self.shared.stopping.cancel();
        let task = self.task.lock().take();
        if let Some(mut task) = task
            && tokio::time::timeout(grace, &mut task).await.is_err()
        {
            task.abort();
            // Cancelled, as was just asked for.
            let _ = task.await;
        }
    }

    /// Makes an async call of a sync one whose exchange is under way (`Prefer: wait` ran
    /// out). Returns when that is on disk; the exchange goes on whether anybody still waits
    /// for this or not.
    ///
    /// # Errors
    /// As [`super::Queue::accept`]; the exchange comes back, to be waited for as before.
    pub async fn adopt(&self, record: Record, exchange: Exchange) -> Result<CallId, Refused> {
        let shared = self.shared.clone();
        let (reply, answer) = oneshot::channel();
        tokio::spawn(async move {
            let policy = match shared.policies.policy(&record.function) {
                Lookup::Known(policy) => policy,
                Lookup::NotYet | Lookup::Deleted => super::types::DEFAULT_POLICY,
            };
            match shared.queue.begin_running(record, &policy).await {
                Err(error) => {
                    let _ = reply.send(Err(Refused { error, exchange }));
                }
                Ok((id, cancelled)) => {
                    let _ = reply.send(Ok(id.clone()));
                    let attempt = UnderWay {
                        exchange,
                        slot: None,
                        cancelled,
                    };
                    shared.see_through(&id, attempt, &policy).await;
                }
            }
        });
        answer.await.unwrap_or_else(|_| {
            let error = Error::Unavailable("the sidecar is shutting down".into());
            let gone = InvokeError {
                retryable: false,
                unmade: false,
                code: "shutting_down",
                message: error.to_string(),
            };
            let exchange: Exchange = Box::pin(std::future::ready(Err(gone)));
            Err(Refused { error, exchange })
        })
    }
}

/// [`Dispatcher::adopt`] didn't work out.
pub struct Refused {
    /// Why.
    pub error: Error,
    /// Still under way.
    pub exchange: Exchange,
}

/// An attempt recorded as begun.
struct UnderWay {
    exchange: Exchange,
    /// Comes when it has its slot; `None` when it has.
    slot: Option<oneshot::Receiver<()>>,
    cancelled: CancellationToken,
}

/// Sees to it that every function with open calls has its task.
async fn run(shared: Arc<Shared>, local_url: String) {
    let mut helpers = JoinSet::new();
    let stopping = shared.stopping.clone();
    helpers.spawn(callback::run(
        shared.queue.clone(),
        local_url,
        stopping.clone(),
    ));
    helpers.spawn(sweep(shared.queue.clone(), stopping.clone()));
    let mut activity = shared.queue.activity();
    let mut functions = JoinSet::new();
    let mut served = HashSet::new();
    while !stopping.is_cancelled() {
        activity.mark_unchanged();
        for function in shared.queue.active() {
            if served.insert(function.clone()) {
                functions.spawn(shared.clone().serve(function));
            }
        }
        tokio::select! {
            () = stopping.cancelled() => {}
            // Fails only with the queue gone.
            changed = activity.changed() => if changed.is_err() { break },
            Some(ended) = functions.join_next() => match ended {
                Ok(function) => drop(served.remove(&function)),
                Err(error) => {
                    tracing::error!(%error, "a dispatcher task failed, starting all again");
                    functions.abort_all();
                    while functions.join_next().await.is_some() {}
                    served.clear();
                }
            },
        }
    }
    while functions.join_next().await.is_some() {}
    while helpers.join_next().await.is_some() {}
}

async fn sweep(queue: Arc<dyn Source>, stopping: CancellationToken) {
    let clock = queue.clock();
    loop {
        let latest = clock.now() + SWEEP_EVERY;
        let next = match queue.sweep().await {
            Ok(Some(next)) => next.min(latest),
            Ok(None) | Err(_) => latest,
        };
        tokio::select! {
            () = stopping.cancelled() => return,
            () = clock.sleep_until(Some(next)) => {}
        }
    }
}

impl Shared {
    /// Delivers one function's calls until it has none.
    async fn serve(self: Arc<Self>, function: FunctionName) -> FunctionName {
        let queue = &self.queue;
        let (bell, clock) = (queue.bell(&function), queue.clock());
        let (mut config, mut up) = (self.config.subscribe(), queue.up());
        let mut attempts = JoinSet::new();
        loop {
            let stopping = self.stopping.is_cancelled();
            if attempts.is_empty() && (stopping || queue.open(&function) == 0) {
                return function;
            }
            let ready = *up.borrow_and_update() && !stopping;
            let mut next = None;
            match self.policies.policy(&function) {
                Lookup::Known(policy) if ready => {
                    let most = usize::try_from(policy.max_in_flight.max(1)).unwrap_or(usize::MAX);
                    for id in queue.claim(&function, most.saturating_sub(attempts.len())) {
                        attempts.spawn(self.clone().attempt(function.clone(), id, policy));
                    }
                    if attempts.len() < most {
                        next = queue.next_due(&function);
                    }
                }
                Lookup::Deleted if ready => {
                    if let Err(error) = queue.function_deleted(&function).await {
                        tracing::warn!(%function, %error, "calls of a deleted function remain");
                    }
                }
                _ => {}
            }
            tokio::select! {
                () = bell.notified() => {}
                () = clock.sleep_until(next) => {}
                Some(ended) = attempts.join_next() => if let Err(error) = ended {
                    // Its call stays running until the next start recovers it.
                    tracing::error!(%function, %error, "an attempt panicked");
                },
                // These fail only with the queue or the dispatcher gone, and then so are we.
                _ = config.changed() => {}
                _ = up.changed() => {}
                () = self.stopping.cancelled(), if !stopping => {}
            }
        }
    }

    async fn attempt(self: Arc<Self>, function: FunctionName, id: CallId, policy: AsyncPolicy) {
        match self.queue.start(&id, &policy).await {
            Ok(Started::Attempt(attempt)) => {
                let cancelled = attempt.cancelled.clone();
                match request(&id, *attempt) {
                    Ok(request) => {
                        let (invoke, within) = (self.invoke.clone(), policy.attempt_timeout);
                        let (slot, found) = Slot::new();
                        let exchange: Exchange = Box::pin(async move {
                            invoke.invoke(&function, request, within, slot).await
                        });
                        let attempt = UnderWay {
                            exchange,
                            slot: Some(found),
                            cancelled,
                        };
                        self.see_through(&id, attempt, &policy).await;
                    }
                    Err(error) => {
                        let error = format!("the record makes no request: {error}");
                        let ended = Ended::Failed {
                            retryable: false,
                            error,
                        };
                        self.finish(&id, ended, &policy).await;
                    }
                }
            }
            // Ended, or somebody was faster.
            Ok(Started::Over) | Err(Error::Conflict { .. } | Error::NotFound(_)) => {}
            Err(error) => {
                tracing::warn!(%id, %error, "cannot begin an attempt");
                self.queue.unclaim(&id);
            }
        }
    }

    /// Waits for an attempt's answer, whole, and has the queue keep it.
    async fn see_through(&self, id: &CallId, attempt: UnderWay, policy: &AsyncPolicy) {
        let UnderWay {
            exchange,
            mut slot,
            cancelled,
        } = attempt;
        let clock = self.queue.clock();
        let end = || Some(clock.now() + policy.attempt_timeout);
        let mut deadline = slot.is_none().then(end).flatten();
        let answer = AssertUnwindSafe(collect(exchange, policy.max_result_bytes)).catch_unwind();
        tokio::pin!(answer);
        let ended = loop {
            tokio::select! {
                biased;
                // The queue knows already.
                () = cancelled.cancelled() => return,
                ended = &mut answer => break ended.unwrap_or_else(|_| Ended::Failed {
                    retryable: true,
                    error: "the attempt panicked".into(),
                }),
                // Dropped without a word, the answer says why in a moment.
                _ = async { slot.as_mut()?.await.ok() }, if slot.is_some() => {
                    (slot, deadline) = (None, end());
                }
                () = clock.sleep_until(deadline) => break Ended::Failed {
                    retryable: true,
                    error: format!("no answer within {} ms", policy.attempt_timeout.as_millis()),
                },
            }
        };
        self.finish(id, ended, policy).await;
    }

    /// Doesn't give up: while the disk fails the answer is kept in memory.
    async fn finish(&self, id: &CallId, ended: Ended, policy: &AsyncPolicy) {
        let mut up = self.queue.up();
        loop {
            match self.queue.finish(id, ended.clone(), policy).await {
                Err(Error::Unavailable(reason)) => {
                    tracing::warn!(%id, reason, "keeping an answer until the queue can write");
                    if up.wait_for(|up| *up).await.is_err() {
                        return;
                    }
                }
                Err(error @ Error::Damaged(_)) => {
                    return tracing::error!(%id, %error, "an answer is lost");
                }
                // A conflict: cancelled meanwhile, or written in spite of an error before.
                Ok(()) | Err(_) => return,
            }
        }
    }
}

fn request(id: &CallId, attempt: Attempt) -> Result<Request<Bytes>, http::Error> {
    let record = attempt.record;
    let mut request = Request::builder()
        .method(record.method.as_str())
        .uri(record.path.as_str())
        .body(record.body)?;
    let target = request.headers_mut();
    for (name, value) in record.headers {
        let name = HeaderName::from_bytes(name.as_bytes())?;
        target.append(name, HeaderValue::from_maybe_shared(value)?);
    }
    target.insert("x-call-id", HeaderValue::try_from(id.to_string())?);
    target.insert("x-gateless-attempt", attempt.number.into());
    target.insert("x-gateless-async", HeaderValue::from_static("true"));
    Ok(request)
}

/// The whole answer, its body cut at `limit`: what is beyond is read, so that the function
/// can finish, but not kept.
async fn collect(exchange: Exchange, limit: u64) -> Ended {
    let (parts, mut body) = match exchange.await {
        Ok(answer) => answer.into_parts(),
        Err(error) if error.unmade => return Ended::NotMade,
        Err(error) => {
            return Ended::Failed {
                retryable: error.retryable,
                error: error.to_string(),
            };
        }
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut kept, mut truncated) = (BytesMut::new(), false);
    while let Some(frame) = body.frame().await {
        let data = match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => data,
            // Trailers.
            Ok(Err(_)) => continue,
            Err(error) => {
                return Ended::Failed {
                    retryable: true,
                    error: format!("the answer broke off: {error}"),
                };
            }
        };
        let room = limit - kept.len();
        truncated |= data.len() > room;
        kept.extend_from_slice(&data[..data.len().min(room)]);
    }
    let retry_after = parts
        .headers
        .get(header::RETRY_AFTER)
        .and_then(headers::retry_after);
    Ended::Answered {
        answer: CallResult {
            status: parts.status.as_u16(),
            headers: headers::kept(&parts.headers),
            body: kept.freeze(),
            truncated,
        },
        retry_after,
    }
}

#[cfg(test)]
mod tests;
