//! Real sidecars' peers on loopback: gossip over UDP, links over TCP, no fakes.
//!
//! Each runs in a runtime of its own, so that killing one is what it is in life: its tasks
//! and sockets vanish without a word.

use std::net::SocketAddr;
use std::sync::LazyLock;

use gateless_identity::fixture::Cluster;
use gateless_identity::{Expect, channel};
use gateless_proto::v1::peer_service_client::PeerServiceClient;
use gateless_proto::v1::{Assignment, Endpoints, RevisionDemand, Term};
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Runtime;
use tonic::service::Routes;
use tonic::transport::Endpoint;

use super::*;

/// All nodes are of this one.
static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::new);
const GUARD: Duration = Duration::from_secs(60);

struct OneRevision;

impl Reserver for OneRevision {
    fn reserve(&self, revision: &RevisionName, ttl: Duration, caller: &str) -> Option<String> {
        let known = revision.to_string() == "default/hello/hello-00001";
        known.then(|| format!("{caller}:{}", ttl.as_millis()))
    }
}

struct Node {
    id: NodeId,
    peer: SocketAddr,
    handle: Handle,
    events: mpsc::Receiver<Event>,
    runtime: Option<Runtime>,
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Node {
    async fn start(id: &str, seeds: &[String]) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Self::start_at(id, seeds, listener).await
    }

    /// A test that starts a node again keeps a clone of the listener meanwhile: nobody else
    /// can take the port.
    async fn start_at(id: &str, seeds: &[String], listener: std::net::TcpListener) -> Self {
        Self::start_as(CLUSTER.sidecar(id), id, seeds, listener).await
    }

    async fn start_as(
        identity: Identity,
        id: &str,
        seeds: &[String],
        listener: std::net::TcpListener,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let node = NodeId::new(id);
        let (id, seeds) = (node.clone(), seeds.to_vec());
        let started = runtime.spawn(async move {
            listener.set_nonblocking(true).unwrap();
            let listener = TcpListener::from_std(listener).unwrap();
            let peer = listener.local_addr().unwrap();
            let config = Config {
                node,
                gossip_listen: "127.0.0.1:0".parse().unwrap(),
                advertise_host: "127.0.0.1".into(),
                cluster: "test".into(),
                seeds,
                gossip_interval: DEFAULT_INTERVAL / 4,
                peer_address: peer.to_string(),
                public_url: format!("http://{peer}"),
                capacity: 7,
                version: "0".into(),
                identity: identity.clone(),
                reserver: Arc::new(OneRevision),
            };
            let (handle, events, server) = spawn(config).await.unwrap();
            let routes = Routes::new(server);
            tokio::spawn(
                tonic::transport::Server::builder()
                    .add_routes(routes)
                    .serve_with_incoming(gateless_identity::fixture::incoming(listener, identity)),
            );
            (peer, handle, events)
        });
        let (peer, handle, events) = started.await.unwrap();
        Self {
            id,
            peer,
            handle,
            events,
            runtime: Some(runtime),
        }
    }

    fn seed(&self) -> Vec<String> {
        vec![self.handle.gossip_address().to_string()]
    }

    /// Skips events until one that `found` accepts.
    async fn until<T>(&mut self, what: &str, found: impl Fn(Event) -> Option<T>) -> T {
        let search = async {
            loop {
                let event = self.events.recv().await;
                let event = event.unwrap_or_else(|| panic!("{}: events ended: {what}", self.id));
                if let Some(result) = found(event) {
                    return result;
                }
            }
        };
        let result = tokio::time::timeout(GUARD, search).await;
        result.unwrap_or_else(|_| panic!("{} waited in vain for {what}", self.id))
    }

    async fn until_members(&mut self, expected: &[&str]) {
        let what = format!("members {expected:?}");
        self.until(&what, |event| match event {
            Event::Members(members) => {
                let ids: Vec<_> = members.iter().map(|m| m.node.as_str()).collect();
                (ids == expected).then_some(())
            }
            _ => None,
        })
        .await;
    }

    async fn until_event(&mut self, expected: Event) {
        let what = format!("{expected:?}");
        self.until(&what, |event| (event == expected).then_some(()))
            .await;
    }
}

fn demand(held: u32) -> link_up::Kind {
    link_up::Kind::Demand(RevisionDemand {
        revision: "default/hello/hello-00001".into(),
        held,
        ..Default::default()
    })
}

