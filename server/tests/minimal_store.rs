//! The server's tests once more, over a store that has no more than every store must have: no transactions, and
//! revisions far apart. Kubernetes' resources are such a store.

#![allow(
    clippy::duplicate_mod,
    reason = "each of these is a test binary of its own, too, with the common helpers in it"
)]

#[path = "components.rs"]
mod components;
#[path = "config_stream.rs"]
mod config_stream;
#[path = "functions.rs"]
mod functions;
#[path = "resources.rs"]
mod resources;
#[path = "triggers.rs"]
mod triggers;
