//! The hosts, what lies between them, and what is known of every call.

mod answers;
mod disk;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gateless_core::copies::{
    Action, Claim, Copies, Effect, Event, Held, Homecoming, Key, Own, Placing, Standing,
    TAKEOVER_AFTER, Taken, Verdict, wanted,
};
use gateless_core::keys;
use gateless_core::name::NodeId;
use gateless_core::time::Time;

const STEP: Duration = Duration::from_millis(100);
const NODES: usize = 5;
const TIMEOUT: Duration = Duration::from_secs(2);

/// What goes wrong, each in thousandths of a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    pub(crate) loss: u64,
    pub(crate) cut: u64,
    pub(crate) freeze: u64,
    pub(crate) crash: u64,
    pub(crate) wipe: u64,
    pub(crate) lose_one: bool,
}

impl Faults {
    pub(crate) const NONE: Self = Self {
        loss: 0,
        cut: 0,
        freeze: 0,
        crash: 0,
        wipe: 0,
        lose_one: false,
    };
    pub(crate) const ALL: Self = Self {
        loss: 50,
        cut: 3,
        freeze: 2,
        crash: 3,
        wipe: 1,
        lose_one: true,
    };
    pub(crate) const LOSS_OF_ONE: Self = Self {
        lose_one: true,
        ..Self::NONE
    };
    pub(crate) const FREEZES: Self = Self {
        freeze: 5,
        ..Self::NONE
    };
}

/// A call of a queue.
#[derive(Debug, Clone)]
struct Row {
    claim: Claim,
    origin: NodeId,
    holders: Arc<[NodeId]>,
    over: bool,
    accepted: Time,
    /// An attempt of it was begun here.
    begun: bool,
}

#[derive(Default)]
struct Disk {
    run: u64,
    queue: BTreeMap<Key, Row>,
    copies: BTreeMap<Key, Held>,
    taken: BTreeMap<Key, Taken>,
}

struct Accepting {
    row: Row,
    placing: Placing,
    waits_for: BTreeSet<NodeId>,
    until: Time,
}

struct Node {
    id: NodeId,
    disk: Disk,
    copies: Copies,
    home: Homecoming,
    back: Time,
    up: bool,
    lost: bool,
    down_until: Time,
    frozen_until: Time,
    accepting: BTreeMap<Key, Accepting>,
    /// Attempts under way, and when they end.
    running: BTreeMap<Key, (u64, Time)>,
    /// Questions that wait for an answer.
    waiting: BTreeMap<(NodeId, &'static str), Time>,
}

#[derive(Debug, Clone)]
enum Message {
    Hold(Key, Held),
    HoldAnswer(Key),
    Ask(Vec<Key>),
    Standings(u64, Vec<(Key, Standing)>),
    Tell(Vec<(Key, Claim, bool)>),
    Verdicts(Vec<(Key, Verdict)>),
    WhatOfMine,
    OfYours(Vec<(Key, Claim, bool)>),
}

pub(crate) struct World {
    seed: u64,
    random: u64,
    faults: Faults,
    now: Time,
    next_key: u64,
    next_run: u64,
    nodes: Vec<Node>,
    removed: BTreeSet<NodeId>,
    /// From, to; until then.
    cuts: BTreeMap<(usize, usize), Time>,
    flying: Vec<(Time, usize, usize, Message)>,
    /// Who had it on disk when it was answered, and in which run.
    accepted: BTreeMap<Key, Vec<(NodeId, u64)>>,
    delivered: BTreeMap<Key, u32>,
    /// Delivered again though it had not been begun where it was given up.
    again_unbegun: u32,
    taken_on: u32,
}

impl World {
    pub(crate) fn new(seed: u64, faults: Faults) -> Self {
        let mut world = Self {
            seed,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            faults,
            now: Time::from_millis(1_000),
            next_key: 1,
            next_run: 1,
            nodes: Vec::new(),
            removed: BTreeSet::new(),
            cuts: BTreeMap::new(),
            flying: Vec::new(),
            accepted: BTreeMap::new(),
            delivered: BTreeMap::new(),
            again_unbegun: 0,
            taken_on: 0,
        };
        for at in 0..NODES {
            let id = NodeId::new(&format!("{at:08x}"));
            let run = world.new_run();
            let disk = Disk {
                run,
                ..Disk::default()
            };
            let node = Node {
                copies: Copies::new(id.clone(), run, TAKEOVER_AFTER, world.now),
                home: Homecoming::new(TAKEOVER_AFTER, world.now),
                back: world.now,
                id,
                disk,
                up: true,
                lost: false,
                down_until: Time::ZERO,
                frozen_until: Time::ZERO,
                accepting: BTreeMap::new(),
                running: BTreeMap::new(),
                waiting: BTreeMap::new(),
            };
            world.nodes.push(node);
        }
        world
    }

    fn new_run(&mut self) -> u64 {
        self.next_run += 1;
        self.next_run
    }

    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below.max(1)
    }

    fn chance(&mut self, thousandths: u64) -> bool {
        self.random(1_000) < thousandths
    }

    fn at(&self, id: &NodeId) -> usize {
        self.nodes.iter().position(|node| node.id == *id).unwrap()
    }

    fn runs(&self, at: usize) -> bool {
        self.nodes[at].up && self.nodes[at].frozen_until <= self.now
    }

    /// Two minutes of faults, while calls come in.
    pub(crate) fn run(&mut self) {
        for step in 0..1_800 {
            if step < 1_200 {
                self.break_something(step);
                if self.chance(300) {
                    let at = usize::try_from(self.random(NODES as u64)).unwrap();
                    if self.runs(at) {
                        self.accept(at);
                    }
                }
            }
            self.step();
        }
    }

