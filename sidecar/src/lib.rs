//! The data plane: what runs on every host.
//!
//! It accepts calls, routes, holds, gates, autoscales, runs instances and keeps the async
//! queue. It needs no other process to do so: the server only changes what it does.

pub mod admin;
pub mod app;
pub mod auth;
mod backoff;
pub mod body;
pub mod clock;
pub mod config;
pub mod control;
pub mod controller;
mod drain;
pub mod error;
mod goodbye;
pub mod instance;
mod logs;
mod management;
pub mod metrics;
pub mod node;
pub mod observe;
mod outbox;
mod outgoing;
pub mod peers;
mod prefetch;
pub mod proxy;
pub mod queue;
pub mod runtime;
mod start;
pub mod trigger;

pub use start::{Config, Error, Running, run};
