//! What a sidecar does about its copies now and then: whom it asks, what it takes on, whom it tells.

use std::collections::BTreeMap;

use super::{
    AWAKE, Action, Claim, Copies, Copy, Key, MAX_HOLDERS, MAX_PAGE, MAX_QUESTION, MAX_UNTOLD,
};
use crate::name::NodeId;
use crate::time::Time;

/// What one sidecar is to be asked, and the owners whose calls these are.
#[derive(Default)]
struct Question {
    keys: Vec<Key>,
    owners: Vec<NodeId>,
}

impl Copies {
    pub(super) fn tick(&mut self, now: Time, out: &mut Vec<Action>) {
        if now.since(self.ticked) >= AWAKE {
            // It was this sidecar that did not listen.
            let silent = self.peers.values_mut();
            silent.for_each(|peer| peer.silent_since = peer.silent_since.map(|_| now));
        }
        (self.ticked, self.is_eager) = (now, false);
        while self.untold.len() > MAX_UNTOLD {
            let oldest = self.untold.pop_first();
            out.extend(oldest.map(|(key, _)| Action::Known(key)));
        }
        self.settle_told(out);
        let mut questions: BTreeMap<NodeId, Question> = BTreeMap::new();
        let owners: Vec<NodeId> = self.by_owner.keys().cloned().collect();
        for owner in &owners {
            self.look_at(owner, now, &mut questions, out);
        }
        let mut unsent = Vec::new();
        for (peer, mut question) in questions {
            if question.keys.len() > MAX_QUESTION {
                question.keys.truncate(MAX_QUESTION);
                unsent.append(&mut question.owners);
            }
            if !self.ask(now, &peer, question.keys, out) {
                unsent.append(&mut question.owners);
            }
        }
        for owner in owners.iter().filter(|owner| !unsent.contains(owner)) {
            self.move_on(owner);
        }
        self.tell(now, out);
    }

    /// Looks at some copies of calls of one owner.
    fn look_at(
        &mut self,
        owner: &NodeId,
        now: Time,
        questions: &mut BTreeMap<NodeId, Question>,
        out: &mut Vec<Action>,
    ) {
        let is_live = *owner != self.this && self.live.contains(owner);
        if !is_live {
            self.peer(owner).silent_since.get_or_insert(now);
        }
        let is_gone = self.is_gone(owner, now);
        let mut ask = |peer: &NodeId, key| {
            let question = questions.entry(peer.clone()).or_default();
            question.keys.push(key);
            if question.owners.last() != Some(owner) {
                question.owners.push(owner.clone());
            }
        };
        for key in self.page(owner) {
            let Some(copy) = self.copies.get(&key).filter(|copy| !copy.is_busy) else {
                continue;
            };
            if is_live && !copy.is_orphan {
                // Also one that is gone: it may be back.
                ask(owner, key);
            }
            if is_gone || copy.is_orphan {
                match self.who_comes_first(copy, now) {
                    Some(earlier) => ask(&earlier, key),
                    None => out.push(self.take_on(key)),
                }
            }
        }
    }

    /// The calls of an owner to be looked at now.
    fn page(&self, owner: &NodeId) -> Vec<Key> {
        let Some(keys) = self.by_owner.get(owner) else {
            return Vec::new();
        };
        let from = self
            .peers
            .get(owner)
            .map_or_else(Key::default, |p| p.cursor);
        // Round, so that those before are looked at again.
        let all = keys.range(from..).chain(keys.range(..from));
        all.take(MAX_PAGE).copied().collect()
    }

    /// The next page of an owner is looked at next.
    fn move_on(&mut self, owner: &NodeId) {
        let next = self.by_owner.get(owner).and_then(|keys| {
            let from = self.peers.get(owner)?.cursor;
            keys.range(from..).nth(MAX_PAGE).copied()
        });
        if let Some(peer) = self.peers.get_mut(owner) {
            peer.cursor = next.unwrap_or_default();
        }
    }

    fn is_gone(&self, node: &NodeId, now: Time) -> bool {
        if *node == self.this || self.removed.contains(node) {
            return true;
        }
        let silent_since = self.peers.get(node).and_then(|peer| peer.silent_since);
        silent_since.is_some_and(|since| now.since(since) >= self.takeover_after)
    }

    /// The holder that is to take the call on before this one, if one may.
    fn who_comes_first(&self, copy: &Copy, now: Time) -> Option<NodeId> {
        let before = copy.held.holders.iter().take(MAX_HOLDERS).enumerate();
        let mut before = before.take_while(|(_, node)| **node != self.this);
        let first = before.find(|(at, node)| {
            let has_none = copy.lacks & (1 << at) != 0 || **node == copy.held.owner.node;
            !has_none && self.live.contains(*node) && !self.is_gone(node, now)
        });
        first.map(|(_, node)| node.clone())
    }

    fn take_on(&mut self, key: Key) -> Action {
        let mut epoch = 0;
        if let Some(copy) = self.copies.get_mut(&key) {
            copy.is_busy = true;
            epoch = copy.held.owner.epoch;
        }
        let claim = Claim {
            epoch: epoch.saturating_add(1),
            node: self.this.clone(),
            run: self.run,
        };
        Action::TakeOn(key, claim)
    }

    /// Whether it is asked: one question at a time, and not again at once.
    fn ask(&mut self, now: Time, node: &NodeId, keys: Vec<Key>, out: &mut Vec<Action>) -> bool {
        let peer = self.peer(node);
        if peer.is_asked || now < peer.ask_from {
            return false;
        }
        peer.is_asked = true;
        peer.silent_since.get_or_insert(now);
        out.push(Action::Ask(node.clone(), keys));
        true
    }

    fn tell(&mut self, now: Time, out: &mut Vec<Action>) {
        let mut claims: BTreeMap<NodeId, Vec<(Key, Claim)>> = BTreeMap::new();
        for (key, untold) in &self.untold {
            for node in untold.to.iter().filter(|node| self.live.contains(*node)) {
                let claims = claims.entry(node.clone()).or_default();
                if claims.len() < MAX_QUESTION {
                    claims.push((*key, untold.taken.claim.clone()));
                }
            }
        }
        for (node, claims) in claims {
            let peer = self.peer(&node);
            if !peer.is_told && now >= peer.tell_from {
                peer.is_told = true;
                out.push(Action::Tell(node, claims));
            }
        }
    }

    /// Those of which everybody knows who is to.
    pub(super) fn settle_told(&mut self, out: &mut Vec<Action>) {
        let done = self
            .untold
            .iter()
            .filter(|(_, untold)| untold.to.is_empty());
        let done: Vec<Key> = done.map(|(key, _)| *key).collect();
        for key in done {
            self.untold.remove(&key);
            out.push(Action::Known(key));
        }
    }
}
