//! A simulated cluster of trigger machines: clocks, messages, deaths, and who fired what.

mod clock;
mod missed;
mod overlap;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::name::NodeId;
use crate::ownership;

/// Every so many seconds.
#[derive(Debug)]
struct Every(u64);

/// The same as a list of fixed times.
#[derive(Debug)]
struct Fixed(Every);

impl Schedule for Fixed {
    fn next_after(&self, after: Time) -> Option<Time> {
        self.0.next_after(after)
    }

    fn latest(&self, until: Time) -> Option<Time> {
        self.0.latest(until)
    }

    fn is_fixed(&self) -> bool {
        true
    }
}

impl Schedule for Every {
    fn next_after(&self, after: Time) -> Option<Time> {
        Some(at((after.as_nanos() / 1_000_000_000 / self.0 + 1) * self.0))
    }

    fn latest(&self, until: Time) -> Option<Time> {
        Some(at(until.as_nanos() / 1_000_000_000 / self.0 * self.0))
    }

    fn is_fixed(&self) -> bool {
        false
    }
}

const fn at(secs: u64) -> Time {
    Time::from_millis(secs * 1000)
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn cron(uid: &str, every: u64, since: Time) -> Cron {
    Cron {
        uid: uid.into(),
        name: TriggerName::new("default", uid).unwrap(),
        schedule: Arc::new(Every(every)),
        catch_up: CatchUp::Last(secs(86_400)),
        overlap: Overlap::Allow,
        since,
        paused: false,
    }
}

struct Node {
    machine: Machine,
    inbox: Vec<(Time, Event)>,
    disk: BTreeMap<Uid, Known>,
}

/// Real time, and what each clock is off by, in seconds.
struct World {
    now: Time,
    skew: i64,
    nodes: BTreeMap<usize, Node>,
    /// Who asked about what, by ticket.
    asks: Vec<(usize, Vec<Uid>)>,
    crons: Vec<Cron>,
    fired: Vec<(usize, Uid, Time)>,
    /// Of calls that the queue did not have yet, in order.
    keys: Vec<(Uid, String)>,
    /// When each is over.
    calls: BTreeMap<CallRef, Time>,
    /// Of a call.
    takes: Duration,
    skipped: Vec<(Uid, Time)>,
    passed: Vec<(Uid, Time)>,
    /// Of a message, and from a death to everybody's knowing.
    delay: Duration,
    detection: Duration,
    /// Firings fail while set.
    broken: bool,
}

fn id(node: usize) -> NodeId {
    NodeId::new(&format!("{node:08x}"))
}

impl World {
    fn new(nodes: usize, crons: Vec<Cron>) -> Self {
        let mut world = Self {
            now: at(1_000_000),
            skew: 0,
            nodes: BTreeMap::new(),
            asks: Vec::new(),
            crons,
            fired: Vec::new(),
            keys: Vec::new(),
            calls: BTreeMap::new(),
            takes: Duration::ZERO,
            skipped: Vec::new(),
            passed: Vec::new(),
            delay: Duration::from_millis(20),
            detection: secs(4),
            broken: false,
        };
        (0..nodes).for_each(|node| world.join(node, BTreeMap::new()));
        world
    }

    fn clock(&self) -> Time {
        let skew = secs(self.skew.unsigned_abs());
        if self.skew < 0 {
            self.now - skew
        } else {
            self.now + skew
        }
    }

    fn join(&mut self, node: usize, disk: BTreeMap<Uid, Known>) {
        let machine = Machine::new(id(node), self.clock());
        let inbox = vec![
            (self.now, Event::Learned(disk.clone().into_iter().collect())),
            (self.now, Event::Set(self.crons.clone())),
        ];
        let new = Node {
            machine,
            inbox,
            disk,
        };
        self.nodes.insert(node, new);
        self.tell_members(Duration::from_millis(300));
    }

    fn tell_members(&mut self, after: Duration) {
        let members: Vec<NodeId> = self.nodes.keys().map(|n| id(*n)).collect();
        for node in self.nodes.values_mut() {
            let told = Event::Members(members.clone());
            node.inbox.push((self.now + after, told));
        }
    }

    fn kill(&mut self, node: usize) -> BTreeMap<Uid, Known> {
        let dead = self.nodes.remove(&node).unwrap();
        self.tell_members(self.detection);
        dead.disk
    }

    fn set(&mut self, crons: Vec<Cron>) {
        self.crons = crons;
        for node in self.nodes.values_mut() {
            node.inbox.push((self.now, Event::Set(self.crons.clone())));
        }
    }

    fn owner(&self, name: &str) -> usize {
        let name = TriggerName::new("default", name).unwrap();
        let nodes: Vec<NodeId> = self.nodes.keys().map(|n| id(*n)).collect();
        let first = ownership::first(name.key(), &nodes).unwrap();
        *self.nodes.keys().find(|n| id(**n) == *first).unwrap()
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.now += Duration::from_millis(10);
            let names: Vec<usize> = self.nodes.keys().copied().collect();
            for name in names {
                self.step(name);
            }
        }
    }

    fn step(&mut self, name: usize) {
        let (now, clock) = (self.now, self.clock());
        let node = self.nodes.get_mut(&name).unwrap();
        let due = node.inbox.extract_if(.., |(when, _)| *when <= now);
        let mut events: Vec<Event> = due.map(|(_, event)| event).collect();
        let second = now.as_nanos() % 1_000_000_000 == 0;
        if second || node.machine.next_deadline().is_some_and(|at| at <= clock) {
            events.push(Event::Tick);
        }
        let mut out = Vec::new();
        for event in events {
            node.machine.on_event(clock, &event, &mut out);
        }
        if second {
            node.disk = node.machine.levels().collect();
        }
        for action in out {
            self.carry_out(name, action);
        }
    }

    fn send(&mut self, to: &NodeId, event: Event) -> bool {
        let later = self.now + self.delay;
        let node = self.nodes.iter_mut().find(|(n, _)| id(**n) == *to);
        node.map(|(_, node)| node.inbox.push((later, event)))
            .is_some()
    }

    fn carry_out(&mut self, name: usize, action: Action) {
        match action {
            Action::Fire {
                uid,
                at,
                again,
                after,
            } => {
                let runs = |call: &CallRef| self.calls.get(call).is_some_and(|end| *end > self.now);
                let busy = after.as_ref().is_some_and(runs);
                if !self.broken && !busy {
                    let key = (uid.clone(), Cron::idempotency_key(&uid, at, again));
                    if !self.keys.contains(&key) {
                        self.keys.push(key);
                    }
                    self.fired.push((name, uid.clone(), at));
                }
                let outcome = match (self.broken, busy) {
                    (true, _) => Outcome::Failed,
                    (_, true) => Outcome::Busy,
                    (false, false) => {
                        let call: CallRef = format!("{uid}-{}", self.calls.len()).into();
                        self.calls.insert(call.clone(), self.now + self.takes);
                        Outcome::Settled(Some(call))
                    }
                };
                self.send(&id(name), Event::Fired { uid, at, outcome });
            }
            Action::Skipped { uid, at } => self.skipped.push((uid, at)),
            Action::Passed { uid, at } => self.passed.push((uid, at)),
            Action::Ask { to, levels } => {
                let asked: Vec<Uid> = levels.iter().map(|(uid, _)| uid.clone()).collect();
                let ticket = self.asks.len() as Ticket;
                let by = id(name);
                let claim = Event::Claimed { ticket, by, levels };
                if self.send(&to, claim) {
                    self.asks.push((name, asked));
                } else {
                    let (from, levels) = (to, Vec::new());
                    let answer = Event::Answered {
                        from,
                        asked,
                        levels,
                    };
                    self.send(&id(name), answer);
                }
            }
            Action::Answer { ticket, levels } => {
                let (asker, asked) = &self.asks[ticket as usize];
                let (asker, asked, from) = (id(*asker), asked.clone(), id(name));
                self.send(
                    &asker,
                    Event::Answered {
                        from,
                        asked,
                        levels,
                    },
                );
            }
            Action::Share { to, levels } => {
                let uids = levels.iter().map(|(uid, _)| uid.clone()).collect();
                if !self.send(&to, Event::Learned(levels)) {
                    self.send(&id(name), Event::ShareFailed { to, uids });
                }
            }
        }
    }

    fn keys(&self, uid: &str) -> Vec<String> {
        let of = self.keys.iter().filter(|(u, _)| **u == *uid);
        of.map(|(_, key)| key.clone()).collect()
    }

    fn times(&self, uid: &str) -> Vec<Time> {
        let of = self.fired.iter().filter(|(_, u, _)| **u == *uid);
        of.map(|(_, _, at)| *at).collect()
    }

    /// Every multiple of `every` in the range was fired, and none twice.
    fn exactly_once(&self, uid: &str, every: u64, from: Time, to: Time) {
        let mut times = self.times(uid);
        times.retain(|t| *t > from && *t <= to);
        let mut sorted = times.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), times.len(), "{uid} fired twice: {times:?}");
        let mut next = Every(every).next_after(from);
        for time in sorted {
            assert_eq!(Some(time), next, "{uid} left one out");
            next = Every(every).next_after(time);
        }
        assert!(next > Some(to), "{uid} stopped before {next:?}");
    }
}

