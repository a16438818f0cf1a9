//! Runs `wasi:http` components inside the sidecar: one engine, one linker and one pool of memories for
//! every function of the host, so that a call needs neither a process nor a socket.
//!
//! The path of a call: [`Instance::call`] takes a slot of the pool, finds the function's module (loaded,
//! or mapped from the disk cache in a fraction of a millisecond), makes a fresh instance of it or takes an
//! idle one, and polls the guest *in the caller's own task*: first until there is a response, then
//! whenever the response's body is polled. Nothing is spawned for a call, so dropping the future or the
//! body is all it takes to end a guest.
//!
//! Deliberately not here: routing, gates, scaling and logs (the sidecar's), the judgement of an uploaded
//! file before it is stored (the server's), file systems and sockets for guests (nobody's).

mod body;
mod cache;
mod call;
mod clock;
mod engine;
mod error;
mod guest;
mod host;
mod instance;
mod limits;
mod lines;
mod meter;
mod modules;
mod outgoing;
mod outside;
mod settings;
mod ticker;
mod turns;
mod world;

pub use body::ResponseBody;
pub use call::Entry;
pub use engine::{Engine, Stats};
pub use error::{CallError, Error, LoadError};
pub use instance::Instance;
pub use lines::{LogSink, Stream};
pub use outgoing::{Body, BoxError, BoxFuture, Caller, NoRoutes, Outgoing, OutgoingError, Routed};
pub use settings::{Identity, InstanceSpec, Limits, Reuse, Settings};
