//! The data plane: what runs on every host.

pub mod auth;
mod backoff;
pub mod config;
pub mod control;
mod outbox;
pub mod peers;
