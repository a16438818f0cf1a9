//! Gateless's decisions as pure state machines.
//!
//! Nothing here knows a socket, a thread, a clock or a random source: time comes in as
//! [`time::Time`], randomness as a number, and effects go out as data. So a year of
//! autoscaling or a cluster of a hundred hosts is a unit test that takes milliseconds.

#![deny(missing_docs, reason = "others read it")]

pub mod abandoned;
pub mod access;
pub mod authority;
pub mod autoscaler;
pub mod balancer;
pub mod call;
pub mod caller;
pub mod config;
pub mod copies;
pub mod dispatch;
pub mod egress;
mod few;
pub mod gate;
pub mod history;
pub mod hold;
pub mod host;
pub mod issuer_keys;
pub mod keepalive;
pub mod keys;
pub mod leaving;
pub mod limit;
pub mod lineage;
pub mod liveness;
pub mod message;
pub mod owner;
pub mod ownership;
pub mod placement;
pub mod policy;
pub mod pulse;
pub mod record;
pub mod replay;
pub mod resources;
pub mod retry;
pub mod router;
mod schedule;
pub mod time;
pub mod trigger;
pub mod trusted;
pub mod usage;
pub mod window;

#[cfg(any(test, feature = "fixture"))]
pub mod fixture;

pub use gateless_common::{allow, name, network};
