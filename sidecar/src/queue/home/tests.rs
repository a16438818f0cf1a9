//! Homes of several sidecars over queues in memory, some of which fall silent, are old, or come back.

use std::collections::{BTreeMap, BTreeSet};

use gateless_common::problem::Code;
use gateless_core::fixture::admitted;
use parking_lot::Mutex;

use super::*;
use crate::queue::Memory;
use crate::queue::clock::Manual;
use crate::queue::contract::fixture::{START, keyed};

#[derive(Default)]
struct World {
    nodes: Mutex<BTreeMap<NodeId, Arc<Homes>>>,
    /// Whom gossip takes for dead.
    gone: Mutex<BTreeSet<NodeId>>,
    /// Who does not answer.
    silent: Mutex<BTreeSet<NodeId>>,
    /// Who knows no homes.
    old: Mutex<BTreeSet<NodeId>>,
}

struct From(Arc<World>);

impl From {
    fn reach(&self, node: &NodeId) -> Result<Arc<Homes>, Status> {
        if self.0.silent.lock().contains(node) {
            return Err(Status::unavailable("silent"));
        }
        if self.0.old.lock().contains(node) {
            return Err(Status::unimplemented("what is that?"));
        }
        Ok(self.0.nodes.lock()[node].clone())
    }
}

impl Others for From {
    fn live(&self) -> Vec<NodeId> {
        let gone = self.0.gone.lock();
        let nodes = self.0.nodes.lock();
        nodes
            .keys()
            .filter(|node| !gone.contains(*node))
            .cloned()
            .collect()
    }

    fn accept(
        &self,
        to: &NodeId,
        request: v1::AcceptCallsRequest,
    ) -> BoxFuture<'static, Result<v1::AcceptCallsResponse, Status>> {
        let homes = self.reach(to);
        Box::pin(async move {
            let passed = passed(&request.passed);
            let calls = request.calls.into_iter();
            let calls = calls.map(|call| Ok((admitted(record(call)?), AsyncPolicy::DEFAULT)));
            let group = Group {
                home: request.home,
                calls: calls.collect::<Result<_, Status>>()?,
            };
            let taken = homes?.take(group, &passed).await;
            Ok(accepted_response(
                taken.map_err(crate::queue::wire::status)?,
            ))
        })
    }

    fn find(
        &self,
        at: &NodeId,
        request: v1::FindKeysRequest,
    ) -> BoxFuture<'static, Result<v1::FindKeysResponse, Status>> {
        let homes = self.reach(at);
        Box::pin(async move { find(&*homes?.queue.inbox, request).await })
    }
}

struct Cluster {
    world: Arc<World>,
    clock: Manual,
    /// The rendezvous order of the key "k".
    order: Vec<NodeId>,
}

impl Cluster {
    fn of(count: u32) -> Self {
        let (world, clock) = (Arc::<World>::default(), Manual::new(START));
        for n in 0..count {
            let node = NodeId::new(&format!("{n:08x}"));
            let (time, others) = (Clock::Manual(clock.clone()), From(world.clone()));
            let queue = Queue::of(&Memory::new(node.clone(), time.clone()));
            let homes = Homes::new(node.clone(), queue, time, Arc::new(others));
            world.nodes.lock().insert(node, homes);
        }
        let name = keyed("a", "k", 1).key_name().unwrap();
        let home = keys::home(&name.function, &name.caller, &name.key);
        let order = keys::order(&home, world.nodes.lock().keys());
        Self {
            world,
            clock,
            order,
        }
    }

    fn at(&self, place: usize) -> Arc<Homes> {
        self.world.nodes.lock()[&self.order[place]].clone()
    }

    async fn send(&self, place: usize, digest: u8) -> Result<(Accepted, bool), Error> {
        let group = Group::of(admitted(keyed("a", "k", digest)), AsyncPolicy::DEFAULT);
        let mut taken = self.at(place).accept(group).await?;
        Ok((taken.accepted.remove(0), taken.unsure))
    }

    fn calls(&self) -> u64 {
        let nodes = self.world.nodes.lock();
        let depths = nodes.values().flat_map(|homes| homes.queue.calls.depths());
        depths.map(|depth| depth.queued).sum()
    }

    async fn yields(&self, place: usize, id: &CallId) -> bool {
        let homes = self.at(place);
        let view = homes.queue.calls.get(id).await.unwrap();
        homes.yields(id, &view.call).await
    }
}

