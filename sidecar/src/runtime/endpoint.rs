//! Where a permit leads: an instance here, a component here, or another sidecar.
//!
//! It holds what a call needs to get there. It neither chooses nor counts.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use gateless_core::name::{InstanceId, NodeId};

use crate::endpoint::alarm::Spare;
use crate::endpoint::component::Component;
use crate::endpoint::pool::Pool;

/// Where a permit leads.
pub enum Endpoint {
    /// An instance on this host.
    Local {
        id: InstanceId,
        /// Connections to it.
        pool: Arc<Pool>,
    },
    /// A component on this host, called without a connection.
    Component {
        id: InstanceId,
        component: Arc<dyn Component>,
        /// For deadlines of calls to it.
        alarms: Spare,
    },
    /// Another sidecar, which picks the instance itself.
    Remote {
        node: NodeId,
        /// Connections to its peer listener.
        pool: Arc<Pool>,
    },
}

impl Endpoint {
    /// Whether it is another host, which is known not to answer.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self, Self::Remote { pool, .. } if pool.is_silent())
    }

    /// A call got something of it: a sign of life.
    pub(crate) fn heard(&self) {
        if let Self::Local { pool, .. } = self {
            pool.heard.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Signs of life so far, where they are counted.
    pub(super) fn signs(&self) -> Option<u64> {
        match self {
            Self::Local { pool, .. } => Some(pool.heard.load(Ordering::Relaxed)),
            Self::Component { .. } | Self::Remote { .. } => None,
        }
    }

    /// For deadlines of calls to it.
    pub(crate) fn alarms(&self) -> &Spare {
        match self {
            Self::Local { pool, .. } | Self::Remote { pool, .. } => &pool.alarms,
            Self::Component { alarms, .. } => alarms,
        }
    }
}
