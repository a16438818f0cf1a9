//! The cluster and its clock.
//!
//! Links keep the order of messages, as streams do; a lost one stands for a full queue. A node
//! that dies takes its instances along. Checked all the time: capacity, terms that only rise,
//! and deadlines that never make a shell spin.

mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gateless_core::message::{Endpoints, Member};
use gateless_core::name::{InstanceId, NodeId, RevisionName};
use gateless_core::ownership::{self, Term};
use gateless_core::resources::{ByKind, Resources};
use gateless_core::time::Time;
use gateless_core::{caller, host, owner};

use gateless_core::config::{Function, Scaling};
use gateless_core::fixture;

/// A small generator (SplitMix64), so that a seed makes the same world everywhere.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}

enum Step {
    Owner(owner::Event),
    Host(host::Event),
    Caller(caller::Event),
    Arrive(u32),
    Done,
    Sample,
}

struct Node {
    id: NodeId,
    alive: bool,
    /// Nothing of it runs before this; what it is told waits.
    frozen_until: Time,
    /// Instances it is willing to run.
    capacity: u32,
    owner: owner::Owner,
    host: host::Host,
    caller: caller::Caller,
    /// Ready or not.
    instances: BTreeMap<InstanceId, bool>,
    endpoints: Option<Endpoints>,
    held: u32,
    in_flight: u32,
    /// Calls in flight for as long as it says.
    steady: u32,
    term: Term,
}

pub(crate) struct World {
    rng: Rng,
    now: Time,
    seq: u64,
    queue: BTreeMap<(Time, u64), (usize, Step)>,
    /// Last delivery per link, which keeps order.
    links: BTreeMap<(usize, usize), Time>,
    nodes: Vec<Node>,
    capacity: u32,
    cut: BTreeSet<(usize, usize)>,
    revision: RevisionName,
    /// Instances ever started.
    pub(crate) started: u32,
    /// Milliseconds an instance takes to be ready.
    pub(crate) starts: (u64, u64),
    pub(crate) loss_percent: u64,
    pub(crate) crash_percent: u64,
    pub(crate) failure_seen: bool,
    /// Fewest instances ready at a time since it was last set.
    pub(crate) fewest: u32,
}

impl World {
    pub(crate) fn new(seed: u64, nodes: u64, capacity: u32, scaling: Scaling) -> Self {
        Self::of(seed, nodes, capacity, fixture::function("f", scaling))
    }

    /// Whose function is a new one: nobody calls its revision before it has been ready.
    pub(crate) fn of_candidate(seed: u64, nodes: u64, capacity: u32, scaling: Scaling) -> Self {
        let mut function = fixture::function("f", scaling);
        function.traffic.clear();
        function.candidate = Some(function.revisions[0].name.clone());
        Self::of(seed, nodes, capacity, function)
    }

    fn of(seed: u64, nodes: u64, capacity: u32, function: Function) -> Self {
        let function = Arc::new(function);
        let node = |n: u64| {
            let id = NodeId::new(&format!("{n:08x}"));
            Node {
                owner: owner::Owner::new(id.clone(), function.name.clone()),
                host: host::Host::new(
                    id.clone(),
                    Resources::of_host(capacity),
                    Arc::new(ByKind),
                    &format!("{n}"),
                ),
                caller: caller::Caller::new(id.clone()),
                id,
                alive: true,
                frozen_until: Time::ZERO,
                capacity,
                instances: BTreeMap::new(),
                endpoints: None,
                held: 0,
                in_flight: 0,
                steady: 0,
                term: Term::default(),
            }
        };
        let mut world = Self {
            rng: Rng::new(seed ^ 0xabcd),
            now: Time::ZERO,
            seq: 0,
            queue: BTreeMap::new(),
            links: BTreeMap::new(),
            nodes: (0..nodes).map(node).collect(),
            capacity,
            cut: BTreeSet::new(),
            revision: function.revisions[0].name.clone(),
            started: 0,
            starts: (5, 200),
            loss_percent: 0,
            crash_percent: 0,
            failure_seen: false,
            fewest: 0,
        };
        let everyone: Vec<usize> = (0..world.nodes.len()).collect();
        for n in everyone.clone() {
            let at = ms(world.rng.below(100));
            world.later(n, at, Step::Owner(owner::Event::Config(function.clone())));
            world.later(n, at, Step::Host(host::Event::Config(function.clone())));
            world.later(n, at, Step::Caller(caller::Event::Config(function.clone())));
            world.later(n, at, Step::Sample);
            world.tell_members(n, at, &everyone);
        }
        world
    }

