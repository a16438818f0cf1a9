//! Accepting connections, the same for every port of the server and of a sidecar.
//!
//! A [`Door`] is a listener with its bounds: how many connections it has, how many of them one client, how long one
//! may take until the head of a request is whole, how long it may be idle. What a connection begins with (nothing, or
//! TLS) is a [`Handshake`]; who proved what comes out of it. Deliberately nothing of what is answered: that is the
//! service's, which [`http::serve`] is given.

mod activity;
pub mod admission;
mod clock;
mod deadlines;
mod departure;
pub mod descriptors;
mod door;
mod drain;
mod frames;
mod handshake;
pub mod http;
mod stream;
mod supervisor;

pub use self::activity::Handle;
pub use self::deadlines::Timeouts;
pub use self::door::{Accepted, Bounds, Door, Keepalive, Options};
pub use self::handshake::{Handshake, Plain, Scheme, Transport};
pub use self::stream::Stream;
