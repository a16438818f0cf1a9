//! The Gateless client: the generated operations, and a thin layer for calls, waits, streams and retries.
//!
//! [`generated`] is made from `openapi/openapi.json` and never edited. Written by hand is what a document
//! cannot say: [`Gateless::invoke`] goes to sidecars and never through the server, an async [`Call`] is
//! awaited to its result, repeatable requests are tried again, and every failure is one [`Error`].
//! Deliberately no method per operation: those are [`Gateless::api`]'s.

#![deny(missing_docs, reason = "others read it")]

mod call;
mod client;
mod error;
mod invoke;
mod retry;
mod stream;
mod tls;
mod wait;

#[allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    rustdoc::all,
    clippy::all,
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::allow_attributes_without_reason,
    reason = "generated: what it looks like is the generator's affair"
)]
#[rustfmt::skip]
pub mod generated;

pub use call::{Call, CallStatus};
pub use client::{Builder, Gateless, Listing, Shared, segment};
pub use error::{Error, Problem};
pub use generated::types;
pub use invoke::Invoke;
pub use retry::Policy;
pub use stream::{Event, EventQuery, Events, Lines, LogQuery};
pub use tls::{Trust, certificates_of};
pub use wait::Condition;
