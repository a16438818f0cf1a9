//! What happens at a node: its machines' events, and what their actions do to the cluster.

use std::time::Duration;

use gateless_core::message::Load;
use gateless_core::name::NodeId;
use gateless_core::{caller, host, owner};

use super::{Node, Step, World, ms};

impl World {
    pub(super) fn step(&mut self, n: usize, step: Step) {
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
            let event = caller::Event::Held(self.revision.clone(), self.load_of(n));
            self.step(n, Step::Caller(event));
        }
    }

    /// Calls and their answers come through, maybe by way of a third.
    fn reaches(&self, n: usize, other: usize) -> bool {
        let hear = |a: usize, b: usize| !self.cut.contains(&(a, b)) && !self.cut.contains(&(b, a));
        let relays = |third: usize| self.nodes[third].alive && !self.is_frozen(third);
        let mut thirds = (0..self.nodes.len()).filter(|third| relays(*third));
        hear(n, other) || thirds.any(|third| hear(n, third) && hear(third, other))
    }

    /// Sends held calls to an instance in sight, if it is really there.
    pub(super) fn serve(&mut self, n: usize) {
        let node = &self.nodes[n];
        let hosts = node.endpoints.iter().flat_map(|endpoints| &endpoints.hosts);
        let ready = |node: &Node| node.alive && node.instances.values().any(|ready| *ready);
        let reachable = hosts.map(|host| &host.node).any(|id| {
            let other = self.index(id);
            ready(&self.nodes[other]) && !self.is_frozen(other) && self.reaches(n, other)
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
        let instances = &mut self.nodes[n].instances;
        let known = match event {
            host::Event::Ready(id) => instances.get_mut(id).map(|ready| *ready = true).is_some(),
            host::Event::Exited { id, .. } => instances.remove(id).is_some(),
            _ => true,
        };
        if !known {
            return;
        }
        self.nodes[n].host.on_event(self.now, event, &mut out);
        for action in out {
            self.host_action(n, action);
        }
        let term = self.nodes[n].host.term(&self.revision);
        assert!(term >= self.nodes[n].term, "terms only rise");
        self.nodes[n].term = term;
        assert!(self.nodes[n].instances.len() <= self.capacity as usize);
        let ready = (0..self.nodes.len()).map(|n| self.ready_at(n)).sum();
        self.fewest = self.fewest.min(ready);
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
                    let end = host::End::Crashed;
                    host::Event::Exited { id, end, message }
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
                let end = host::End::Stopped;
                self.later(
                    n,
                    span,
                    Step::Host(host::Event::Exited { id, end, message }),
                );
            }
            host::Action::Kill { .. } | host::Action::Changed(_) => {}
            host::Action::Report { to, instances } => {
                let from = self.nodes[n].id.clone();
                let event = owner::Event::Instances { from, instances };
                self.send(n, &to, Step::Owner(event));
            }
        }
    }

    fn send(&mut self, from: usize, to: &NodeId, step: Step) {
        let to = self.index(to);
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
}
