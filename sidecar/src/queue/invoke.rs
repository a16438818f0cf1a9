//! What the dispatcher needs of the rest: somebody who calls, and what the configuration says.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use gateless_common::problem::Code;
use gateless_core::config::AsyncPolicy;
use gateless_core::name::FunctionName;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;

pub use crate::call::Slot;

/// Any body error.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// A function's answer as it streams in.
pub type Answer = Response<UnsyncBoxBody<Bytes, BodyError>>;
/// An exchange with a function, under way.
pub type Exchange = BoxFuture<'static, Result<Answer, InvokeError>>;

/// Calls a function; the proxy implements it.
pub trait Invoke: Send + Sync + 'static {
    /// Waits for a slot, as an async call, and sends the request.
    ///
    /// The request's URI is path and query, and its extension [`Principal`](gateless_core::policy::Principal) says whose
    /// rights it has. Dropping the future or the answer ends the exchange.
    /// The time `within` which the answer is wanted counts from when the slot is found; how long it waits for one must be
    /// bounded too.
    fn invoke(
        &self,
        function: &FunctionName,
        request: Request<Bytes>,
        within: Duration,
        slot: Slot,
    ) -> Exchange;
}

impl<F> Invoke for F
where
    F: Fn(&FunctionName, Request<Bytes>, Duration) -> Exchange + Send + Sync + 'static,
{
    fn invoke(
        &self,
        function: &FunctionName,
        request: Request<Bytes>,
        within: Duration,
        slot: Slot,
    ) -> Exchange {
        slot.found();
        self(function, request, within)
    }
}

/// Whose fault it is that there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The function had the call, or would never take it: another attempt could do better, or not.
    Call { retryable: bool },
    /// Of whatever was inside the instance when it broke off, this call among others.
    Instance,
    /// What was between broke, and nobody knows what became of the call.
    Between,
    /// There was no room for the call, or no instance, and the function never saw it.
    Unmade,
}

/// There is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct InvokeError {
    /// Who is to blame.
    pub fault: Fault,
    /// As in a problem.
    pub code: Code,
    pub message: String,
}

/// What the configuration says of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// It is there.
    Known(AsyncPolicy),
    /// The configuration isn't loaded yet, or was replaced by one without it: its calls wait.
    NotYet,
    /// It isn't there any more: its calls become dead letters.
    Deleted,
}

pub trait Policies: Send + Sync + 'static {
    /// Looked up before each attempt; must be cheap.
    fn policy(&self, function: &FunctionName) -> Lookup;
}

impl<F: Fn(&FunctionName) -> Lookup + Send + Sync + 'static> Policies for F {
    fn policy(&self, function: &FunctionName) -> Lookup {
        self(function)
    }
}
