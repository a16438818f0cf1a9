//! What answers lead to, and what is answered: the higher claim counts, and what is over is over.

use super::{ASK_EVERY, Action, Claim, Copies, Effect, Key, Own, Standing, Verdict};
use crate::name::NodeId;
use crate::time::Time;

impl Copies {
    /// A sidecar said how calls stand there.
    pub(super) fn answered(
        &mut self,
        now: Time,
        node: &NodeId,
        run: u64,
        standings: Vec<(Key, Standing)>,
        out: &mut Vec<Action>,
    ) {
        let (asked, before) = (standings.len(), out.len());
        for (key, standing) in standings {
            self.learn(key, node, run, standing, out);
        }
        let is_fruitful = (out.len() - before) * 4 > asked;
        self.is_eager |= is_fruitful;
        let peer = self.peer(node);
        (peer.silent_since, peer.is_asked) = (None, false);
        peer.ask_from = match is_fruitful {
            true => now,
            false => now + ASK_EVERY,
        };
    }

    fn learn(
        &mut self,
        key: Key,
        node: &NodeId,
        run: u64,
        standing: Standing,
        out: &mut Vec<Action>,
    ) {
        let Some(copy) = self.copies.get_mut(&key).filter(|copy| !copy.is_busy) else {
            return;
        };
        let owner = &copy.held.owner;
        let action = match standing {
            Standing::Over => Action::Drop(key),
            // It was finished and forgotten there, or refused after all.
            Standing::Nothing if owner.node == *node && owner.run == run => Action::Drop(key),
            Standing::Nothing => {
                copy.is_orphan |= owner.node == *node;
                let at = copy.held.holders.iter().position(|holder| holder == node);
                if let Some(at) = at.and_then(|at| u32::try_from(at).ok()) {
                    copy.lacks |= 1_u8.checked_shl(at).unwrap_or_default();
                }
                return;
            }
            Standing::Owned(claim) | Standing::Held(claim) if claim > *owner => {
                Action::Follow(key, claim)
            }
            Standing::Owned(_) | Standing::Held(_) => return,
        };
        copy.is_busy = true;
        out.push(action);
    }

    /// A sidecar said what it thinks of claims.
    pub(super) fn told(
        &mut self,
        now: Time,
        node: &NodeId,
        verdicts: Vec<(Key, Verdict)>,
        out: &mut Vec<Action>,
    ) {
        for (key, verdict) in verdicts {
            let Some(untold) = self.untold.get_mut(&key) else {
                continue;
            };
            match verdict {
                Verdict::Agreed => drop(untold.to.remove(node)),
                Verdict::Beaten(claim) if claim > untold.taken.claim => {
                    out.push(Action::HandOver(key, claim));
                }
                Verdict::Beaten(_) => {}
                Verdict::Over => {
                    untold.to.remove(node);
                    out.push(Action::End(key));
                }
            }
        }
        self.settle_told(out);
        let peer = self.peer(node);
        (peer.silent_since, peer.is_told, peer.tell_from) = (None, false, now + ASK_EVERY);
    }

    /// What is answered to a claim of another sidecar, and what that leads to first. `queue` is what the own queue says of the
    /// call, `own` the claim under which that would deliver it, and `is_over` whether whoever claims it has finished it.
    #[must_use]
    pub fn judge(
        &self,
        key: &Key,
        queue: Own,
        own: &Claim,
        claim: &Claim,
        is_over: bool,
    ) -> (Verdict, Effect) {
        let owner = self.copies.get(key).map(|copy| &copy.held.owner);
        match (queue, owner) {
            (Own::Over, _) => (Verdict::Over, Effect::None),
            (Own::Open, _) if is_over => (Verdict::Agreed, Effect::End),
            (Own::Open, _) if claim > own => (Verdict::Agreed, Effect::HandOver),
            (Own::Open, _) => (Verdict::Beaten(own.clone()), Effect::None),
            (Own::Nothing, None) => (Verdict::Agreed, Effect::None),
            (Own::Nothing, Some(_)) if is_over => (Verdict::Agreed, Effect::Drop),
            (Own::Nothing, Some(owner)) if claim > owner => (Verdict::Agreed, Effect::Follow),
            (Own::Nothing, Some(owner)) if claim == owner => (Verdict::Agreed, Effect::None),
            (Own::Nothing, Some(owner)) => (Verdict::Beaten(owner.clone()), Effect::None),
        }
    }

    pub(super) fn peer(&mut self, node: &NodeId) -> &mut super::Peer {
        self.peers.entry(node.clone()).or_default()
    }
}
