//! What a host does in a step: it takes calls in, waits, comes home and delivers.

use super::*;

impl World {
    pub(super) fn accept(&mut self, at: usize) {
        let mut key = [0; 16];
        key[8..].copy_from_slice(&self.next_key.to_be_bytes());
        self.next_key += 1;
        let copies = u32::try_from(1 + self.random(3)).unwrap();
        let live = self.live(at);
        let node = &mut self.nodes[at];
        let wanted = wanted(copies, live.len() + 1);
        let order = keys::order(&key, &live);
        let placing = Placing::new(order, &node.id, wanted, |_| false);
        let claim = Claim {
            epoch: 0,
            node: node.id.clone(),
            run: node.disk.run,
        };
        let row = Row {
            claim,
            origin: node.id.clone(),
            holders: Arc::from([]),
            over: false,
            accepted: self.now,
            begun: false,
        };
        let accepting = Accepting {
            row,
            placing,
            waits_for: BTreeSet::new(),
            until: Time::ZERO,
        };
        node.accepting.insert(key, accepting);
        self.place(at, key);
    }

    pub(super) fn place(&mut self, at: usize, key: Key) {
        let now = self.now;
        let accepting = self.nodes[at].accepting.get_mut(&key).unwrap();
        let next = accepting.placing.to_ask();
        accepting.until = now + TIMEOUT;
        accepting.waits_for.extend(next.iter().cloned());
        let held = Held {
            owner: accepting.row.claim.clone(),
            origin: accepting.row.origin.clone(),
            holders: accepting.placing.holders().into(),
        };
        let is_through = accepting.waits_for.is_empty();
        for to in next {
            let to = self.at(&to);
            self.send(at, to, Message::Hold(key, held.clone()));
        }
        if is_through {
            let node = &mut self.nodes[at];
            let accepting = node.accepting.remove(&key).unwrap();
            let mut had = vec![(node.id.clone(), node.disk.run)];
            node.disk.queue.insert(key, accepting.row);
            let others = self.nodes.iter();
            let others = others.filter(|other| other.disk.copies.contains_key(&key));
            had.extend(others.map(|other| (other.id.clone(), other.disk.run)));
            self.accepted.insert(key, had);
        }
    }

    pub(super) fn receive(&mut self, at: usize) {
        let now = self.now;
        let (mine, rest) = std::mem::take(&mut self.flying)
            .into_iter()
            .partition(|(due, _, to, _)| *to == at && *due <= now);
        self.flying = rest;
        let mine: Vec<_> = mine;
        for (_, from, _, message) in mine {
            self.handle(at, from, message);
        }
    }

    pub(super) fn time_out(&mut self, at: usize) {
        let now = self.now;
        let node = &mut self.nodes[at];
        let late = node.waiting.extract_if(.., |_, until| *until <= now);
        let late: Vec<_> = late.map(|(question, _)| question).collect();
        for (peer, kind) in late {
            match kind {
                "ask" => self.event(at, Event::Unanswered(peer)),
                "tell" => self.event(at, Event::Untold(peer)),
                _ => {}
            }
        }
        let late = self.nodes[at].accepting.iter_mut();
        let late = late.filter(|(_, accepting)| accepting.until <= now);
        let late = late.map(|(key, accepting)| {
            let silent = std::mem::take(&mut accepting.waits_for);
            silent
                .iter()
                .for_each(|_| accepting.placing.answered(false));
            *key
        });
        for key in late.collect::<Vec<_>>() {
            self.place(at, key);
        }
    }

    pub(super) fn come_home(&mut self, at: usize) {
        let live = self.live(at);
        for peer in self.nodes[at].home.to_ask(&live) {
            let question = (peer.clone(), "mine");
            if !self.nodes[at].waiting.contains_key(&question) {
                let until = self.now + Duration::from_secs(1);
                self.nodes[at].waiting.insert(question, until);
                let to = self.at(&peer);
                self.send(at, to, Message::WhatOfMine);
            }
        }
    }

    pub(super) fn deliver(&mut self, at: usize) {
        let (now, live) = (self.now, self.live(at));
        let node = &mut self.nodes[at];
        let (may, back) = (node.home.is_over(&live, now), node.back);
        let due = node.disk.queue.iter().filter(|(key, row)| {
            !row.over && (may || row.accepted >= back) && !node.running.contains_key(*key)
        });
        for key in due.map(|(key, _)| *key).collect::<Vec<_>>() {
            if !self.chance(30) {
                continue;
            }
            let takes = Duration::from_millis(self.random(3_000));
            let copied_unbegun = {
                let others = self.nodes.iter().enumerate();
                let mut rows = others.filter_map(|(other, node)| {
                    (other != at).then(|| node.disk.queue.get(&key)).flatten()
                });
                !rows.any(|row| row.begun)
            };
            let row = self.nodes[at].disk.queue.get_mut(&key).unwrap();
            let (epoch, was_begun) = (row.claim.epoch, row.begun);
            row.begun = true;
            let seen = self.delivered.entry(key).or_default();
            *seen += 1;
            if *seen > 1 && copied_unbegun && !was_begun && epoch == 0 {
                self.again_unbegun += 1;
            }
            self.nodes[at].running.insert(key, (epoch, now + takes));
        }
        let node = &mut self.nodes[at];
        let ended = node.running.extract_if(.., |_, (_, until)| *until <= now);
        for (key, (epoch, _)) in ended.collect::<Vec<_>>() {
            // What was handed over meanwhile is not settled by its former owner.
            if let Some(row) = node.disk.queue.get_mut(&key)
                && row.claim.epoch == epoch
            {
                row.over = true;
            }
        }
    }
}
