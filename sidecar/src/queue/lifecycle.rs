//! Drives `gateless_core::call`: what an event leads to, as a change for an engine to write.
//!
//! The one place above the engines where the life of a call goes on. Deliberately without a clock and without
//! I/O; only the randomness of a back-off is taken here.

use gateless_core::call::{Action, Call, Conflict, Event, State, callback};
use gateless_core::config::AsyncPolicy;
use gateless_core::time::Time;

use super::calls::{Change, Decision};
use super::types::{CallResult, Callback, Ended};

/// Why a call was called off that its caller had sent again.
const YIELDED: &str =
    "sent again with its idempotency-key while this sidecar was away; another has that call";

/// Whether a call was called off in favour of another of its key.
#[must_use]
pub fn has_yielded(call: &Call) -> bool {
    matches!(call.state, State::Cancelled(_)) && call.unmade == YIELDED
}

/// Whether an attempt is to be made.
#[derive(Debug)]
pub enum Begin {
    /// Yes, as attempt of this number, once the change is written.
    Attempt(u32, Change),
    /// No: the call ended instead (too old, out of attempts).
    Over(Change),
}

/// There is somebody to deliver the call to.
///
/// # Errors
/// When it isn't one that waits.
pub fn begin(call: &Call, now: Time, policy: &AsyncPolicy) -> Result<Begin, Conflict> {
    let (mut change, action) = step(call, &Event::Start, now, policy)?;
    Ok(match action {
        Action::Dispatch(number) => {
            change.keep = Some(policy.result_ttl);
            Begin::Attempt(number, change)
        }
        _ => Begin::Over(change),
    })
}

/// The attempt under way has ended.
///
/// # Errors
/// When none is under way.
pub fn ended(
    call: &Call,
    ended: Ended,
    now: Time,
    policy: &AsyncPolicy,
) -> Result<Change, Conflict> {
    let (event, answer) = event(ended);
    let (mut change, _) = step(call, &event, now, policy)?;
    if change.call.state.finished_at().is_some() {
        change.result = answer;
    }
    Ok(change)
}

fn event(ended: Ended) -> (Event, Option<CallResult>) {
    match ended {
        Ended::Answered {
            answer,
            retry_after,
        } => {
            let status = answer.status;
            let event = Event::Answered {
                status,
                retry_after,
            };
            (event, Some(answer))
        }
        Ended::Refused { answer } => {
            let status = answer.status;
            (Event::Refused { status }, Some(answer))
        }
        Ended::Failed { retryable, error } => (Event::Failed { retryable, error }, None),
        Ended::Crashed { error } => (Event::Crashed { error }, None),
        Ended::Interrupted { error } => (Event::Interrupted { error }, None),
        Ended::NotMade { error } => (Event::NotMade { error }, None),
    }
}

/// Somebody calls it off.
///
/// # Errors
/// When it is finished.
pub fn cancel(call: &Call, now: Time) -> Result<Decision, Conflict> {
    decide(call, &Event::Cancel, now)
}

/// Its caller has sent it again elsewhere, while this sidecar was away.
///
/// # Errors
/// When an attempt was begun.
pub fn yielded(call: &Call, now: Time) -> Result<Decision, Conflict> {
    if !call.attempts.is_empty() {
        return Err(Conflict(call.state.as_str()));
    }
    let mut decided = decide(call, &Event::Cancel, now)?;
    if let Decision::Change(change) = &mut decided {
        YIELDED.clone_into(&mut change.call.unmade);
    }
    Ok(decided)
}

/// Somebody wants it run again.
///
/// # Errors
/// When it isn't finished.
pub fn replay(call: &Call, now: Time) -> Result<Decision, Conflict> {
    decide(call, &Event::Replay, now)
}

/// Its function is gone.
///
/// # Errors
/// When it doesn't wait.
pub fn function_deleted(call: &Call, now: Time) -> Result<Decision, Conflict> {
    decide(call, &Event::FunctionDeleted, now)
}

/// Somebody wants a dead letter forgotten.
///
/// # Errors
/// When it is none.
pub const fn purge(call: &Call, _: Time) -> Result<Decision, Conflict> {
    match call.state {
        State::Dead(..) => Ok(Decision::Forget),
        state => Err(Conflict(state.as_str())),
    }
}

/// Somebody wants a call forgotten that is over.
///
/// # Errors
/// When it isn't, or is a dead letter.
pub const fn forget(call: &Call, _: Time) -> Result<Decision, Conflict> {
    match call.state {
        State::Succeeded(_) | State::Cancelled(_) => Ok(Decision::Forget),
        state => Err(Conflict(state.as_str())),
    }
}

/// A try to send a callback has ended.
#[must_use]
pub fn callback_sent(sent: callback::Sent, of: &Callback, now: Time) -> callback::Next {
    callback::after(of.attempt, sent, of.finished, now, rand::random())
}

fn decide(call: &Call, event: &Event, now: Time) -> Result<Decision, Conflict> {
    // Of these events none consults the policy.
    step(call, event, now, &AsyncPolicy::DEFAULT).map(|(change, _)| Decision::Change(change))
}

fn step(
    call: &Call,
    event: &Event,
    now: Time,
    policy: &AsyncPolicy,
) -> Result<(Change, Action), Conflict> {
    let mut call = call.clone();
    let action = call.on_event(now, event, policy, rand::random())?;
    let change = Change {
        // Nobody waits for a call that was called off.
        callback: !matches!(call.state, State::Cancelled(_)),
        call,
        keep: None,
        result: None,
    };
    Ok((change, action))
}
