//! Carries out the machines' actions: messages to peers, endpoints to the registry,
//! instances to the driver.

use std::collections::BTreeSet;
use std::sync::Arc;

use gateless_core::caller;
use gateless_core::config;
use gateless_core::dispatch::Supply;
use gateless_core::message::{Endpoints, Member};
use gateless_core::name::{InstanceId, NodeId};
use gateless_core::{host, owner};
use gateless_proto::v1::{link_down, link_up};
use tokio::sync::mpsc;

use super::machines::{Action, Machines};
use super::{Parts, Reconciler, secrets, wire};
use crate::catalogue::Catalogue;
use crate::clock;
use crate::cluster;
use crate::instance::StartRequest;
use crate::runtime::HostEndpoint;

/// What became of preparing a start.
pub(super) enum Started {
    Go {
        id: InstanceId,
        request: Box<StartRequest>,
    },
    Failed {
        id: InstanceId,
        message: String,
    },
}

pub(super) struct Effects {
    started: mpsc::UnboundedSender<Started>,
    /// Starts whose bundle is still being fetched. Bounded by the host's capacity.
    fetching: BTreeSet<InstanceId>,
    status_changed: bool,
    gateless_url: String,
}

impl Effects {
    pub(super) fn new(parts: &Parts, started: mpsc::UnboundedSender<Started>) -> Self {
        Self {
            started,
            fetching: BTreeSet::new(),
            status_changed: false,
            gateless_url: parts.gateless_url.clone(),
        }
    }

    pub(super) fn changed(&mut self) {
        self.status_changed = true;
    }

    pub(super) fn take_status_changed(&mut self) -> bool {
        std::mem::take(&mut self.status_changed)
    }

    pub(super) fn is_pending(&self, id: &InstanceId) -> bool {
        self.fetching.contains(id)
    }

    pub(super) fn done(&mut self, id: &InstanceId) {
        self.fetching.remove(id);
    }

    pub(super) fn act(
        &mut self,
        parts: &Parts,
        catalogue: &Arc<Catalogue>,
        machines: &mut Machines,
        action: Action,
    ) {
        let peers = &parts.peers;
        tracing::trace!(?action, "control action");
        match action {
            // Without a link a message is lost; the machines repeat it when the link is new.
            Action::Demand(to, demand) => {
                peers.send_up(&to, wire::demand(&demand));
            }
            Action::Instances(to, instances) => {
                peers.send_up(&to, wire::instances(&instances));
                self.status_changed = true;
            }
            Action::Endpoints(to, endpoints) => {
                peers.send_down(&to, wire::endpoints(&endpoints, |node| peers.address(node)));
            }
            Action::Assign(to, assignment) => {
                peers.send_down(&to, wire::assignment(&assignment));
            }
            Action::Use(endpoints) => use_endpoints(parts, endpoints),
            Action::Start(id, revision, version) => {
                self.start(parts, catalogue, id, (revision, version));
            }
            Action::Drain(id) => {
                let name = machines.revision_of(&id);
                parts.observer.instance(&id, name.as_ref(), "draining", "");
                parts.registry.close_local(&id);
            }
            Action::Stop(id) => self.stop(parts, machines, &id),
            Action::Changed(name) => {
                tracing::debug!(revision = %name, "a revision has shown that it works");
                self.status_changed = true;
            }
            Action::Kill(id, cause) => {
                self.status_changed = true;
                parts.drivers.kill(&id, &cause);
            }
            Action::Decided(decision) => {
                tracing::info!(
                    revision = %decision.revision,
                    desired = decision.desired,
                    ready = decision.ready,
                    starting = decision.starting,
                    reason = %decision.reason,
                    "scaling decision"
                );
                parts.observer.decided(&decision);
                self.status_changed = true;
            }
        }
    }

    fn start(
        &mut self,
        parts: &Parts,
        catalogue: &Arc<Catalogue>,
        id: InstanceId,
        (revision, secrets_version): (Arc<config::Revision>, u64),
    ) {
        self.status_changed = true;
        parts
            .observer
            .instance(&id, Some(&revision.name), "starting", "");
        self.fetching.insert(id.clone());
        let secrets = match secrets::resolve(catalogue, &revision) {
            Ok(secrets) => secrets,
            Err(message) => {
                self.started.send(Started::Failed { id, message }).ok();
                return;
            }
        };
        let mut request = StartRequest {
            id: id.clone(),
            secrets,
            secrets_version,
            bundle: None,
            gateless_url: self.gateless_url.clone(),
            revision: revision.clone(),
        };
        let Some(sha256) = revision.runtime.artifact().map(str::to_owned) else {
            // The common case stays in this turn: no task, no wake-up.
            self.fetching.remove(&id);
            parts.drivers.start(request);
            return;
        };
        if let Some(path) = parts.control.artifact_here(&sha256) {
            // It was fetched ahead: no task either.
            self.fetching.remove(&id);
            request.bundle = Some(path);
            parts.drivers.start(request);
            return;
        }
        let control = parts.control.clone();
        let started = self.started.clone();
        tokio::spawn(async move {
            let done = match control.fetch_artifact(&sha256).await {
                Ok(path) => {
                    request.bundle = Some(path);
                    Started::Go {
                        id,
                        request: Box::new(request),
                    }
                }
                Err(error) => Started::Failed {
                    id,
                    message: error.to_string(),
                },
            };
            started.send(done).ok();
        });
    }

