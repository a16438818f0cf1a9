//! One attempt of a call, from its delivery to what it led to.
//!
//! That an attempt begins is written before it is made, and how it ended afterwards, so a crash at any point
//! leads to another attempt and never to a lost call. Deliberately decides nothing: `lifecycle` does.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use gateless_common::header as names;
use gateless_common::io::unix_now;
use gateless_core::call::{Call, is_refusal};
use gateless_core::config::AsyncPolicy;
use gateless_core::name::FunctionName;
use gateless_core::record::is_replayed;
use http::{HeaderName, HeaderValue, Request, header};
use http_body_util::BodyExt;
use tokio::sync::{Notify, oneshot};

use super::clock::Clock;
use super::invoke::{Exchange, Fault, Invoke, Slot};
use super::lifecycle::{self, Begin};
use super::types::{CallResult, Ended, Record};
use super::work::{Delivery, Job, Lease, Update};
use super::{Error, headers};
use crate::call::Delivered;
use crate::call::answer::{Blamed, BrokenOff};

/// An attempt that is written down as begun.
pub(super) struct UnderWay {
    pub(super) lease: Lease,
    pub(super) call: Call,
    pub(super) exchange: Exchange,
    /// Somebody reads the answer, whatever it says.
    pub(super) is_read: bool,
    /// Comes when it has its slot; `None` when it has.
    pub(super) slot: Option<oneshot::Receiver<()>>,
}

/// Whether the call could be sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// An instance had it.
    Made,
    /// It found no room, or no instance.
    Unmade,
    /// It was not tried, or called off meanwhile.
    Neither,
}

/// Makes the attempt that is due, if there is to be one. `got_through` is notified once it has its slot.
pub(super) async fn make(
    delivery: Delivery<Job>,
    invoke: &Arc<dyn Invoke>,
    function: FunctionName,
    policy: &AsyncPolicy,
    clock: &Clock,
    got_through: &Notify,
) -> Sent {
    let Delivery { job, lease } = delivery;
    let (number, change) = match lifecycle::begin(&job.call, clock.now(), policy) {
        Ok(Begin::Attempt(number, change)) => (number, change),
        Ok(Begin::Over(change)) => {
            settle(lease, Update::Call(change)).await;
            return Sent::Neither;
        }
        Err(conflict) => {
            let id = lease.id();
            tracing::error!(%id, %conflict, "a call was given out that does not wait");
            return Sent::Neither;
        }
    };
    let call = change.call.clone();
    match lease.begin(change).await {
        Ok(()) => {}
        // Somebody was faster.
        Err(Error::Stale { .. } | Error::NotFound(_)) => return Sent::Neither,
        Err(error) => {
            let id = lease.id();
            tracing::warn!(%id, %error, "cannot begin an attempt");
            return Sent::Neither;
        }
    }
    let error = match job.record {
        Ok(record) => {
            let is_read = !record.is_of_trigger();
            let delivered = Delivered {
                call: lease.id().to_string().into(),
                attempt: number,
                replayed: is_replayed(number, &call),
                trigger: record.trigger().map(Into::into),
            };
            match request(delivered, record) {
                Ok(request) => {
                    let (invoke, within) = (invoke.clone(), policy.attempt_timeout);
                    let (slot, found) = Slot::new();
                    let exchange: Exchange =
                        Box::pin(
                            async move { invoke.invoke(&function, request, within, slot).await },
                        );
                    let attempt = UnderWay {
                        lease,
                        call,
                        exchange,
                        is_read,
                        slot: Some(found),
                    };
                    return see_through(attempt, policy, clock, got_through).await;
                }
                Err(error) => format!("the record makes no request: {error}"),
            }
        }
        Err(error) => error.to_string(),
    };
    let ended = Ended::Failed {
        retryable: false,
        error,
    };
    finish(lease, &call, ended, policy, clock).await;
    Sent::Neither
}

