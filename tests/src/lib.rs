//! What the end-to-end tests stand on: real processes of the one binary, in temporary folders
//! and on free ports, and the means to call, watch, kill and restart them.
//!
//! Deliberately knows nothing of the crates under test, but that strangers have identities, too: it uses what a user can use.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a step of the harness that fails is a test that fails"
)]

pub mod api;
pub mod call;
pub mod chaos;
pub mod checker;
pub mod cluster;
pub mod disk;
pub mod events;
pub mod fake_server;
pub mod fsync_gate;
pub mod history;
pub mod http;
pub mod instances;
pub mod load;
pub mod network;
pub mod preload;
pub mod process;
pub mod shell;
pub mod sidecar;
pub mod spec;
pub mod wait;
pub mod wall_clock;
pub mod world;

pub use api::Api;
pub use call::{Answer, Caller};
pub use cluster::{Cluster, Setup};
pub use events::Events;
pub use load::Load;
pub use process::Process;
pub use shell::Shell;
pub use sidecar::Sidecar;
pub use spec::Spec;
pub use wait::{eventually, eventually_within};
