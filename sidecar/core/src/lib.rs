//! Gateless's decisions as pure state machines.
//!
//! Nothing here knows a socket, a thread, a clock or a random source: time comes in as
//! [`time::Time`], randomness as a number, and effects go out as data. So a year of
//! autoscaling or a cluster of a hundred hosts is a unit test that takes milliseconds.

pub mod call;
pub mod config;
pub mod name;
pub mod retry;
pub mod time;
