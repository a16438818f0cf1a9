//! New values of secrets: instances that were started with others are replaced.
//!
//! One after the other, each when its successor is ready, so that as many take calls as before. An owner hears nothing of it:
//! the count it wants is there all the time. Deliberately no values, only their version.

use std::sync::Arc;

use super::{Action, Host, State};
use crate::config::Revision;
use crate::name::RevisionName;
use crate::time::Time;

impl Host {
    /// Gives back what must be settled.
    pub(super) fn set_secrets(&mut self, name: &RevisionName, version: u64) -> Vec<RevisionName> {
        let function = self.functions.get_mut(name.function());
        let Some(function) = function.filter(|known| known.config.revision(name).is_some()) else {
            return Vec::new();
        };
        function.secrets.insert(name.clone(), version);
        vec![name.clone()]
    }

    /// The version of the values that an instance of the revision is to have.
    pub(super) fn secrets(&self, name: &RevisionName) -> u64 {
        let function = self.functions.get(name.function());
        let version = function.and_then(|function| function.secrets.get(name));
        version.copied().unwrap_or_default()
    }

    /// Instances that serve with other values than those of now.
    pub(super) fn outdated(&self, name: &RevisionName) -> u32 {
        let secrets = self.secrets(name);
        let outdated = self
            .instances_of(name)
            .filter(|(_, instance)| instance.state.is_alive() && instance.secrets != secrets);
        u32::try_from(outdated.count()).unwrap_or(u32::MAX)
    }

    /// Instances beyond what is wanted, as a successor is on its way.
    pub(super) fn surplus(&self, name: &RevisionName) -> u32 {
        let secrets = self.secrets(name);
        let in_state = |state: State| {
            let fresh = self.instances_of(name);
            let fresh = fresh.filter(|(_, one)| one.secrets == secrets && one.state == state);
            u32::try_from(fresh.count()).unwrap_or(u32::MAX)
        };
        let desired = self.revisions.get(name).map_or(0, |state| state.desired);
        let lacks = in_state(State::Ready) < desired;
        let comes = in_state(State::Starting) > 0;
        u32::from(lacks && comes && self.alive(name) > desired && self.outdated(name) > 0)
    }

    /// What is not ready yet begins anew.
    pub(super) fn stop_outdated_starts(
        &mut self,
        now: Time,
        name: &RevisionName,
        out: &mut Vec<Action>,
    ) {
        let secrets = self.secrets(name);
        let old = self.instances_of(name).filter(|(_, instance)| {
            instance.state == State::Starting && instance.secrets != secrets
        });
        let old: Vec<_> = old.map(|(id, _)| id.clone()).collect();
        old.iter().for_each(|id| self.stop(now, id, out));
    }

    /// The next successor is started. Where there is no room for one beside, the old one goes first.
    pub(super) fn renew(
        &mut self,
        now: Time,
        name: &RevisionName,
        config: Option<&Arc<Revision>>,
        out: &mut Vec<Action>,
    ) {
        let Some(revision) = config else { return };
        let has_room = self.room(name).free() > 0;
        let starts = self.in_state(name, State::Starting) > 0;
        let Some(state) = self.revisions.get_mut(name) else {
            return;
        };
        if now < state.backoff.until() {
            state.retry_at = Some(state.backoff.until());
        } else if starts {
            // One at a time.
        } else if has_room {
            self.start(now, revision, out);
        } else if self.in_state(name, State::Draining) == 0 {
            let keep = self.alive(name).saturating_sub(1);
            self.reduce(now, name, keep, out);
        }
    }
}
