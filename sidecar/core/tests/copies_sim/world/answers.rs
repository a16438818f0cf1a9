//! What hosts answer each other.

use super::*;

impl World {
    pub(super) fn own(&self, at: usize, key: &Key) -> (Own, Claim) {
        let node = &self.nodes[at];
        let first = || Claim {
            epoch: 0,
            node: node.id.clone(),
            run: node.disk.run,
        };
        match node.disk.queue.get(key) {
            Some(row) if row.over => (Own::Over, row.claim.clone()),
            Some(row) => (Own::Open, row.claim.clone()),
            // What is about to be taken in is not refused yet.
            None if node.accepting.contains_key(key) => (Own::Open, first()),
            None => (Own::Nothing, first()),
        }
    }

    pub(super) fn handle(&mut self, at: usize, from: usize, message: Message) {
        let peer = self.nodes[from].id.clone();
        match message {
            Message::Hold(key, held) => {
                self.nodes[at].disk.copies.insert(key, held.clone());
                self.event(at, Event::Held(key, held));
                self.send(at, from, Message::HoldAnswer(key));
            }
            Message::HoldAnswer(key) => {
                if let Some(accepting) = self.nodes[at].accepting.get_mut(&key)
                    && accepting.waits_for.remove(&peer)
                {
                    accepting.placing.answered(true);
                    if accepting.waits_for.is_empty() {
                        self.place(at, key);
                    }
                }
            }
            Message::Ask(keys) => {
                let standing = |key: Key| {
                    let (queue, own) = self.own(at, &key);
                    (key, self.nodes[at].copies.standing(&key, queue, own))
                };
                let standings = keys.into_iter().map(standing).collect();
                let run = self.nodes[at].disk.run;
                self.send(at, from, Message::Standings(run, standings));
            }
            Message::Standings(run, standings) => {
                self.nodes[at].waiting.remove(&(peer.clone(), "ask"));
                let answered = Event::Answered {
                    peer,
                    run,
                    standings,
                };
                self.event(at, answered);
            }
            Message::Tell(claims) => {
                let verdicts = self.judge(at, claims);
                self.send(at, from, Message::Verdicts(verdicts));
            }
            Message::Verdicts(verdicts) => {
                self.nodes[at].waiting.remove(&(peer.clone(), "tell"));
                self.event(at, Event::Told { peer, verdicts });
            }
            Message::WhatOfMine => {
                let taken = self.nodes[at].disk.taken.iter();
                let theirs = taken.filter(|(_, taken)| taken.origin == peer);
                let claims = theirs.map(|(key, taken)| {
                    let is_over = self.own(at, key).0 != Own::Open;
                    (*key, taken.claim.clone(), is_over)
                });
                let claims = claims.collect();
                self.send(at, from, Message::OfYours(claims));
            }
            Message::OfYours(claims) => {
                self.nodes[at].waiting.remove(&(peer.clone(), "mine"));
                self.judge(at, claims);
                self.nodes[at].home.answered(peer);
            }
        }
    }

    pub(super) fn judge(
        &mut self,
        at: usize,
        claims: Vec<(Key, Claim, bool)>,
    ) -> Vec<(Key, Verdict)> {
        let mut verdicts = Vec::new();
        for (key, claim, is_over) in claims {
            let (queue, own) = self.own(at, &key);
            let judged = self.nodes[at]
                .copies
                .judge(&key, queue, &own, &claim, is_over);
            let (verdict, effect) = judged;
            match effect {
                Effect::None => {}
                Effect::HandOver => self.hand_over(at, key, claim),
                Effect::End => self.end(at, key),
                Effect::Follow => self.follow(at, key, claim),
                Effect::Drop => self.drop_copy(at, key),
            }
            verdicts.push((key, verdict));
        }
        verdicts
    }
}