    /// Lets so much time pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        let mut at_once = 0;
        loop {
            let step = self.queue.keys().next().map(|(at, _)| *at);
            let tick = self.deadlines().min();
            let Some(next) = step.into_iter().chain(tick).min().filter(|at| *at <= end) else {
                break;
            };
            at_once = if next <= self.now { at_once + 1 } else { 0 };
            assert!(at_once < 20_000, "spinning at {:?}", self.now);
            self.now = self.now.max(next);
            if step.is_some_and(|at| at <= self.now) {
                if let Some(((_, seq), (node, step))) = self.queue.pop_first() {
                    match self.is_frozen(node) {
                        // In the order in which it came.
                        true => drop(
                            self.queue
                                .insert((self.nodes[node].frozen_until, seq), (node, step)),
                        ),
                        false => self.step(node, step),
                    }
                }
            } else {
                self.tick();
            }
        }
        self.now = end;
    }

    pub(crate) fn arrive(&mut self, node: usize, delay: Duration, calls: u32) {
        self.later(node, delay, Step::Arrive(calls));
    }

    /// From now on so many calls are always in flight at this caller.
    pub(crate) fn load(&mut self, node: usize, calls: u32) {
        self.nodes[node].steady = calls;
    }

    pub(crate) fn total_load(&self) -> u32 {
        self.nodes.iter().map(|node| node.steady).sum()
    }

    /// The node everybody takes for the owner.
    pub(crate) fn owner(&self) -> usize {
        let alive = || self.nodes.iter().filter(|node| node.alive);
        let first = ownership::first(self.revision.function(), alive().map(|node| &node.id));
        first.map_or(0, |id| self.index(id))
    }

    /// With `loud`, links break at once; otherwise only the membership finds out.
    pub(crate) fn kill(&mut self, dead: usize, loud: bool) {
        self.nodes[dead].alive = false;
        self.nodes[dead].instances.clear();
        let left: Vec<usize> = (0..self.nodes.len())
            .filter(|n| self.nodes[*n].alive)
            .collect();
        let id = self.nodes[dead].id.clone();
        for &n in &left {
            if loud {
                let at = ms(1 + self.rng.below(5));
                self.later(n, at, Step::Owner(owner::Event::Lost(id.clone())));
                self.later(n, at, Step::Caller(caller::Event::Lost(id.clone())));
            }
            let at = ms(1000 + self.rng.below(2000));
            self.tell_members(n, at, &left);
        }
    }

    /// Nothing of a node runs for so long, its instances neither. The others think it dead after a while and hear of it again
    /// when it goes on; it goes on with what it knew.
    pub(crate) fn freeze(&mut self, frozen: usize, span: Duration) {
        self.nodes[frozen].frozen_until = self.now + span;
        let alive: Vec<usize> = (0..self.nodes.len())
            .filter(|n| self.nodes[*n].alive)
            .collect();
        let left: Vec<usize> = alive.iter().copied().filter(|n| *n != frozen).collect();
        for &n in &left {
            let noticed = ms(1000 + self.rng.below(2000));
            if noticed < span {
                self.tell_members(n, noticed, &left);
            }
            let heard = span + ms(self.rng.below(1000));
            self.tell_members(n, heard, &alive);
        }
    }

    /// From now on nothing that `from` sends comes to `to`, and neither is told. Others pass its gossip on, so everybody
    /// stays a member.
    pub(crate) fn cut_one_way(&mut self, from: usize, to: usize) {
        self.cut.insert((from, to));
    }

    /// The function comes to a node's catalogue only after so long.
    pub(crate) fn learns_late(&mut self, late: usize, span: Duration) {
        let is_config = |step: &Step| {
            matches!(
                step,
                Step::Owner(owner::Event::Config(_))
                    | Step::Host(host::Event::Config(_))
                    | Step::Caller(caller::Event::Config(_))
            )
        };
        let keys = self.queue.iter();
        let keys = keys.filter(|(_, (n, step))| *n == late && is_config(step));
        let keys: Vec<_> = keys.map(|(key, _)| *key).collect();
        for key in keys {
            if let Some(step) = self.queue.remove(&key) {
                self.queue.insert((key.0 + span, key.1), step);
            }
        }
    }

    /// The first `left` nodes and the rest can't reach each other.
    pub(crate) fn split(&mut self, left: usize) {
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        let (a, b) = all.split_at(left);
        for (&a, &b) in a.iter().flat_map(|x| b.iter().map(move |y| (x, y))) {
            self.cut.extend([(a, b), (b, a)]);
        }
        for side in [a, b] {
            for &n in side {
                let at = ms(self.rng.below(3000));
                self.tell_members(n, at, side);
            }
        }
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        for &n in &all {
            let at = ms(self.rng.below(3000));
            self.tell_members(n, at, &all);
            for other in all
                .iter()
                .map(|&m| self.nodes[m].id.clone())
                .collect::<Vec<_>>()
            {
                let at = at + ms(self.rng.below(100));
                self.later(n, at, Step::Owner(owner::Event::Linked(other.clone())));
                self.later(n, at, Step::Host(host::Event::Linked(other.clone())));
                self.later(n, at, Step::Caller(caller::Event::Linked(other)));
            }
        }
    }

    /// The node is willing to run so many instances; with 0 it drains.
    pub(crate) fn set_capacity(&mut self, node: usize, capacity: u32) {
        self.nodes[node].capacity = capacity;
        self.later(
            node,
            ms(0),
            Step::Host(host::Event::Capacity(Resources::of_host(capacity))),
        );
        let all: Vec<usize> = (0..self.nodes.len())
            .filter(|n| self.nodes[*n].alive)
            .collect();
        for &n in &all {
            // Gossip takes a while, and comes to each at another time.
            let at = ms(self.rng.below(1000));
            self.tell_members(n, at, &all);
        }
    }

    /// Instances at a node that take calls.
    pub(crate) fn ready_at(&self, node: usize) -> u32 {
        let ready = self.nodes[node].instances.values().filter(|ready| **ready);
        ready.count() as u32
    }

    /// The same with those on their way, at every node that runs.
    pub(crate) fn supply(&self) -> u32 {
        let running = (0..self.nodes.len()).filter(|n| self.nodes[*n].alive && !self.is_frozen(*n));
        let states = running.flat_map(|n| self.nodes[n].host.instances());
        let alive = states.filter(|i| matches!(i.2, host::State::Ready | host::State::Starting));
        alive.count() as u32
    }

    pub(crate) fn alive(&self) -> u32 {
        let count = |node: &Node| {
            node.host
                .instances()
                .filter(|i| i.2 == host::State::Ready)
                .count()
        };
        let alive = self.nodes.iter().filter(|node| node.alive);
        alive.map(|node| count(node) as u32).sum()
    }

    pub(crate) fn assert_all_served(&self) {
        for node in self.nodes.iter().filter(|node| node.alive) {
            assert_eq!(
                node.held, 0,
                "calls still held at {} at {:?}: {node:#?}",
                node.id, self.now
            );
        }
    }

    pub(crate) fn assert_one_owner(&self) {
        let acting = |node: &&Node| node.alive && node.owner.is_acting();
        let acting: Vec<_> = self.nodes.iter().filter(acting).map(|n| &n.id).collect();
        assert_eq!(acting, [&self.nodes[self.owner()].id]);
    }

    fn index(&self, id: &NodeId) -> usize {
        let found = self.nodes.iter().position(|node| node.id == *id);
        found.unwrap_or_else(|| unreachable!("no node {id}"))
    }

    fn deadlines(&self) -> impl Iterator<Item = Time> + '_ {
        let alive = self.nodes.iter().filter(|node| node.alive);
        alive.flat_map(|node| {
            let all = [
                node.owner.next_deadline(),
                node.host.next_deadline(),
                node.caller.next_deadline(),
            ];
            let all = all.into_iter().flatten();
            all.map(|at| at.max(node.frozen_until))
        })
    }

    fn is_frozen(&self, node: usize) -> bool {
        self.now < self.nodes[node].frozen_until
    }

    fn tick(&mut self) {
        let due = |at: Option<Time>, now| at.is_some_and(|at| at <= now);
        for n in 0..self.nodes.len() {
            let node = &self.nodes[n];
            if !node.alive || self.is_frozen(n) {
                continue;
            }
            let owner = due(node.owner.next_deadline(), self.now);
            let host = due(node.host.next_deadline(), self.now);
            let caller = due(node.caller.next_deadline(), self.now);
            if owner {
                self.step(n, Step::Owner(owner::Event::Tick));
            }
            if host {
                self.step(n, Step::Host(host::Event::Tick));
            }
            if caller {
                self.step(n, Step::Caller(caller::Event::Tick));
            }
        }
    }

    fn tell_members(&mut self, n: usize, delay: Duration, live: &[usize]) {
        let member = |&n: &usize| Member {
            node: self.nodes[n].id.clone(),
            capacity: self.nodes[n].capacity,
        };
        let members: Vec<Member> = live.iter().map(member).collect();
        let known = members
            .iter()
            .map(|m| (m.node.clone(), m.capacity))
            .collect();
        self.later(
            n,
            delay,
            Step::Owner(owner::Event::Members(Arc::new(known))),
        );
        self.later(n, delay, Step::Host(host::Event::Members(members.clone())));
        self.later(n, delay, Step::Caller(caller::Event::Members(members)));
    }

    fn later(&mut self, node: usize, delay: Duration, step: Step) {
        self.seq += 1;
        self.queue
            .insert((self.now + delay, self.seq), (node, step));
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("endpoints", &self.endpoints)
            .field("instances", &self.instances)
            .field("caller", &self.caller)
            .field("host", &self.host)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
