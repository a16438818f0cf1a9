//! The path of a call once it is admitted: permit, forward, answer.
//!
//! One file per concern. Nothing here decides whom to call or who waits: the core does;
//! nothing here starts instances: the control path does.

pub mod answer;
pub mod bodies;
pub mod error;
pub mod grpc;
pub mod headers;
pub(crate) mod limits;
pub mod origin;
pub(crate) mod relay;
pub mod reserve;

mod again;
mod broken;
mod forward;
mod leave;
mod payload;
mod prepare;
mod record;
mod request;
mod send;
#[cfg(test)]
mod tests;
mod timing;
mod trail;
mod upgrade;

pub use payload::Payload;
pub use request::{Call, Queued, Slot, Told};
pub use send::{Proxy, Reserve, pick};
pub use trail::Delivered;
