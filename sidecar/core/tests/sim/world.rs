//! The cluster and its clock.
//!
//! Links keep the order of messages, as streams do; a lost one stands for a full queue. A node
//! that dies takes its instances along. Checked all the time: capacity, terms that only rise,
//! and deadlines that never make a shell spin.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gateless_core::control::{Endpoints, Load, Member};
use gateless_core::name::{InstanceId, NodeId, RevisionName};
use gateless_core::ownership::{self, Term};
use gateless_core::time::Time;
use gateless_core::{caller, host, owner};

use crate::config::{Function, Scaling};
use crate::fixture;

/// SplitMix64.
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
}

impl World {
    pub(crate) fn new(seed: u64, nodes: u64, capacity: u32, scaling: Scaling) -> Self {
        let function: Arc<Function> = Arc::new(fixture::function("f", scaling));
        let node = |n: u64| {
            let id = NodeId::new(&format!("{n:08x}"));
            Node {
                owner: owner::Owner::new(id.clone(), function.name.clone()),
                host: host::Host::new(id.clone(), capacity, &format!("{n}")),
                caller: caller::Caller::new(id.clone()),
                id,
                alive: true,
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
                if let Some(((_, _), (node, step))) = self.queue.pop_first() {
                    self.step(node, step);
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
        self.nodes
            .iter()
            .position(|node| Some(&node.id) == first)
            .unwrap()
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
        }
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

    fn deadlines(&self) -> impl Iterator<Item = Time> + '_ {
        self.nodes
            .iter()
            .filter(|node| node.alive)
            .flat_map(|node| {
                let all = [
                    node.owner.next_deadline(),
                    node.host.next_deadline(),
                    node.caller.next_deadline(),
                ];
                all.into_iter().flatten()
            })
    }

    fn tick(&mut self) {
        let due = |at: Option<Time>, now| at.is_some_and(|at| at <= now);
        for n in 0..self.nodes.len() {
            let node = &self.nodes[n];
            if !node.alive {
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

    fn step(&mut self, n: usize, step: Step) {
        if !self.nodes[n].alive {
            return;
        }
        match step {
            Step::Owner(event) => {
                let mut out = Vec::new();
                self.nodes[n].owner.on_event(self.now, &event, &mut out);
                out.into_iter()
                    .for_each(|action| self.owner_action(n, action));
            }
            Step::Host(event) => self.host_event(n, &event),
            Step::Caller(event) => {
                let mut out = Vec::new();
                self.nodes[n].caller.on_event(self.now, &event, &mut out);
                out.into_iter()
                    .for_each(|action| self.caller_action(n, action));
            }
            Step::Arrive(calls) => {
                self.nodes[n].held += calls;
                self.serve(n);
                self.poke(n);
            }
            Step::Done => self.nodes[n].in_flight -= 1,
            Step::Sample => self.sample(n),
        }
    }

    fn sample(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        let missing = node.steady.saturating_sub(node.in_flight + node.held);
        node.held += missing;
        self.serve(n);
        let load = self.load_of(n);
        let mut samples = vec![(self.revision.clone(), load)];
        samples.retain(|(_, load)| !load.is_zero());
        self.later(n, ms(1000), Step::Sample);
        self.step(n, Step::Caller(caller::Event::Samples(samples)));
    }

    fn load_of(&self, n: usize) -> Load {
        Load {
            concurrency: f64::from(self.nodes[n].in_flight),
            held: self.nodes[n].held,
            ..Load::default()
        }
    }

    fn poke(&mut self, n: usize) {
        if self.nodes[n].held > 0 {
            let event = caller::Event::Poke(self.revision.clone(), self.load_of(n));
            self.step(n, Step::Caller(event));
        }
    }

    /// Sends held calls to an instance in sight, if it is really there.
    fn serve(&mut self, n: usize) {
        let node = &self.nodes[n];
        let hosts = node.endpoints.iter().flat_map(|endpoints| &endpoints.hosts);
        let ready = |node: &Node| node.alive && node.instances.values().any(|ready| *ready);
        let reachable = hosts.map(|host| &host.node).any(|id| {
            let other = self.nodes.iter().position(|node| node.id == *id).unwrap();
            ready(&self.nodes[other]) && !self.cut.contains(&(n, other))
        });
        if !reachable && !ready(node) {
            return;
        }
        let calls = std::mem::take(&mut self.nodes[n].held);
        self.nodes[n].in_flight += calls;
        for _ in 0..calls {
            let longest = if self.nodes[n].steady > 0 { 1000 } else { 300 };
            let span = ms(longest / 2 + self.rng.below(longest / 2));
            self.later(n, span, Step::Done);
        }
    }

    fn owner_action(&mut self, n: usize, action: owner::Action) {
        let from = self.nodes[n].id.clone();
        match action {
            owner::Action::Endpoints { to, endpoints } => {
                let event = caller::Event::Endpoints { from, endpoints };
                self.send(n, &to, Step::Caller(event));
            }
            owner::Action::Assign { to, assignment } => {
                let event = host::Event::Assigned { from, assignment };
                self.send(n, &to, Step::Host(event));
            }
            owner::Action::Decided(decision) => {
                if std::env::var_os("SIM_SEED").is_some() {
                    eprintln!("{:?} {from} {decision:?}", self.now);
                }
            }
        }
    }

    fn caller_action(&mut self, n: usize, action: caller::Action) {
        match action {
            caller::Action::Demand { to, demand } => {
                let from = self.nodes[n].id.clone();
                self.send(n, &to, Step::Owner(owner::Event::Demand { from, demand }));
            }
            caller::Action::Use(endpoints) => {
                self.failure_seen |= endpoints.failure.is_some();
                self.nodes[n].endpoints = Some(endpoints);
                self.serve(n);
            }
            caller::Action::Fallback(revision) => {
                self.host_event(n, &host::Event::Fallback(revision));
            }
        }
    }

    fn host_event(&mut self, n: usize, event: &host::Event) {
        let mut out = Vec::new();
        match event {
            host::Event::Ready(id) => match self.nodes[n].instances.get_mut(id) {
                Some(ready) => *ready = true,
                None => return,
            },
            host::Event::Exited { id, .. } => {
                if self.nodes[n].instances.remove(id).is_none() {
                    return;
                }
            }
            _ => {}
        }
        self.nodes[n].host.on_event(self.now, event, &mut out);
        for action in out {
            self.host_action(n, action);
        }
        let term = self.nodes[n].host.term(&self.revision);
        assert!(term >= self.nodes[n].term, "terms only rise");
        self.nodes[n].term = term;
        assert!(self.nodes[n].instances.len() <= self.capacity as usize);
        self.serve(n);
    }

    fn host_action(&mut self, n: usize, action: host::Action) {
        match action {
            host::Action::Start { id, .. } => {
                self.started += 1;
                self.nodes[n].instances.insert(id.clone(), false);
                let (least, most) = self.starts;
                let span = ms(least + self.rng.below(most - least));
                let event = if self.rng.below(100) < self.crash_percent {
                    let message = "exit code 1".into();
                    host::Event::Exited { id, message }
                } else {
                    host::Event::Ready(id)
                };
                self.later(n, span, Step::Host(event));
            }
            host::Action::Drain(id) => {
                self.nodes[n].instances.insert(id.clone(), false);
                let span = ms(self.rng.below(100));
                self.later(n, span, Step::Host(host::Event::Drained(id)));
            }
            host::Action::Stop(id) => {
                let message = "stopped".into();
                let span = ms(self.rng.below(20));
                self.later(n, span, Step::Host(host::Event::Exited { id, message }));
            }
            host::Action::Report { to, instances } => {
                let from = self.nodes[n].id.clone();
                let event = owner::Event::Instances { from, instances };
                self.send(n, &to, Step::Owner(event));
            }
        }
    }

    fn send(&mut self, from: usize, to: &NodeId, step: Step) {
        let to = self.nodes.iter().position(|node| node.id == *to).unwrap();
        if from == to {
            return self.later(to, Duration::ZERO, step);
        }
        if self.cut.contains(&(from, to)) || self.rng.below(100) < self.loss_percent {
            return;
        }
        let delay = Duration::from_micros(100 + self.rng.below(5000));
        let at = (self.now + delay).max(self.links.get(&(from, to)).copied().unwrap_or_default());
        self.links.insert((from, to), at);
        self.later(to, at.since(self.now), step);
    }

    fn tell_members(&mut self, n: usize, delay: Duration, live: &[usize]) {
        let member = |&n: &usize| Member {
            node: self.nodes[n].id.clone(),
            capacity: self.capacity,
        };
        let members: Vec<Member> = live.iter().map(member).collect();
        self.later(
            n,
            delay,
            Step::Owner(owner::Event::Members(members.clone())),
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
