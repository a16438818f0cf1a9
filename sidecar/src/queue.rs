//! The async path: calls that are answered 202 and delivered later, at least once.
//!
//! An engine stands behind three narrow traits: [`Inbox`] takes calls in, [`Work`] gives them out as deliveries
//! under a lease, [`Calls`] answers about them and changes them. [`local`] is the engine on this host's disk,
//! [`memory`] the one for tests; a broker (NATS JetStream) fits as well: accepting is publishing with a
//! de-duplication id, a lease is a pull consumer's acknowledgement wait. [`contract`] is what each must do.
//! Engines decide nothing: [`lifecycle`] drives `gateless_core::call` above them.
//!
//! Promises: nothing is answered before it is durable, and a call answered 202 ends done or
//! in the dead-letter queue, whatever is killed when. Deliberately not promised: exactly
//! once, or any order between calls that run at the same time.

pub mod admit;
mod attempt;
pub mod callback;
pub mod calls;
pub mod clock;
mod codec;
#[cfg(test)]
mod contract;
pub mod copies;
pub mod deliver;
pub mod dispatcher;
pub mod error;
pub mod filter;
mod headers;
pub mod home;
pub mod http;
pub mod inbox;
pub mod invoke;
pub mod lifecycle;
pub mod local;
pub mod memory;
mod pace;
pub mod reading;
pub mod token;
pub mod types;
pub mod wire;
pub mod work;

use std::sync::Arc;

pub use self::calls::Calls;
pub use self::copies::Copying;
pub use self::dispatcher::Dispatcher;
pub use self::error::Error;
pub use self::home::Homes;
pub use self::inbox::Inbox;
pub use self::invoke::{Invoke, InvokeError, Lookup, Policies};
pub use self::local::Local;
pub use self::memory::Memory;
pub use self::work::Work;
use crate::telemetry::metrics::Length;

/// One engine, by its three sides. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    /// Takes calls in.
    pub inbox: Arc<dyn Inbox>,
    /// Gives them out.
    pub work: Arc<dyn Work>,
    /// Answers about them.
    pub calls: Arc<dyn Calls>,
}

impl Queue {
    /// All three sides of an engine whose handles are cheap to clone.
    pub fn of<E: Inbox + Work + Calls + Clone>(engine: &E) -> Self {
        Self {
            inbox: Arc::new(engine.clone()),
            work: Arc::new(engine.clone()),
            calls: Arc::new(engine.clone()),
        }
    }
}

/// How long every queue is that isn't empty.
pub(crate) fn lengths(calls: &dyn Calls) -> Vec<Length> {
    let depths = calls.depths().into_iter();
    let lengths = depths.map(|depth| Length {
        queued: depth.queued + depth.running + depth.retrying,
        dead: depth.dead,
        function: depth.function,
    });
    lengths.collect()
}