    /// Nothing goes wrong any more; what is down comes back, but for what is lost.
    pub(crate) fn heal(&mut self) {
        self.cuts.clear();
        self.faults = Faults::NONE;
        for node in &mut self.nodes {
            node.frozen_until = node.frozen_until.min(self.now);
            node.down_until = node.down_until.min(self.now);
        }
        if self.chance(500) {
            let lost = self.nodes.iter().filter(|node| node.lost);
            self.removed.extend(lost.map(|node| node.id.clone()));
        }
        for _ in 0..2_400 {
            self.step();
        }
    }

    fn break_something(&mut self, step: u32) {
        let faults = self.faults;
        let at = usize::try_from(self.random(NODES as u64)).unwrap();
        if self.chance(faults.cut) {
            let to = usize::try_from(self.random(NODES as u64)).unwrap();
            let until = self.now + Duration::from_secs(5 + self.random(60));
            self.cuts.insert((at, to), until);
            if self.chance(500) {
                self.cuts.insert((to, at), until);
            }
        }
        if self.chance(faults.freeze) {
            self.nodes[at].frozen_until = self.now + Duration::from_secs(1 + self.random(60));
        }
        let is_wiped = self.chance(faults.wipe);
        if (is_wiped || self.chance(faults.crash)) && self.nodes[at].up {
            self.crash(at);
            if is_wiped {
                let run = self.new_run();
                self.nodes[at].disk = Disk {
                    run,
                    ..Disk::default()
                };
            }
        }
        if faults.lose_one && step == 600 {
            let at = usize::try_from(self.seed).unwrap() % NODES;
            self.crash(at);
            let run = self.new_run();
            let node = &mut self.nodes[at];
            (node.lost, node.down_until) = (true, Time::MAX);
            node.disk = Disk {
                run,
                ..Disk::default()
            };
        }
    }

    fn crash(&mut self, at: usize) {
        let down = Duration::from_secs(self.random(70));
        let until = self.now + down;
        let node = &mut self.nodes[at];
        node.up = false;
        node.down_until = node.down_until.max(until);
        node.accepting.clear();
        node.running.clear();
        node.waiting.clear();
        self.flying.retain(|(_, _, to, _)| *to != at);
    }

    fn start(&mut self, at: usize) {
        let now = self.now;
        let node = &mut self.nodes[at];
        (node.up, node.back) = (true, now);
        node.home = Homecoming::new(TAKEOVER_AFTER, now);
        node.copies = Copies::new(node.id.clone(), node.disk.run, TAKEOVER_AFTER, now);
        let held = node.disk.copies.clone().into_iter();
        let taken = node.disk.taken.clone().into_iter();
        let events = held.map(|(key, held)| Event::Held(key, held));
        let events = events.chain(taken.map(|(key, taken)| Event::TakenOn(key, taken)));
        for event in events {
            node.copies.on_event(now, event, &mut Vec::new());
        }
    }

    /// Who seems to live, as gossip says.
    fn live(&self, at: usize) -> BTreeSet<NodeId> {
        let others = self.nodes.iter().enumerate().filter(|(other, node)| {
            let is_frozen = node.frozen_until > self.now + Duration::from_secs(3);
            let is_cut = self.cuts.contains_key(&(*other, at));
            *other != at && node.up && !is_frozen && !is_cut
        });
        others.map(|(_, node)| node.id.clone()).collect()
    }

    fn send(&mut self, from: usize, to: usize, message: Message) {
        let loss = self.faults.loss;
        if self.chance(loss) || self.cuts.contains_key(&(from, to)) {
            return;
        }
        let at = self.now + Duration::from_millis(self.random(300));
        self.flying.push((at, from, to, message));
    }

    fn step(&mut self) {
        self.now += STEP;
        let now = self.now;
        self.cuts.retain(|_, until| *until > now);
        for at in 0..NODES {
            if !self.nodes[at].up && self.nodes[at].down_until <= now {
                self.start(at);
            }
            if !self.runs(at) {
                continue;
            }
            if self.nodes[at].home.look(now) {
                self.nodes[at].back = now;
            }
            let live = self.live(at);
            let removed = self.removed.clone();
            self.event(at, Event::Members { live, removed });
            self.receive(at);
            self.time_out(at);
            let due = self.nodes[at].copies.next_deadline();
            if due.is_some_and(|due| due <= now) {
                self.event(at, Event::Tick);
            }
            self.come_home(at);
            self.deliver(at);
        }
    }

    pub(crate) fn check(&self) {
        let seed = self.seed;
        let survives = |(id, run): &(NodeId, u64)| {
            let node = &self.nodes[self.at(id)];
            !node.lost && node.disk.run == *run
        };
        for (key, had) in &self.accepted {
            let is_safe = had.iter().any(survives);
            let seen = self.delivered.contains_key(key);
            assert!(seen || !is_safe, "seed {seed}: {key:?} of {had:?} is lost");
        }
        for node in &self.nodes {
            for (key, row) in &node.disk.queue {
                let seen = self.delivered.contains_key(key);
                assert!(row.over && seen, "seed {seed}: {key:?} {row:?}");
            }
            let left = node.disk.copies.iter().next();
            assert!(
                left.is_none(),
                "seed {seed}: {} still holds {left:?}",
                node.id
            );
            assert!(node.copies.is_empty(), "seed {seed}");
        }
        assert!(self.accepted.len() > 50, "seed {seed} tests nothing");
    }

    pub(crate) fn duplicates(&self) -> u32 {
        self.delivered.values().map(|times| times - 1).sum()
    }

    /// Calls that their first home delivered although another had taken them on, and it had not begun them before.
    pub(crate) fn duplicates_but_begun(&self) -> u32 {
        self.again_unbegun
    }

    pub(crate) fn taken_on(&self) -> u32 {
        self.taken_on
    }
}
