//! The path of a call: entrance, route, permit, forward, answer.
//!
//! One file per concern. Nothing here decides whom to call or who waits: the core does;
//! nothing here starts instances: the controller does.

pub mod deferred;
pub mod entrance;
pub mod headers;
pub mod pool;
pub mod reserve;
pub mod tracked;

pub(crate) mod alarm;
mod call;
mod forward;
mod payload;
mod stream;
#[cfg(test)]
mod tests;
mod timing;
mod upgrade;

pub use call::{Call, Proxy, Reserve};
pub use payload::Payload;
