//! Delivers queued calls: one task for each function that has any, woken by events.
//!
//! It bounds how many attempts run at once ([`Pace`]), sends a suspect alone, and leaves waiting for a slot to [`Invoke`], which
//! holds an async call just as it holds a sync one. One attempt is `attempt`'s. Deliberately knows nothing of
//! when a call is due or how it is kept: that is the engine's, behind [`Work`].

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gateless_common::problem::Code;
use gateless_core::config::AsyncPolicy;
use gateless_core::name::FunctionName;
use gateless_core::policy::Admitted;
use gateless_proto::v1;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::attempt::{self, Sent, UnderWay};
use super::callback::Destinations;
use super::calls::Decision;
use super::clock::Clock;
use super::invoke::{Exchange, Fault, Invoke, InvokeError, Lookup, Policies};
use super::pace::{Pace, Room};
use super::types::{CallId, Record, View};
use super::work::{Delivery, Job, Update};
use super::{Error, Homes, Queue, callback, lifecycle, wire};

/// Calls of a deleted function that are buried at once.
const BURIED_AT_ONCE: usize = 256;

/// Handle to the dispatcher. Cheap to clone.
#[derive(Clone)]
pub struct Dispatcher {
    shared: Arc<Shared>,
    task: Arc<parking_lot::Mutex<Option<JoinHandle<()>>>>,
}

struct Shared {
    queue: Queue,
    /// Knows of calls that were taken elsewhere, too; `None`: there is nowhere else.
    homes: Option<Arc<Homes>>,
    clock: Clock,
    invoke: Arc<dyn Invoke>,
    policies: Arc<dyn Policies>,
    config: watch::Sender<u64>,
    stopping: CancellationToken,
}

impl Dispatcher {
    /// Begins to deliver. `clock` is the queue's; what `homes` find elsewhere yields.
    #[must_use]
    pub fn start(
        queue: Queue,
        clock: Clock,
        invoke: Arc<dyn Invoke>,
        policies: Arc<dyn Policies>,
        callbacks: Destinations,
        homes: Option<Arc<Homes>>,
    ) -> Self {
        let shared = Arc::new(Shared {
            queue,
            homes,
            clock,
            invoke,
            policies,
            config: watch::Sender::new(0),
            stopping: CancellationToken::new(),
        });
        let task = tokio::spawn(run(shared.clone(), callbacks));
        let task = Arc::new(parking_lot::Mutex::new(Some(task)));
        Self { shared, task }
    }

