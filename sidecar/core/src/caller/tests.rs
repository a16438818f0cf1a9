//! The caller machine asks one at a time, in order, and never for ever.

use super::*;
use crate::config::Scaling;
use crate::fixture::{function, function_name, revision_name};
use crate::message::HostReady;
use crate::owner;
use crate::ownership::Term;

struct World {
    caller: Caller,
    now: Time,
    /// Owners in rendezvous order.
    order: Vec<NodeId>,
}

impl World {
    fn new(nodes: u32) -> Self {
        let nodes: Vec<_> = (0..nodes).map(|n| NodeId::new(&n.to_string())).collect();
        let mut world = Self {
            caller: Caller::new(nodes[0].clone()),
            now: Time::ZERO,
            order: ownership::order(&function_name("f"), &nodes),
        };
        world.event(&Event::Config(Arc::new(function("f", Scaling::default()))));
        world.members(&nodes);
        world
    }

    fn event(&mut self, event: &Event) -> Vec<Action> {
        let mut out = Vec::new();
        self.caller.on_event(self.now, event, &mut out);
        out
    }

    fn members(&mut self, nodes: &[NodeId]) -> Vec<Action> {
        let member = |node: &NodeId| Member {
            node: node.clone(),
            capacity: 10,
        };
        self.event(&Event::Members(nodes.iter().map(member).collect()))
    }

    fn poke(&mut self, held: u32) -> Vec<Action> {
        self.event(&Event::Held(revision_name("f", 1), waiting(held)))
    }

    fn tick(&mut self) -> Vec<Action> {
        self.now = self.caller.next_deadline().unwrap();
        self.event(&Event::Tick)
    }

    fn answer(
        &mut self,
        from: &NodeId,
        number: u64,
        sequence: u64,
        hosts: &[&NodeId],
    ) -> Vec<Action> {
        let endpoints = Endpoints {
            revision: revision_name("f", 1),
            term: Term {
                number,
                owner: from.clone(),
            },
            hosts: hosts
                .iter()
                .map(|node| HostReady {
                    node: (*node).clone(),
                    ready: 1,
                })
                .collect(),
            starting: 0,
            desired: 1,
            sequence,
            unknown: false,
            failure: None,
        };
        let from = from.clone();
        self.event(&Event::Endpoints { from, endpoints })
    }
}

fn waiting(held: u32) -> Load {
    Load {
        held,
        ..Load::default()
    }
}

fn asked(actions: &[Action]) -> Option<(&NodeId, &RevisionDemand)> {
    actions.iter().find_map(|action| match action {
        Action::Demand { to, demand } => Some((to, demand)),
        _ => None,
    })
}

#[test]
fn many_held_calls_ask_once_and_then_once_more() {
    let mut world = World::new(3);
    let first = world.order[0].clone();
    let actions = world.poke(1);
    let (to, demand) = asked(&actions).unwrap();
    assert_eq!((to, demand.load.held), (&first, 1));
    for held in 2..100 {
        assert_eq!(world.poke(held), []);
    }
    let actions = world.answer(&first, 1, demand.sequence, &[]);
    let (to, demand) = asked(&actions).unwrap();
    assert_eq!((to, demand.load.held), (&first, 99), "the newest number");
}

#[test]
fn silence_leads_down_the_order_and_in_the_end_home() {
    let mut world = World::new(3);
    let mut actions = world.poke(1);
    for node in world.order.clone() {
        assert_eq!(asked(&actions).unwrap().0, &node);
        actions = world.tick();
    }
    assert_eq!(actions, [Action::Fallback(revision_name("f", 1))]);
    assert_eq!(world.now, Time::ZERO + SILENCE * 3);
    assert_eq!(asked(&world.tick()).unwrap().0, &world.order[0]);
}

#[test]
fn a_broken_link_does_not_wait_for_silence() {
    let mut world = World::new(3);
    world.poke(1);
    let lost = world.order[0].clone();
    let actions = world.event(&Event::Lost(lost));
    assert_eq!(asked(&actions).unwrap().0, &world.order[1]);
}

