//! An instance in this process: requests reach it as values, without a connection.
//!
//! Only the seam between the proxy and whatever engine runs components.

use std::time::Instant;

use futures_util::future::BoxFuture;
use gateless_common::problem::Code;
use http::{Request, Response};

use crate::endpoint::body::{Body, Inbound};

/// An instance that takes requests in this process.
pub trait Component: Send + Sync + 'static {
    /// One request, to be over at `until`. Dropping the future, or the body of the answer, ends the request.
    ///
    /// The request is taken, and an empty one left, once there is room to run it: after
    /// [`Failure::Busy`] it is still there.
    ///
    /// # Errors
    /// When there is no answer, and why.
    fn call<'a>(
        &'a self,
        request: &'a mut Request<Body>,
        until: Option<Instant>,
    ) -> BoxFuture<'a, Result<Response<Inbound>, Failure>>;
}

/// Why a component gave no answer.
#[derive(Debug)]
pub enum Failure {
    /// It was not run: this host has no room for one more request in any component.
    Busy,
    /// It ran and was ended, or ended without an answer.
    Ended(Box<Ended>),
}

/// How a component's request ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Ended {
    /// What the caller gets; it names the limit.
    pub code: Code,
    pub detail: String,
    /// What to do about it.
    pub hint: &'static str,
}
