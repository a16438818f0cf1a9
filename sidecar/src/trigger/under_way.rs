//! Whether the call that a trigger made last is over, wherever it is.

use gateless_core::trigger::CallRef;
use tokio::sync::watch;

use super::cron::SHARE_TIMEOUT;
use super::{Inner, Peers};
use crate::cluster::Member;
use crate::queue;
use crate::queue::calls::Location;
use crate::queue::types::CallId;

/// Whether the last call of a trigger is neither done nor given up. One that nobody can be asked about, because its sidecar
/// is gone, is not waited for; one whose sidecar does not answer is.
pub(super) async fn is_under_way(
    inner: &Inner,
    others: &dyn Peers,
    members: &watch::Receiver<Vec<Member>>,
    call: &CallRef,
) -> bool {
    let Ok(id) = CallId::parse(call) else {
        return false;
    };
    match inner.calls.locate(&id) {
        Location::Here => match inner.calls.get(&id).await {
            Ok(view) => view.call.state.finished_at().is_none(),
            Err(error) => !matches!(error, queue::Error::NotFound(_)),
        },
        Location::Sidecar(node) => {
            let lives = members.borrow().iter().any(|member| member.node == node);
            let asked = tokio::time::timeout(SHARE_TIMEOUT, others.is_open(&node, &id));
            lives && !matches!(asked.await, Ok(Ok(false)))
        }
    }
}