#[test]
fn who_does_not_know_the_revision_is_passed_over_at_once() {
    let mut world = World::new(3);
    let mut actions = world.poke(1);
    for node in world.order.clone() {
        let (to, demand) = asked(&actions).unwrap();
        assert_eq!((to, &*demand.uid), (&node, "f-uid-1"));
        let Some(owner::Action::Endpoints { endpoints, .. }) = owner::unknown(&node, demand) else {
            unreachable!("whoever sends a uid is told")
        };
        // Of an earlier question: it says nothing of this one.
        let mut stale = endpoints.clone();
        stale.sequence -= 1;
        let (from, endpoints) = (node.clone(), stale);
        assert_eq!(world.event(&Event::Endpoints { from, endpoints }), []);
        let sequence = demand.sequence;
        let Some(owner::Action::Endpoints { endpoints, .. }) = owner::unknown(&node, demand) else {
            unreachable!("whoever sends a uid is told")
        };
        assert_eq!(endpoints.sequence, sequence);
        let from = node;
        actions = world.event(&Event::Endpoints { from, endpoints });
    }
    assert_eq!(actions, [Action::Fallback(revision_name("f", 1))]);
    assert_eq!(world.now, Time::ZERO, "without waiting for silence");
}

#[test]
fn an_owner_is_looked_for_while_there_is_a_candidate() {
    let mut world = World::new(3);
    let mut config = function("f", Scaling::default());
    config.candidate = Some(revision_name("f", 1));
    assert_eq!(world.event(&Event::Config(Arc::new(config.clone()))), []);
    let order = world.order.clone();
    let actions = world.tick();
    let (to, demand) = asked(&actions).unwrap();
    assert_eq!((world.now, to), (Time::ZERO + LOOK, &order[0]));
    assert!(demand.subscribe, "nothing is demanded");
    // Known to the owner, it is asked again now and then; unknown to it, the next is kept in office.
    world.answer(&order[0], 1, demand.sequence, &[]);
    assert_eq!(world.caller.next_deadline(), Some(world.now + RENEW));
    let actions = world.tick();
    let Some(owner::Action::Endpoints { to, endpoints }) =
        owner::unknown(&order[0], asked(&actions).unwrap().1)
    else {
        unreachable!("whoever sends a uid is told")
    };
    let actions = world.event(&Event::Endpoints {
        from: to,
        endpoints,
    });
    let (to, demand) = asked(&actions).unwrap();
    assert_eq!(to, &order[1]);
    world.answer(&order[1], 1, demand.sequence, &[]);
    assert_eq!(world.caller.next_deadline(), Some(world.now + KEEP));
    config.candidate = None;
    world.event(&Event::Config(Arc::new(config)));
    assert_eq!(world.caller.next_deadline(), None);
}

#[test]
fn load_ends_with_one_report_of_nothing() {
    let mut world = World::new(2);
    let first = world.order[0].clone();
    world.poke(1);
    world.answer(&first, 1, 1, &[]);
    let actions = world.event(&Event::Samples(Vec::new()));
    assert!(asked(&actions).unwrap().1.load.is_zero());
    world.answer(&first, 1, 2, &[]);
    assert_eq!(world.event(&Event::Samples(Vec::new())), []);
    assert_eq!(world.caller.next_deadline(), None);
}

#[test]
fn known_endpoints_are_renewed_and_dead_hosts_leave_them() {
    let mut world = World::new(3);
    let order = world.order.clone();
    world.poke(1);
    world.answer(&order[0], 1, 1, &[&order[1]]);
    world.event(&Event::Samples(Vec::new()));
    world.answer(&order[0], 1, 2, &[&order[1]]);
    assert_eq!(world.caller.next_deadline(), Some(Time::ZERO + RENEW));
    assert!(asked(&world.tick()).unwrap().1.subscribe);
    let node = world.caller.node.clone();
    let actions = world.members(&[node]);
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Use(e) if e.hosts.is_empty()))
    );
}

#[test]
fn an_old_owners_word_does_not_replace_the_asked_ones() {
    let mut world = World::new(3);
    let order = world.order.clone();
    world.poke(1);
    world.answer(&order[0], 5, 1, &[&order[0]]);
    assert_eq!(world.answer(&order[1], 4, 0, &[]), []);
    assert_eq!(world.answer(&order[1], 6, 0, &[&order[1]]).len(), 1);
    // Whoever was asked is believed, also when it is new in office.
    assert_eq!(world.answer(&order[0], 1, 0, &[&order[2]]).len(), 1);
}