#[tokio::test]
async fn a_key_is_one_call_wherever_it_is_sent() {
    let cluster = Cluster::of(4);
    let sent = (0..12).map(|n| cluster.send(n % 4, 1));
    let sent = join_all(sent).await;
    let sent: Vec<_> = sent.into_iter().map(Result::unwrap).collect();
    assert_eq!(cluster.calls(), 1);
    let new = sent.iter().filter(|(accepted, _)| !accepted.replayed);
    assert_eq!(new.count(), 1);
    for (accepted, unsure) in &sent {
        assert_eq!(accepted.id.node(), &cluster.order[0]);
        assert_eq!((&accepted.token, *unsure), (&sent[0].0.token, false));
    }
    for place in 0..4 {
        let error = cluster.send(place, 2).await.unwrap_err();
        assert_eq!(error.code(), Code::IdempotencyKeyReused);
        assert!(
            !error.to_string().contains(cluster.order[0].as_str()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn who_stands_in_for_a_silent_home_says_so_and_keeps_the_key_when_it_is_back() {
    let cluster = Cluster::of(4);
    cluster.world.silent.lock().insert(cluster.order[0].clone());
    let (taken, unsure) = cluster.send(3, 1).await.unwrap();
    assert_eq!((taken.id.node(), unsure), (&cluster.order[1], true));
    let (again, unsure) = cluster.send(2, 1).await.unwrap();
    assert_eq!(
        (&again.id, again.replayed, unsure),
        (&taken.id, true, false)
    );
    // Gossip has noticed.
    cluster.world.gone.lock().insert(cluster.order[0].clone());
    assert_eq!(cluster.send(3, 1).await.unwrap().0.id, taken.id);
    cluster.world.gone.lock().clear();
    cluster.world.silent.lock().clear();
    for place in 0..4 {
        let (again, unsure) = cluster.send(place, 1).await.unwrap();
        assert_eq!(
            (&again.id, again.replayed, unsure),
            (&taken.id, true, false)
        );
        let error = cluster.send(place, 2).await.unwrap_err();
        assert_eq!(error.code(), Code::IdempotencyKeyReused);
    }
    assert_eq!(cluster.calls(), 1);
}

#[tokio::test]
async fn what_a_sidecar_that_left_may_have_taken_is_unsure_elsewhere() {
    let cluster = Cluster::of(4);
    let stands_in = cluster.at(1);
    assert!(!stands_in.misses(b"any"));
    cluster.world.gone.lock().insert(cluster.order[0].clone());
    let (taken, unsure) = cluster.send(3, 1).await.unwrap();
    assert_eq!((taken.id.node(), unsure), (&cluster.order[1], true));
    // Nobody doubts what is known.
    let (again, unsure) = cluster.send(1, 1).await.unwrap();
    assert_eq!(
        (&again.id, again.replayed, unsure),
        (&taken.id, true, false)
    );
    // The last one there still misses the others.
    let others = [cluster.order[2].clone(), cluster.order[3].clone()];
    cluster.world.gone.lock().extend(others);
    let group = Group::of(admitted(keyed("a", "another", 1)), AsyncPolicy::DEFAULT);
    let is_ahead = stands_in.misses(&group.home);
    let taken = stands_in.accept(group).await.unwrap();
    assert_eq!(taken.unsure, is_ahead);
}

#[tokio::test]
async fn the_home_before_a_sidecar_joined_is_asked_first() {
    let cluster = Cluster::of(3);
    cluster.world.gone.lock().insert(cluster.order[0].clone());
    let (taken, _) = cluster.send(2, 1).await.unwrap();
    assert_eq!(taken.id.node(), &cluster.order[1]);
    cluster.world.gone.lock().clear();
    for place in 0..3 {
        assert_eq!(cluster.send(place, 1).await.unwrap().0.id, taken.id);
    }
}

#[tokio::test]
async fn beside_a_version_without_homes_a_key_is_its_sidecars() {
    let cluster = Cluster::of(3);
    cluster.world.old.lock().insert(cluster.order[0].clone());
    let (taken, unsure) = cluster.send(2, 1).await.unwrap();
    assert_eq!((taken.id.node(), unsure), (&cluster.order[2], true));
    // One that is only asked has nothing to say.
    cluster.world.old.lock().clear();
    cluster.world.old.lock().insert(cluster.order[1].clone());
    let (again, unsure) = cluster.send(1, 1).await.unwrap();
    assert_eq!(
        (&again.id, again.replayed, unsure),
        (&taken.id, true, false)
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_sent_again_while_its_sidecar_was_away_yields() {
    let cluster = Cluster::of(3);
    let (first, _) = cluster.send(0, 1).await.unwrap();
    cluster.clock.advance(Duration::from_millis(5));
    // Nothing is in doubt while nobody was away.
    let homes = cluster.at(0);
    assert!(!homes.doubts.is_in(START + Duration::from_millis(5)));
    cluster.world.silent.lock().insert(cluster.order[0].clone());
    let (second, _) = cluster.send(2, 1).await.unwrap();
    assert_ne!(first.id, second.id);
    cluster.world.silent.lock().clear();
    homes.doubts.came_back();
    assert!(cluster.yields(0, &first.id).await);
    let view = homes.queue.calls.get(&first.id).await.unwrap();
    assert_eq!(view.call.state.as_str(), "cancelled");
    assert!(view.reason().contains("sent again"), "{}", view.reason());
    assert_eq!(cluster.calls(), 1);
    // The one that stays does not yield to it, and has the key everywhere.
    cluster.at(1).doubts.came_back();
    assert!(!cluster.yields(1, &second.id).await);
    for place in 0..3 {
        assert_eq!(cluster.send(place, 1).await.unwrap().0.id, second.id);
    }
    assert_eq!(cluster.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_made_when_nobody_can_be_asked() {
    let cluster = Cluster::of(2);
    let (call, _) = cluster.send(0, 1).await.unwrap();
    cluster.clock.advance(Duration::from_millis(5));
    cluster.at(0).doubts.came_back();
    cluster.world.silent.lock().insert(cluster.order[1].clone());
    assert!(!cluster.yields(0, &call.id).await);
    assert_eq!(cluster.calls(), 1);
}

#[tokio::test]
async fn a_call_that_was_begun_where_its_key_comes_in_again_is_that_keys_whoever_the_home_is() {
    let cluster = Cluster::of(4);
    // As a version took it for which a key was its sidecar's.
    let there = cluster.at(3);
    let taken = vec![(admitted(keyed("a", "k", 1)), AsyncPolicy::DEFAULT)];
    let before = there.queue.inbox.accept_many(taken).await.unwrap();
    let id = &before[0].id;
    there.queue.calls.cancel(id).await.unwrap();
    let (again, unsure) = cluster.send(3, 1).await.unwrap();
    assert_eq!((&again.id, again.replayed, unsure), (id, true, false));
    let error = cluster.send(3, 2).await.unwrap_err();
    assert_eq!(error.code(), Code::IdempotencyKeyReused);
}