/// Waits for an attempt's answer, whole, and has the queue keep it.
pub(super) async fn see_through(
    attempt: UnderWay,
    policy: &AsyncPolicy,
    clock: &Clock,
    got_through: &Notify,
) -> Sent {
    let UnderWay {
        lease,
        call,
        exchange,
        is_read,
        mut slot,
    } = attempt;
    let end = || Some(clock.now() + policy.attempt_timeout);
    let mut deadline = slot.is_none().then(end).flatten();
    let answer = AssertUnwindSafe(collect(exchange, policy.max_result)).catch_unwind();
    tokio::pin!(answer);
    let ended = loop {
        tokio::select! {
            biased;
            // The queue knows already.
            () = lease.cancelled().cancelled() => return Sent::Neither,
            ended = &mut answer => break ended.unwrap_or_else(|_| Ended::Failed {
                retryable: true,
                error: "the attempt panicked".into(),
            }),
            // Dropped without a word, the answer says why in a moment.
            found = async { slot.as_mut()?.await.ok() }, if slot.is_some() => {
                (slot, deadline) = (None, end());
                if found.is_some() {
                    got_through.notify_one();
                }
            }
            () = clock.sleep_until(deadline) => break Ended::Failed {
                retryable: true,
                error: format!("no answer within {} ms", policy.attempt_timeout.as_millis()),
            },
        }
    };
    let ended = match ended {
        Ended::Answered { answer, .. } if !is_read && is_refusal(answer.status) => {
            Ended::Refused { answer }
        }
        ended => ended,
    };
    let sent = match ended {
        Ended::NotMade { .. } => Sent::Unmade,
        _ => Sent::Made,
    };
    finish(lease, &call, ended, policy, clock).await;
    sent
}

async fn finish(lease: Lease, call: &Call, ended: Ended, policy: &AsyncPolicy, clock: &Clock) {
    match lifecycle::ended(call, ended, clock.now(), policy) {
        Ok(change) => settle(lease, Update::Call(change)).await,
        Err(conflict) => {
            let id = lease.id();
            tracing::error!(%id, %conflict, "an attempt ended that never began");
        }
    }
}

/// Doesn't give up while the queue can't write.
pub(super) async fn settle(lease: Lease, update: Update) {
    let id = lease.id().clone();
    match lease.settle(update).await {
        // Cancelled meanwhile, or written in spite of an error before.
        Ok(()) | Err(Error::Stale { .. } | Error::NotFound(_)) => {}
        Err(error) => tracing::error!(%id, %error, "what a delivery led to is lost"),
    }
}

fn request(delivered: Delivered, record: Record) -> Result<Request<Bytes>, http::Error> {
    let id = HeaderValue::try_from(&*delivered.call)?;
    let number = delivered.attempt;
    let mut request = Request::builder()
        .method(record.method.as_str())
        .uri(record.path.as_str())
        .extension(record.principal)
        .extension(delivered)
        .body(record.body)?;
    let target = request.headers_mut();
    for (name, value) in record.headers {
        let name = HeaderName::from_bytes(name.as_bytes())?;
        target.append(name, HeaderValue::from_maybe_shared(value)?);
    }
    target.insert(names::CALL_ID, id);
    target.insert(names::ATTEMPT, number.into());
    target.insert(names::ASYNC, HeaderValue::from_static("true"));
    Ok(request)
}

/// The whole answer, its body cut at `limit`: what is beyond is read, so that the function
/// can finish, but not kept.
async fn collect(exchange: Exchange, limit: u64) -> Ended {
    let (parts, mut body) = match exchange.await {
        Ok(answer) => answer.into_parts(),
        Err(failed) => {
            let error = failed.to_string();
            return match failed.fault {
                Fault::Unmade => Ended::NotMade { error },
                Fault::Instance => Ended::Crashed { error },
                Fault::Between => Ended::Interrupted { error },
                Fault::Call { retryable } => Ended::Failed { retryable, error },
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
            Err(cause) => {
                let error = format!("the answer broke off: {cause}");
                return match cause.downcast_ref().map(|broken: &BrokenOff| broken.by) {
                    Some(Blamed::Instance) => Ended::Crashed { error },
                    Some(Blamed::Peer) => Ended::Interrupted { error },
                    // It took too long, or a component was ended: the call's own doing.
                    None => Ended::Failed {
                        retryable: true,
                        error,
                    },
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
        .and_then(|value| headers::retry_after(value, unix_now()));
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
