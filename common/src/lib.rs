//! The facts that more than one part of Gateless must agree on, each written once.
//!
//! Without features it is pure and small enough for the core. It depends on no other crate of ours, and holds
//! nothing that only one part needs: a bound that one file knows stays in that file.

#![deny(missing_docs, reason = "others read it")]

pub mod allow;
pub mod backoff;
#[cfg(feature = "http")]
pub mod header;
#[cfg(feature = "http")]
pub mod hop;
#[cfg(feature = "io")]
pub mod io;
pub mod limits;
pub mod name;
pub mod network;
#[cfg(feature = "http")]
pub mod prefer;
pub mod problem;
#[cfg(feature = "schedule")]
pub mod schedule;
#[cfg(feature = "http")]
pub mod session;
pub mod share;
pub mod spec;
mod stable_hash;
pub mod time;
#[cfg(feature = "http")]
pub mod url;
pub mod wasi;

pub use stable_hash::stable_hash;
