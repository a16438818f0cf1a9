//! The data plane: what runs on every host.
//!
//! It accepts calls, routes, holds, gates, autoscales, runs instances and keeps the async
//! queue. It needs no other process to do so: the server only changes what it does.
//!
//! Imports point one way: `start` and `admin` over `edge`, `reconcile`, `queue` and `trigger`, these over `call`,
//! `catalogue`, `cluster` and `instance`, these over `runtime`, that over `telemetry`, and all over `endpoint` and
//! `clock`. The repository's rules hold them to it; `docs/architecture.md` says what each may touch.

pub mod admin;
pub mod call;
pub mod catalogue;
pub mod clock;
pub mod cluster;
pub mod edge;
pub mod endpoint;
pub mod instance;
pub mod queue;
pub mod reconcile;
pub mod runtime;
mod start;
pub mod telemetry;
#[cfg(test)]
mod tests;
pub mod trigger;

pub use cluster::identity::Join;
pub use start::{Config, Error, Running, run};
