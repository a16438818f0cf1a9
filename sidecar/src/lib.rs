//! The data plane: routes, holds, gates, autoscales, runs instances, keeps the async queue.
//! The data plane: what runs on every host.
mod backoff;
mod outbox;
pub mod auth;
pub mod config;
pub mod control;
pub mod instance;
pub mod peers;
