//! Wire types between server and sidecars and between sidecars, generated from `gateless/v1/*.proto`.
//!
//! No logic here: each side converts to its own types at its boundary.

#[cfg(feature = "fixture")]
pub mod fixture;

/// Package `gateless.v1`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::too_many_lines,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
pub mod v1 {
    tonic::include_proto!("gateless.v1");
}
