//! Which function is at the other end of a connection to the local door.
//!
//! The kernel says it, not the function: whose user or process the socket is of. It is asked only for calls whose policy wants
//! to know, once a connection.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use gateless_core::name::FunctionName;

/// Says which function made a connection from one address of this host to another; `None`: none, or nobody can tell. Blocks.
pub type Callers = Arc<dyn Fn(SocketAddr, SocketAddr) -> Option<FunctionName> + Send + Sync>;

/// A connection that was made to the local door.
#[derive(Debug)]
pub(super) struct Connection {
    from: SocketAddr,
    to: SocketAddr,
    function: OnceLock<FunctionName>,
}

impl Connection {
    /// One with these ends.
    pub(super) fn new(from: SocketAddr, to: SocketAddr) -> Self {
        Self {
            from,
            to,
            function: OnceLock::new(),
        }
    }

    /// The function that made it. One that could not be told is asked for again by the next call: its instance may have just begun.
    pub(super) async fn function(&self, callers: &Callers) -> Option<FunctionName> {
        if let Some(known) = self.function.get() {
            return Some(known.clone());
        }
        let (callers, from, to) = (callers.clone(), self.from, self.to);
        let asked = tokio::task::spawn_blocking(move || callers(from, to));
        let found = asked.await.ok().flatten()?;
        Some(self.function.get_or_init(|| found).clone())
    }
}