#[tokio::test]
async fn three_sidecars_find_each_other_and_notice_one_killed() {
    let mut a = Node::start("a", &[]).await;
    // Garbage, and sealed-looking garbage, before anything else.
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for garbage in [&b""[..], b"garbage", &[0xb5; 2000]] {
        stranger
            .send_to(garbage, a.handle.gossip_address())
            .await
            .unwrap();
    }
    let mut seeds = vec![
        "no-such-host.invalid:1".to_owned(),
        "127.0.0.1:9".to_owned(),
    ];
    seeds.extend(a.seed());
    let b = Node::start("b", &seeds).await;
    let mut c = Node::start("c", &[]).await;
    c.handle.add_seed(&seeds[2]);
    a.until_members(&["a", "b", "c"]).await;
    c.until_members(&["a", "b", "c"]).await;
    let members = c.handle.members().borrow().clone();
    assert_eq!(members[0].peer_address, a.peer.to_string());
    assert_eq!(members[0].capacity, 7);
    assert_eq!(c.handle.address(&b.id), Some(b.peer.to_string()));
    drop(b);
    a.until_members(&["a", "c"]).await;
    c.until_members(&["a", "c"]).await;
    assert_eq!(c.handle.address(&NodeId::new("b")), None);
}

#[tokio::test]
async fn sidecar_that_leaves_is_no_member_any_more() {
    let mut a = Node::start("a", &[]).await;
    let b = Node::start("b", &a.seed()).await;
    a.until_members(&["a", "b"]).await;
    let leaving = b.handle.clone();
    leaving.leave().await;
    a.until_members(&["a"]).await;
}

#[tokio::test]
async fn links_carry_messages_both_ways() {
    let mut a = Node::start("a", &[]).await;
    let mut b = Node::start("b", &a.seed()).await;
    a.until_event(Event::LinkUp(b.id.clone())).await;
    assert!(a.handle.send_up(&b.id, demand(3)));
    let (from, kind) = (a.id.clone(), demand(3));
    b.until_event(Event::Up { from, kind }).await;
    let revision = || "default/hello/hello-00001".to_owned();
    let endpoints = link_down::Kind::Endpoints(Endpoints {
        revision: revision(),
        sequence: 9,
        ..Default::default()
    });
    let assignment = link_down::Kind::Assignment(Assignment {
        revision: revision(),
        desired: 2,
        ..Default::default()
    });
    for kind in [endpoints, assignment] {
        assert!(b.handle.send_down(&a.id, kind.clone()));
        let from = b.id.clone();
        a.until_event(Event::Down { from, kind }).await;
    }
    assert!(!a.handle.send_up(&NodeId::new("z"), demand(1)));
    assert!(!a.handle.send_up(&a.id, demand(1)));
}

#[tokio::test]
async fn a_question_does_not_replace_the_assignment_before_it() {
    let mut a = Node::start("a", &[]).await;
    let b = Node::start("b", &a.seed()).await;
    a.until_event(Event::LinkUp(b.id.clone())).await;
    let assignment = |number, desired| {
        link_down::Kind::Assignment(Assignment {
            revision: "default/hello/hello-00001".to_owned(),
            term: Some(Term {
                number,
                owner: "b".to_owned(),
            }),
            desired,
            ..Default::default()
        })
    };
    let both = [assignment(5, 1), assignment(0, 0)];
    // At once, so that neither can be on its way before the other is there.
    for kind in &both {
        assert!(b.handle.send_down(&a.id, kind.clone()));
    }
    for kind in both {
        let from = b.id.clone();
        a.until_event(Event::Down { from, kind }).await;
    }
}

#[tokio::test]
async fn link_comes_back_after_the_peer_was_killed_and_started_again() {
    let mut a = Node::start("a", &[]).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let b = Node::start_at("b", &a.seed(), listener.try_clone().unwrap()).await;
    let id = b.id.clone();
    a.until_event(Event::LinkUp(id.clone())).await;
    drop(b);
    a.until_event(Event::LinkLost(id.clone())).await;
    let mut b = Node::start_at("b", &a.seed(), listener).await;
    a.until_event(Event::LinkUp(id.clone())).await;
    b.until_event(Event::Accepted(a.id.clone())).await;
    assert!(a.handle.send_up(&id, demand(4)));
    let (from, kind) = (a.id.clone(), demand(4));
    b.until_event(Event::Up { from, kind }).await;
}