const T0: Time = at(1_000_000);

#[test]
fn each_time_is_fired_once_by_one_sidecar() {
    let crons = (0..20).map(|n| cron(&format!("t{n}"), 1 + n % 7, T0));
    let mut world = World::new(5, crons.collect());
    world.run(secs(60));
    for n in 0..20 {
        world.exactly_once(&format!("t{n}"), 1 + n % 7, T0, T0 + secs(59));
    }
    let nodes: BTreeSet<usize> = world.fired.iter().map(|(node, ..)| *node).collect();
    assert!(nodes.len() > 2, "{nodes:?}");
}

#[test]
fn sidecars_that_join_take_over_without_a_gap_or_a_double() {
    let crons = (0..20).map(|n| cron(&format!("t{n}"), 1, T0));
    let mut world = World::new(1, crons.collect());
    for node in 1..5 {
        world.run(secs(10));
        world.join(node, BTreeMap::new());
    }
    world.run(secs(20));
    for n in 0..20 {
        world.exactly_once(&format!("t{n}"), 1, T0, T0 + secs(59));
    }
}

#[test]
fn another_goes_on_when_the_owner_is_killed() {
    for seed in 0..30 {
        let uid = format!("t{seed}");
        let mut world = World::new(4, vec![cron(&uid, 1, T0)]);
        world.run(secs(10) + Duration::from_millis(37 * seed));
        let owner = world.owner(&uid);
        world.kill(owner);
        let died = world.now;
        world.run(secs(20));
        let mut times = world.times(&uid);
        times.sort();
        let doubles = times.windows(2).filter(|w| w[0] == w[1]);
        let doubles: Vec<_> = doubles.map(|w| w[0]).collect();
        // Only what it could not tell any more.
        let untold = |t: &Time| died.since(*t) <= Duration::from_millis(40);
        assert!(doubles.iter().all(untold), "{doubles:?} at {died:?}");
        times.dedup();
        world.fired = times.iter().map(|t| (0, uid.as_str().into(), *t)).collect();
        world.exactly_once(&uid, 1, T0, died + secs(18));
    }
}

