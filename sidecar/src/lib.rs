//! The data plane of Gateless.

pub mod queue;
