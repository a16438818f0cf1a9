//! What a call travels over: instances' and peers' connections, bodies, timers, components in this process.
//!
//! The ground of the sidecar: it knows no function, no revision and no door, and decides nothing.

pub(crate) mod alarm;
pub mod body;
pub mod component;
pub(crate) mod connection;
pub(crate) mod connector;
pub mod egress;
pub mod engine;
pub mod framing;
pub mod patience;
pub mod permit;
pub mod pool;
pub mod probe;
mod pulse;
pub mod target;
pub mod unprocessed;
pub mod upload;
pub(crate) mod watchdog;