#[test]
fn rare_trigger_is_not_fired_again_when_everybody_who_saw_it_is_replaced() {
    let mut world = World::new(3, vec![cron("daily", 86_400, T0)]);
    world.now = at(86_400 * 12 - 10);
    world.run(secs(20));
    let count = world.times("daily").len();
    for round in 0..5 {
        world.join(10 + round, BTreeMap::new());
        world.run(secs(10));
        let owner = world.owner("daily");
        world.kill(owner);
        world.run(secs(10));
    }
    assert_eq!(world.times("daily").len(), count);
}

#[test]
fn failed_firing_is_tried_again() {
    let mut world = World::new(1, vec![cron("t", 5, T0)]);
    world.broken = true;
    world.run(secs(9));
    world.broken = false;
    world.run(secs(20));
    world.exactly_once("t", 5, T0, world.now - secs(1));
}

#[test]
fn changed_schedule_begins_with_its_change() {
    let mut world = World::new(2, vec![cron("t", 3600, T0)]);
    world.run(secs(30));
    let changed = world.now;
    world.set(vec![cron("t", 7, changed)]);
    world.run(secs(30));
    world.exactly_once("t", 7, changed, world.now - secs(1));
    let mut paused = cron("t", 7, world.now);
    paused.paused = true;
    let count = world.times("t").len();
    world.set(vec![paused]);
    world.run(secs(30));
    assert_eq!(world.times("t").len(), count);
    let again = world.now;
    world.set(vec![cron("t", 7, again)]);
    world.run(secs(30));
    world.exactly_once("t", 7, again, world.now - secs(1));
}

#[test]
fn same_name_and_another_uid_is_another_trigger() {
    let mut world = World::new(2, vec![cron("t", 10, T0)]);
    world.run(secs(30));
    let mut again = cron("t", 10, world.now);
    again.uid = "other".into();
    let since = world.now;
    world.set(vec![again]);
    world.run(secs(30));
    world.exactly_once("other", 10, since, world.now - secs(1));
    assert_eq!(Cron::idempotency_key("other", at(7), None), "cron:other:7");
}
