//! What the machine's actions do to a host's disk.

use super::*;

impl World {
    pub(super) fn event(&mut self, at: usize, event: Event) {
        let mut actions = Vec::new();
        self.nodes[at]
            .copies
            .on_event(self.now, event, &mut actions);
        for action in actions {
            self.act(at, action);
        }
    }

    pub(super) fn act(&mut self, at: usize, action: Action) {
        let until = self.now + TIMEOUT;
        match action {
            Action::Ask(peer, keys) => {
                self.nodes[at].waiting.insert((peer.clone(), "ask"), until);
                let to = self.at(&peer);
                self.send(at, to, Message::Ask(keys));
            }
            Action::Tell(peer, claims) => {
                self.nodes[at].waiting.insert((peer.clone(), "tell"), until);
                let claims = claims.into_iter().map(|(key, claim)| {
                    let is_over = self.own(at, &key).0 != Own::Open;
                    (key, claim, is_over)
                });
                let claims = claims.collect();
                let to = self.at(&peer);
                self.send(at, to, Message::Tell(claims));
            }
            // A disk that fails now and then.
            Action::Drop(key) | Action::Follow(key, _) | Action::TakeOn(key, _)
                if self.faults.loss > 0 && self.chance(50) =>
            {
                self.event(at, Event::Unchanged(key));
            }
            Action::Drop(key) => self.drop_copy(at, key),
            Action::Follow(key, claim) => self.follow(at, key, claim),
            Action::TakeOn(key, claim) => self.take_on(at, key, claim),
            Action::HandOver(key, claim) => self.hand_over(at, key, claim),
            Action::End(key) => self.end(at, key),
            Action::Known(key) => drop(self.nodes[at].disk.taken.remove(&key)),
        }
    }

    pub(super) fn drop_copy(&mut self, at: usize, key: Key) {
        self.nodes[at].disk.copies.remove(&key);
        self.event(at, Event::Dropped(key));
    }

    pub(super) fn follow(&mut self, at: usize, key: Key, claim: Claim) {
        let held = self.nodes[at].disk.copies.get_mut(&key).unwrap();
        held.owner = claim;
        let held = held.clone();
        self.event(at, Event::Held(key, held));
    }

    pub(super) fn take_on(&mut self, at: usize, key: Key, claim: Claim) {
        self.taken_on += 1;
        let now = self.now;
        let disk = &mut self.nodes[at].disk;
        let held = disk.copies.remove(&key).unwrap();
        let taken = Taken {
            claim: claim.clone(),
            origin: held.origin.clone(),
            holders: held.holders.clone(),
        };
        disk.taken.insert(key, taken.clone());
        let row = Row {
            claim,
            origin: held.origin,
            holders: held.holders,
            over: false,
            accepted: now,
            begun: false,
        };
        disk.queue.insert(key, row);
        self.event(at, Event::TakenOn(key, taken));
    }

    /// As the shell does it: only what is open is handed over.
    pub(super) fn hand_over(&mut self, at: usize, key: Key, claim: Claim) {
        let node = &mut self.nodes[at];
        if node.disk.queue.get(&key).is_none_or(|row| row.over) {
            return;
        }
        let row = node.disk.queue.remove(&key).unwrap();
        node.running.remove(&key);
        node.disk.taken.remove(&key);
        let held = Held {
            owner: claim,
            origin: row.origin,
            holders: row.holders,
        };
        node.disk.copies.insert(key, held.clone());
        self.event(at, Event::LetGo(key));
        self.event(at, Event::Held(key, held));
    }

    pub(super) fn end(&mut self, at: usize, key: Key) {
        assert!(self.delivered.contains_key(&key), "seed {}", self.seed);
        let node = &mut self.nodes[at];
        if node.disk.queue.get(&key).is_some_and(|row| !row.over) {
            node.disk.queue.remove(&key);
            node.running.remove(&key);
        }
    }
}
