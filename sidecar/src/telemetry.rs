//! What people who watch are told: Prometheus series, samples each second, changes as they happen, calls on record.
//!
//! Nobody who is counted or watched waits for it, and nothing here decides anything.

pub mod metrics;
pub mod observe;
pub mod records;
