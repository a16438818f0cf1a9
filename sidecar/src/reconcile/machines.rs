//! The core's machines of one node, joined: what one says to the own node, another hears.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use gateless_core::config::{Function, Revision};
use gateless_core::message::{
    Assignment, Endpoints, Load, Member, Members, RevisionDemand, RevisionInstances,
};
use gateless_core::name::{FunctionName, InstanceId, NodeId, RevisionName};
use gateless_core::owner::Owner;
use gateless_core::resources::{Costs, Resources};
use gateless_core::time::Time;
use gateless_core::{caller, host, owner};

/// What the machines want of the world outside this node's control path.
#[derive(Debug)]
pub(super) enum Action {
    Demand(NodeId, RevisionDemand),
    Instances(NodeId, RevisionInstances),
    Endpoints(NodeId, Endpoints),
    Assign(NodeId, Assignment),
    Use(Endpoints),
    Start(InstanceId, Arc<Revision>, u64),
    Drain(InstanceId),
    Stop(InstanceId),
    Kill(InstanceId, Arc<str>),
    /// What the server is told of a revision is another than before.
    Changed(RevisionName),
    Decided(owner::Decision),
}

pub(super) struct Machines {
    node: NodeId,
    members: Vec<Member>,
    /// The same, as owners share it.
    known: Arc<Members>,
    caller: caller::Caller,
    host: host::Host,
    /// Boxed: the tree's nodes have room for more than they hold.
    owners: BTreeMap<FunctionName, Box<Owner>>,
    /// Somebody took or gave up office since it was asked last.
    owned_changed: bool,
    /// Owners' deadlines in order, so that ten thousand idle ones cost nothing.
    due: BTreeSet<(Time, FunctionName)>,
    due_of: BTreeMap<FunctionName, Time>,
    pending: VecDeque<Action>,
}

