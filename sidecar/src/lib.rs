//! The data plane of Gateless.

pub mod admin;
pub mod queue;