#[tokio::test]
async fn nobody_but_a_sidecar_opens_a_link_and_none_in_the_name_of_another() {
    let mut a = Node::start("a", &[]).await;
    let endpoint = Endpoint::from_shared(format!("http://{}", a.peer)).unwrap();
    let open = |identity: gateless_identity::Identity, says: &str| {
        let hello = link_up::Kind::Hello(gateless_proto::v1::LinkHello {
            node_id: says.to_owned(),
            ..Default::default()
        });
        let up = gateless_proto::v1::LinkUp { kind: Some(hello) };
        let channel = channel(&endpoint, &identity, Expect::Node("a".into()));
        async move {
            let mut client = PeerServiceClient::new(channel);
            let opened = client.link(tokio_stream::iter([up])).await;
            opened.map(drop).map_err(|status| status.code())
        }
    };
    let denied = Err(tonic::Code::PermissionDenied);
    assert_eq!(open(CLUSTER.server(), "b").await, denied);
    assert_eq!(open(CLUSTER.sidecar("c"), "b").await, denied);
    // One of another cluster does not even get to ask; it does not believe the other end either.
    assert!(open(Cluster::new().sidecar("b"), "b").await.is_err());
    assert_eq!(open(CLUSTER.sidecar("b"), "b").await, Ok(()));
    a.until_event(Event::Accepted(NodeId::new("b"))).await;
}

#[tokio::test]
async fn sidecar_that_cannot_reach_the_server_hears_of_a_revocation_from_its_peers() {
    let mut cluster = Cluster::new();
    let (of_a, of_b) = (cluster.sidecar("a"), cluster.sidecar("b"));
    let listener = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut a = Node::start_as(of_a.clone(), "a", &[], listener()).await;
    let mut b = Node::start_as(of_b.clone(), "b", &a.seed(), listener()).await;
    a.until_event(Event::LinkUp(b.id.clone())).await;
    b.until_event(Event::LinkUp(a.id.clone())).await;
    cluster.revoke("c");
    assert!(of_a.learn(cluster.signed()).unwrap());
    let mut heard = of_b.changes();
    let known = heard.wait_for(|version| *version == cluster.version);
    tokio::time::timeout(GUARD, known).await.unwrap().unwrap();
    // What gossip is sealed with is another for both now, and they still hear each other.
    let mut late = Node::start_as(cluster.sidecar("d"), "d", &a.seed(), listener()).await;
    late.until_members(&["a", "b", "d"]).await;
}

#[tokio::test]
async fn revoked_sidecar_loses_its_links_at_once_and_its_membership_soon() {
    let mut cluster = Cluster::new();
    let of_a = cluster.sidecar("a");
    let listener = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut a = Node::start_as(of_a.clone(), "a", &[], listener()).await;
    let b = Node::start_as(cluster.sidecar("b"), "b", &a.seed(), listener()).await;
    a.until_event(Event::LinkUp(b.id.clone())).await;
    cluster.revoke("b");
    assert!(of_a.learn(cluster.signed()).unwrap());
    a.until_event(Event::LinkLost(b.id.clone())).await;
    a.until_members(&["a"]).await;
}

#[tokio::test]
async fn permit_is_reserved_at_a_peer_or_refused() {
    let mut a = Node::start("a", &[]).await;
    let b = Node::start("b", &a.seed()).await;
    a.until_members(&["a", "b"]).await;
    let ttl = Duration::from_millis(1500);
    let known: RevisionName = "default/hello/hello-00001".parse().unwrap();
    let full: RevisionName = "default/hello/hello-00002".parse().unwrap();
    let permit = a.handle.reserve(&b.id, &known, ttl).await.unwrap();
    assert_eq!(permit.as_deref(), Some("a:1500"));
    assert_eq!(a.handle.reserve(&b.id, &full, ttl).await.unwrap(), None);
    assert!(
        a.handle
            .reserve(&NodeId::new("z"), &known, ttl)
            .await
            .is_err()
    );
    let mut bulk = PeerServiceClient::new(a.handle.channel(&b.id).unwrap());
    let bad = bulk.reserve(ReserveRequest::default()).await;
    assert_eq!(
        bad.map(drop).map_err(|s| s.code()),
        Err(tonic::Code::InvalidArgument)
    );
}