impl Machines {
    pub(super) fn new(node: NodeId, capacity: u32, costs: Arc<dyn Costs>, id_prefix: &str) -> Self {
        let resources = Resources::of_host(capacity);
        Self {
            caller: caller::Caller::new(node.clone()),
            host: host::Host::new(node.clone(), resources, costs, id_prefix),
            known: Arc::new(Members::from([(node.clone(), capacity)])),
            members: vec![Member {
                node: node.clone(),
                capacity,
            }],
            node,
            owners: BTreeMap::new(),
            owned_changed: false,
            due: BTreeSet::new(),
            due_of: BTreeMap::new(),
            pending: VecDeque::new(),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        let owners = self.due.first().map(|(at, _)| *at);
        [
            owners,
            self.caller.next_deadline(),
            self.host.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(super) fn tick(&mut self, now: Time) {
        if self.caller.next_deadline().is_some_and(|at| at <= now) {
            self.caller(now, &caller::Event::Tick);
        }
        if self.host.next_deadline().is_some_and(|at| at <= now) {
            self.host(now, host::Event::Tick);
        }
        while let Some((at, name)) = self.due.first().cloned() {
            if at > now {
                break;
            }
            self.owner(now, &name, &owner::Event::Tick);
            // A deadline that stays in the past would hold the loop: it comes again at once,
            // but after everybody else.
            if self.due_of.get(&name).is_some_and(|again| *again <= now) {
                break;
            }
        }
    }

    /// The next thing to do outside; what is for this node is heard here.
    pub(super) fn next_action(&mut self, now: Time) -> Option<Action> {
        while let Some(action) = self.pending.pop_front() {
            match action {
                Action::Demand(to, demand) if to == self.node => {
                    let name = demand.revision.function().clone();
                    self.owner(now, &name, &owner::Event::Demand { from: to, demand });
                }
                Action::Instances(to, instances) if to == self.node => {
                    let name = instances.revision.function().clone();
                    self.owner(
                        now,
                        &name,
                        &owner::Event::Instances {
                            from: to,
                            instances,
                        },
                    );
                }
                Action::Endpoints(to, endpoints) if to == self.node => {
                    self.caller(
                        now,
                        &caller::Event::Endpoints {
                            from: to,
                            endpoints,
                        },
                    );
                }
                Action::Assign(to, assignment) if to == self.node => {
                    self.host(
                        now,
                        host::Event::Assigned {
                            from: to,
                            assignment,
                        },
                    );
                }
                outside => return Some(outside),
            }
        }
        None
    }

    pub(super) fn configure(&mut self, now: Time, function: &Arc<Function>) {
        self.host(now, host::Event::Config(function.clone()));
        self.caller(now, &caller::Event::Config(function.clone()));
        if !self.owners.contains_key(&function.name) {
            let owner = Owner::new(self.node.clone(), function.name.clone());
            self.owners.insert(function.name.clone(), Box::new(owner));
            self.owner(
                now,
                &function.name,
                &owner::Event::Members(self.known.clone()),
            );
        }
        self.owner(now, &function.name, &owner::Event::Config(function.clone()));
    }

    pub(super) fn forget(&mut self, now: Time, name: &FunctionName) {
        self.host(now, host::Event::ConfigGone(name.clone()));
        self.caller(now, &caller::Event::ConfigGone(name.clone()));
        self.owner(now, name, &owner::Event::ConfigGone);
        self.owners.remove(name);
        if let Some(at) = self.due_of.remove(name) {
            self.due.remove(&(at, name.clone()));
        }
    }

    pub(super) fn members(&mut self, now: Time, members: Vec<Member>) {
        self.members.clone_from(&members);
        let known = members.iter().map(|m| (m.node.clone(), m.capacity));
        self.known = Arc::new(known.collect());
        self.host(now, host::Event::Members(members.clone()));
        self.caller(now, &caller::Event::Members(members));
        let known = owner::Event::Members(self.known.clone());
        for name in self.owners.keys().cloned().collect::<Vec<_>>() {
            self.owner(now, &name, &known);
        }
    }

    pub(super) fn lost(&mut self, now: Time, node: &NodeId) {
        self.caller(now, &caller::Event::Lost(node.clone()));
        for name in self.owners.keys().cloned().collect::<Vec<_>>() {
            self.owner(now, &name, &owner::Event::Lost(node.clone()));
        }
    }

    /// A peer's link to this node is new: owners tell it everything again.
    pub(super) fn accepted(&mut self, now: Time, node: &NodeId) {
        for name in self.owners.keys().cloned().collect::<Vec<_>>() {
            self.owner(now, &name, &owner::Event::Linked(node.clone()));
        }
    }

    pub(super) fn samples(&mut self, now: Time, samples: Vec<(RevisionName, Load)>) {
        self.caller(now, &caller::Event::Samples(samples));
    }

    pub(super) fn poke(&mut self, now: Time, revision: RevisionName, load: Load) {
        self.caller(now, &caller::Event::Held(revision, load));
    }

    pub(super) fn caller(&mut self, now: Time, event: &caller::Event) {
        let mut out = Vec::new();
        self.caller.on_event(now, event, &mut out);
        for action in out {
            match action {
                caller::Action::Demand { to, demand } => {
                    self.pending.push_back(Action::Demand(to, demand));
                }
                caller::Action::Use(endpoints) => self.pending.push_back(Action::Use(endpoints)),
                caller::Action::Fallback(name) => {
                    tracing::warn!(revision = %name, "no owner answers, starting one here");
                    self.host(now, host::Event::Fallback(name));
                }
            }
        }
    }

    pub(super) fn host(&mut self, now: Time, event: host::Event) {
        let mut out = Vec::new();
        self.host.on_event(now, &event, &mut out);
        self.pending
            .extend(out.into_iter().map(|action| match action {
                host::Action::Start {
                    id,
                    revision,
                    secrets,
                } => Action::Start(id, revision, secrets),
                host::Action::Drain(id) => Action::Drain(id),
                host::Action::Stop(id) => Action::Stop(id),
                host::Action::Kill { id, cause } => Action::Kill(id, cause),
                host::Action::Changed(name) => Action::Changed(name),
                host::Action::Report { to, instances } => Action::Instances(to, instances),
            }));
    }

    pub(super) fn owner(&mut self, now: Time, name: &FunctionName, event: &owner::Event) {
        let Some(owner) = self.owners.get_mut(name) else {
            // Whoever asks has a newer catalogue, and must not wait for this node.
            if let owner::Event::Demand { from, demand } = event
                && let Some(owner::Action::Endpoints { to, endpoints }) =
                    owner::unknown(from, demand)
            {
                self.pending.push_back(Action::Endpoints(to, endpoints));
            }
            return;
        };
        let (mut out, before) = (Vec::new(), owner.is_acting());
        owner.on_event(now, event, &mut out);
        self.owned_changed |= owner.is_acting() != before;
        let deadline = owner.next_deadline();
        if let Some(at) = self.due_of.remove(name) {
            self.due.remove(&(at, name.clone()));
        }
        if let Some(at) = deadline {
            self.due_of.insert(name.clone(), at);
            self.due.insert((at, name.clone()));
        }
        self.pending
            .extend(out.into_iter().map(|action| match action {
                owner::Action::Endpoints { to, endpoints } => Action::Endpoints(to, endpoints),
                owner::Action::Assign { to, assignment } => Action::Assign(to, assignment),
                owner::Action::Decided(decision) => Action::Decided(decision),
            }));
    }

    /// What an instance runs.
    pub(super) fn revision_of(&self, id: &InstanceId) -> Option<RevisionName> {
        self.host.instance(id).map(|(name, _)| name.clone())
    }

    /// The configuration of the revision of an instance that takes calls.
    pub(super) fn config_of(&self, id: &InstanceId) -> Option<&Arc<Revision>> {
        self.host.config_of(id)
    }

    /// The revision of an instance that is starting or ready, so wanted.
    pub(super) fn wanted(&self, id: &InstanceId) -> Option<RevisionName> {
        let (name, state) = self.host.instance(id)?;
        matches!(state, host::State::Starting | host::State::Ready).then(|| name.clone())
    }

    /// How many instances this host may run from now on, and whether containers are among them.
    pub(super) fn set_capacity(&mut self, now: Time, capacity: u32, has_engine: bool) {
        let host = Resources::of_host(capacity);
        let resources = match has_engine {
            true => host.with_container_engine(),
            false => host,
        };
        self.host(now, host::Event::Capacity(resources));
        let mut members = self.members.clone();
        for member in members.iter_mut().filter(|member| member.node == self.node) {
            member.capacity = capacity;
        }
        self.members(now, members);
    }

    /// Functions this node speaks for, in order, if they changed since this was asked last.
    pub(super) fn newly_owned(&mut self) -> Option<impl Iterator<Item = &FunctionName>> {
        let changed = std::mem::take(&mut self.owned_changed);
        let acting = self.owners.iter().filter(|(_, owner)| owner.is_acting());
        changed.then(|| acting.map(|(name, _)| name))
    }

    /// Whether this node speaks for it.
    pub(super) fn owns(&self, name: &FunctionName) -> bool {
        self.owners.get(name).is_some_and(|owner| owner.is_acting())
    }

    pub(super) fn host_machine(&self) -> &host::Host {
        &self.host
    }

    /// Instances wanted of what this node owns.
    pub(super) fn desired(&self) -> impl Iterator<Item = (&RevisionName, u32)> {
        let acting = self.owners.values().filter(|owner| owner.is_acting());
        acting
            .flat_map(|owner| owner.decisions())
            .map(|decision| (&decision.revision, decision.desired))
    }
}