    fn stop(&mut self, parts: &Parts, machines: &mut Machines, id: &InstanceId) {
        self.status_changed = true;
        if self.fetching.remove(id) {
            let message = "stopped before it was started".into();
            machines.host(
                clock::now(),
                host::Event::Exited {
                    id: id.clone(),
                    end: host::End::Stopped,
                    message,
                },
            );
        } else {
            parts.drivers.stop(id);
        }
    }
}

fn use_endpoints(parts: &Parts, endpoints: Endpoints) {
    let hosts = endpoints.hosts.into_iter().filter_map(|host| {
        let peer_address = if host.node == *parts.registry.node() {
            String::new()
        } else {
            parts.peers.address(&host.node)?
        };
        Some(HostEndpoint {
            node: host.node,
            peer_address,
            ready: host.ready,
        })
    });
    let supply = Supply {
        starting: endpoints.starting,
        desired: endpoints.desired,
        failure: endpoints.failure,
    };
    parts
        .registry
        .set_endpoints(&endpoints.revision, hosts.collect(), supply);
}

impl Reconciler {
    pub(super) fn peer(&mut self, event: cluster::Event) {
        let now = clock::now();
        tracing::trace!(?event, "from a peer");
        match event {
            cluster::Event::Members(members) => self.members(members),
            cluster::Event::LinkUp(node) => {
                self.machines
                    .caller(now, &caller::Event::Linked(node.clone()));
                self.machines.host(now, host::Event::Linked(node));
            }
            cluster::Event::Accepted(node) => self.machines.accepted(now, &node),
            cluster::Event::LinkLost(node) => {
                tracing::info!(peer = %node, "link to a peer lost");
                self.machines.lost(now, &node);
            }
            cluster::Event::Up { from, kind } => self.up(from, kind),
            cluster::Event::Down { from, kind } => self.down(from, kind),
        }
    }

    fn members(&mut self, members: Vec<cluster::Member>) {
        let peers = members
            .iter()
            .map(|m| (m.node.clone(), m.peer_address.clone()));
        self.parts.registry.set_peers(peers.collect());
        let members = members
            .into_iter()
            .map(|member| Member {
                node: member.node,
                capacity: member.capacity,
            })
            .collect();
        self.machines.members(clock::now(), members);
    }

    fn up(&mut self, from: NodeId, kind: link_up::Kind) {
        let now = clock::now();
        match kind {
            link_up::Kind::Hello(_) | link_up::Kind::Trust(_) => {}
            link_up::Kind::Demand(demand) => {
                if let Some(demand) = wire::read_demand(&demand) {
                    let name = demand.revision.function().clone();
                    self.machines
                        .owner(now, &name, &owner::Event::Demand { from, demand });
                }
            }
            link_up::Kind::Instances(instances) => {
                if let Some(instances) = wire::read_instances(instances) {
                    let name = instances.revision.function().clone();
                    self.machines
                        .owner(now, &name, &owner::Event::Instances { from, instances });
                }
            }
        }
    }

    fn down(&mut self, from: NodeId, kind: link_down::Kind) {
        let now = clock::now();
        match kind {
            // The links take it in themselves.
            link_down::Kind::Trust(_) => {}
            link_down::Kind::Endpoints(endpoints) => {
                if let Some(endpoints) = wire::read_endpoints(endpoints) {
                    self.machines
                        .caller(now, &caller::Event::Endpoints { from, endpoints });
                }
            }
            link_down::Kind::Assignment(assignment) => {
                if let Some(assignment) = wire::read_assignment(assignment) {
                    self.machines
                        .host(now, host::Event::Assigned { from, assignment });
                }
            }
            link_down::Kind::Room(room) => {
                if let Ok(name) = room.revision.parse() {
                    self.parts.registry.room(&name, &from);
                }
            }
        }
    }
}
