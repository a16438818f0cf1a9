//! The connections of a pool that nobody uses, in order of age, and what was seen of how they end.
//!
//! Deliberately makes none.

use std::sync::Arc;

use gateless_core::keepalive::KeepAlive;
use gateless_core::time::Time;
use hyper::client::conn::http1;

use super::{MAX_IDLE, MAX_IDLE_FOR};
use crate::endpoint::body::Body;
use crate::endpoint::connection::Use;

/// The last one in is at the end, and the first one out.
#[derive(Default)]
pub(super) struct IdleList {
    list: Vec<Idle>,
    pub(super) keep_alive: KeepAlive,
}

pub(super) struct Idle {
    pub(super) sender: http1::SendRequest<Body>,
    pub(super) uses: Arc<Use>,
    pub(super) since: Time,
}

impl IdleList {
    /// Keeps one, if there is room and it is open still. Those that came before are not younger.
    pub(super) fn put(&mut self, idle: Idle) -> bool {
        if self.list.len() >= MAX_IDLE {
            return false;
        }
        idle.uses.left_open(idle.since);
        let open = !idle.sender.is_closed();
        if open {
            self.list.push(idle);
        }
        open
    }

    /// The youngest that may take a request; `repeatable`: it may be sent again if its connection ends under it.
    pub(super) fn take(&mut self, now: Time, repeatable: bool) -> Option<Idle> {
        // Those that are too old and still there are about to be closed.
        let is_usable = |idle: &Idle| {
            now.since(idle.since) < MAX_IDLE_FOR
                && idle.sender.is_ready()
                && self.keep_alive.may_use(now, idle.since, repeatable)
        };
        let at = self.list.iter().rposition(is_usable);
        if at.is_none() {
            self.list.retain(|idle| !idle.sender.is_closed());
        }
        at.map(|at| self.list.remove(at))
    }

    /// Takes out those that are too old, and says when the next one is.
    pub(super) fn expire(&mut self, now: Time) -> (Vec<Idle>, Option<Time>) {
        let is_old = |idle: &Idle| now.since(idle.since) >= MAX_IDLE_FOR;
        let old = self.list.partition_point(is_old);
        let old = self.list.drain(..old).collect();
        let next = self.list.first().map(|oldest| oldest.since + MAX_IDLE_FOR);
        (old, next)
    }
}