    /// A call of this queue as it is shown, and what it waits for.
    #[must_use]
    pub fn shown(&self, view: &View) -> v1::Call {
        let Shared {
            policies, clock, ..
        } = &*self.shared;
        // Looked up only where it says anything: a list is mostly of calls that are over.
        let waits = |has_function| view.call.waits_for(clock.now(), has_function);
        let waits_for = waits(true).and_then(|_| {
            let lookup = policies.policy(&view.function);
            waits(lookup != Lookup::NotYet)
        });
        wire::call(view, waits_for)
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
    /// As [`super::Work::adopt`]; the exchange comes back, to be waited for as before.
    pub async fn adopt(
        &self,
        record: Admitted<Record>,
        exchange: Exchange,
    ) -> Result<CallId, Refused> {
        let shared = self.shared.clone();
        let (reply, answer) = oneshot::channel();
        tokio::spawn(async move {
            let policy = match shared.policies.policy(&record.get().function) {
                Lookup::Known(policy) => policy,
                Lookup::NotYet | Lookup::Deleted => AsyncPolicy::DEFAULT,
            };
            match shared.queue.work.adopt(record, &policy).await {
                Err(error) => {
                    let _ = reply.send(Err(Refused { error, exchange }));
                }
                Ok(Delivery { job, lease }) => {
                    let _ = reply.send(Ok(lease.id().clone()));
                    let attempt = UnderWay {
                        lease,
                        call: job.call,
                        exchange,
                        is_read: true,
                        slot: None,
                    };
                    let nobody = Notify::new();
                    attempt::see_through(attempt, &policy, &shared.clock, &nobody).await;
                }
            }
        });
        answer.await.unwrap_or_else(|_| {
            let error = Error::Unavailable("the sidecar is shutting down".into());
            let gone = InvokeError {
                fault: Fault::Call { retryable: false },
                code: Code::ShuttingDown,
                message: error.to_string(),
            };
            let exchange: Exchange = Box::pin(std::future::ready(Err(gone)));
            Err(Refused { error, exchange })
        })
    }
}

/// [`Dispatcher::adopt`] didn't work out.
pub struct Refused {
    pub error: Error,
    /// Still under way.
    pub exchange: Exchange,
}

/// Sees to it that every function with open calls has its task.
async fn run(shared: Arc<Shared>, destinations: Destinations) {
    let stopping = shared.stopping.clone();
    let work = shared.queue.work.clone();
    let clock = shared.clock.clone();
    let mut callbacks = JoinSet::new();
    callbacks.spawn(callback::run(
        work.clone(),
        clock,
        destinations,
        stopping.clone(),
    ));
    let mut functions = JoinSet::new();
    let mut served = HashSet::new();
    while !stopping.is_cancelled() {
        tokio::select! {
            () = stopping.cancelled() => {}
            found = work.functions(&served) => for function in found {
                served.insert(function.clone());
                functions.spawn(shared.clone().serve(function));
            },
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
    while callbacks.join_next().await.is_some() {}
}

impl Shared {
    /// Delivers one function's calls until it has none.
    async fn serve(self: Arc<Self>, function: FunctionName) -> FunctionName {
        let work = &self.queue.work;
        let mut config = self.config.subscribe();
        let mut attempts = JoinSet::new();
        let (mut pace, got_through) = (Pace::default(), Arc::new(Notify::new()));
        // Given out and not begun: each is tried when nothing else is under way, and nothing else while it is.
        let mut suspects: VecDeque<Delivery<Job>> = VecDeque::new();
        let mut alone = false;
        let mut next = None;
        // Whether every call is finished, as far as those under way have said.
        let mut drained = false;
        loop {
            let stopping = self.stopping.is_cancelled();
            if stopping {
                suspects.clear();
            }
            if attempts.is_empty() {
                alone = !suspects.is_empty();
                if let Some(suspect) = suspects.pop_front() {
                    attempts.spawn(self.deliver(&function, suspect, &got_through));
                } else if stopping || drained {
                    return function.clone();
                }
            }
            let lookup = self.policies.policy(&function);
            let most = match alone || !suspects.is_empty() {
                true => 0,
                false => most_at_once(lookup),
            };
            let (room, later) = match pace.room(self.clock.now(), most, attempts.len()) {
                Room::Now(room) => (room, None),
                Room::From(time) => (0, Some(time)),
            };
            if stopping || room == 0 {
                next = None;
            } else if next.is_none() && !drained {
                next = Some(work.next(&function, room));
            }
            if lookup == Lookup::Deleted && !stopping {
                self.bury_waiting(&function).await;
            }
            tokio::select! {
                Some(taken) = async { Some(next.as_mut()?.await) }, if next.is_some() => {
                    next = None;
                    match taken {
                        Ok(deliveries) => {
                            drained = deliveries.is_empty();
                            for delivery in deliveries {
                                match delivery.job.call.suspect {
                                    true => suspects.push_back(delivery),
                                    false => drop(attempts.spawn(
                                        self.deliver(&function, delivery, &got_through),
                                    )),
                                }
                            }
                        }
                        Err(error) => {
                            tracing::debug!(%function, %error, "no more calls to deliver");
                            drained = true;
                        }
                    }
                }
                Some(ended) = attempts.join_next() => {
                    drained = false;
                    match ended {
                        Ok(Sent::Made) => pace.got_through(),
                        Ok(Sent::Neither) => {}
                        Ok(Sent::Unmade) => pace.unmade(self.clock.now()),
                        // Its call is due again.
                        Err(error) => tracing::error!(%function, %error, "an attempt panicked"),
                    }
                }
                () = got_through.notified() => pace.got_through(),
                () = self.clock.sleep_until(later), if later.is_some() => {}
                // Fails only with the dispatcher gone, and then so are we.
                _ = config.changed() => {}
                () = self.stopping.cancelled(), if !stopping => {}
            }
        }
    }

    fn deliver(
        self: &Arc<Self>,
        function: &FunctionName,
        delivery: Delivery<Job>,
        got_through: &Arc<Notify>,
    ) -> impl Future<Output = Sent> + use<> {
        let (this, function, got_through) = (self.clone(), function.clone(), got_through.clone());
        async move { this.deliver_to(function, delivery, &got_through).await }
    }

    async fn deliver_to(
        &self,
        function: FunctionName,
        delivery: Delivery<Job>,
        got_through: &Notify,
    ) -> Sent {
        match self.policies.policy(&function) {
            Lookup::Known(policy) => {
                if let Some(homes) = &self.homes {
                    homes.may_deliver(&delivery.job.call).await;
                    let is_anothers = delivery.lease.cancelled().is_cancelled();
                    if is_anothers || homes.yields(delivery.lease.id(), &delivery.job.call).await {
                        return Sent::Neither;
                    }
                }
                let (invoke, clock) = (&self.invoke, &self.clock);
                attempt::make(delivery, invoke, function, &policy, clock, got_through).await
            }
            Lookup::Deleted => {
                let decided = lifecycle::function_deleted(&delivery.job.call, self.clock.now());
                if let Ok(Decision::Change(change)) = decided {
                    attempt::settle(delivery.lease, Update::Call(change)).await;
                }
                Sent::Neither
            }
            // Dropped, it is due again.
            Lookup::NotYet => Sent::Neither,
        }
    }

    /// Those of a deleted function which are not due yet, too.
    async fn bury_waiting(&self, function: &FunctionName) {
        if let Err(error) = self.queue.calls.function_deleted(function).await {
            tracing::warn!(%function, %error, "calls of a deleted function remain");
        }
    }
}

/// How many calls may be under way.
fn most_at_once(lookup: Lookup) -> usize {
    match lookup {
        Lookup::Known(policy) => usize::try_from(policy.max_in_flight.max(1)).unwrap_or(usize::MAX),
        Lookup::Deleted => BURIED_AT_ONCE,
        Lookup::NotYet => 0,
    }
}

#[cfg(test)]
mod tests;
