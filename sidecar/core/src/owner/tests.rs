//! One owner, told by hand what callers and hosts say.

use super::*;
use crate::config::{Metric, Scaling};
use crate::fixture::{function, function_name, revision, revision_name};
use crate::message::Load;

struct World {
    owner: Owner,
    now: Time,
    nodes: Vec<NodeId>,
}

impl World {
    /// The owner is the first of `nodes` in rendezvous order.
    fn new(nodes: u32, function: Function) -> (Self, Vec<Action>) {
        let nodes: Vec<_> = (0..nodes).map(|n| NodeId::new(&n.to_string())).collect();
        let nodes = crate::ownership::order(&function_name("f"), &nodes);
        let mut world = Self {
            owner: Owner::new(nodes[0].clone(), function_name("f")),
            now: Time::ZERO,
            nodes,
        };
        world.members();
        let out = world.event(&Event::Config(Arc::new(function)));
        (world, out)
    }

    /// As [`World::new`], and every host has answered.
    fn settled(nodes: u32, function: Function) -> (Self, Vec<Action>) {
        let names: Vec<_> = function.revisions.iter().map(|r| r.name.clone()).collect();
        let (mut world, _) = Self::new(nodes, function);
        let mut out = Vec::new();
        for name in names {
            for n in 0..world.nodes.len() {
                out = world.report(n, instances(&name, 0, 0));
            }
        }
        (world, out)
    }

    fn event(&mut self, event: &Event) -> Vec<Action> {
        let mut out = Vec::new();
        self.owner.on_event(self.now, event, &mut out);
        out
    }

    fn members(&mut self) -> Vec<Action> {
        let members = self.nodes.iter().map(|node| (node.clone(), 10));
        self.event(&Event::Members(Arc::new(members.collect())))
    }

    fn demand(&mut self, n: usize, load: Load) -> Vec<Action> {
        let demand = RevisionDemand {
            revision: rev(1),
            uid: "".into(),
            load,
            sequence: 7,
            subscribe: false,
        };
        let from = self.nodes[n].clone();
        self.event(&Event::Demand { from, demand })
    }

    fn report(&mut self, n: usize, instances: RevisionInstances) -> Vec<Action> {
        let from = self.nodes[n].clone();
        self.event(&Event::Instances { from, instances })
    }

    /// Ticks at every deadline until then; all that was said.
    fn until(&mut self, secs: u64) -> Vec<Action> {
        let end = Time::from_millis(secs * 1000);
        let mut out = Vec::new();
        while let Some(at) = self.owner.next_deadline().filter(|at| *at <= end) {
            assert!(at > self.now, "a deadline in the past makes the shell spin");
            self.now = at;
            out.extend(self.event(&Event::Tick));
        }
        self.now = end;
        out
    }

    fn desired(&self, number: u32) -> u32 {
        let mut decisions = self.owner.decisions();
        let found = decisions.find(|decision| decision.revision == rev(number));
        found.map_or(0, |decision| decision.desired)
    }
}

fn rev(number: u32) -> RevisionName {
    revision_name("f", number)
}

fn instances(revision: &RevisionName, ready: u32, starting: u32) -> RevisionInstances {
    RevisionInstances {
        revision: revision.clone(),
        ready,
        starting,
        draining: 0,
        term: Term::default(),
        backoff: Duration::ZERO,
        host_instances: ready + starting,
        host_capacity: 10,
        failure: None,
    }
}

fn held(held: u32) -> Load {
    Load {
        held,
        ..Load::default()
    }
}

/// Assignments that mean something, not questions.
fn assigned(actions: &[Action]) -> Vec<(NodeId, Assignment)> {
    let pick = |action: &Action| match action {
        Action::Assign { to, assignment } if !assignment.term.is_none() => {
            Some((to.clone(), assignment.clone()))
        }
        _ => None,
    };
    actions.iter().filter_map(pick).collect()
}

fn total(actions: &[Action]) -> u32 {
    assigned(actions).iter().map(|(_, a)| a.desired).sum()
}

fn endpoints_in(actions: &[Action]) -> Option<&Endpoints> {
    actions.iter().rev().find_map(|action| match action {
        Action::Endpoints { endpoints, .. } => Some(endpoints),
        _ => None,
    })
}

#[test]
fn demand_at_zero_is_placed_at_once_where_it_is_and_answered() {
    let (mut world, _) = World::settled(3, function("f", Scaling::default()));
    let actions = world.demand(2, held(1));
    let [(to, assignment)] = &assigned(&actions)[..] else {
        unreachable!("{actions:?}")
    };
    assert_eq!(
        (to, assignment.desired, assignment.term.number),
        (&world.nodes[2], 1, 1)
    );
    let answer = endpoints_in(&actions).unwrap();
    assert_eq!(
        (answer.sequence, answer.starting, answer.desired),
        (7, 1, 1)
    );
    // The same again from everywhere: the one that is starting is enough.
    assert_eq!(assigned(&world.demand(0, held(1))), []);
    assert_eq!(assigned(&world.demand(1, held(50))), []);
}

#[test]
fn a_ready_instance_is_pushed_to_every_caller() {
    let (mut world, _) = World::settled(3, function("f", Scaling::default()));
    world.demand(0, held(1));
    world.demand(1, held(1));
    let actions = world.report(0, instances(&rev(1), 1, 0));
    let pushed = actions
        .iter()
        .filter(|a| matches!(a, Action::Endpoints { .. }));
    assert_eq!(pushed.count(), 2);
    assert_eq!(
        endpoints_in(&actions).unwrap().hosts[0].node,
        world.nodes[0]
    );
}

#[test]
fn a_new_owner_asks_first_and_keeps_what_runs_for_a_stable_window() {
    let (mut world, actions) = World::new(3, function("f", Scaling::default()));
    let questions = actions
        .iter()
        .filter(|a| matches!(a, Action::Assign { .. }));
    assert_eq!((questions.count(), assigned(&actions).len()), (3, 0));
    assert_eq!(
        assigned(&world.demand(0, held(1))),
        [],
        "it doesn't know yet what runs"
    );
    let mut report = instances(&rev(1), 5, 0);
    report.term = Term {
        number: 8,
        owner: world.nodes[1].clone(),
    };
    world.report(1, report);
    assert_eq!(
        world
            .until(1)
            .iter()
            .filter(|a| matches!(a, Action::Decided(_)))
            .count(),
        1
    );
    assert_eq!((world.desired(1), world.owner.term().number), (5, 9));
    world.demand(0, Load::default());
    let actions = world.until(58);
    assert_eq!(world.desired(1), 5);
    assert!(assigned(&actions).iter().all(|(_, a)| a.desired == 5));
    // By half a step at most, and this host never obeys.
    world.until(130);
    assert_eq!(world.desired(1), 2);
}

#[test]
fn candidates_are_started_without_traffic_and_forgotten_revisions_are_not() {
    let mut two = function("f", Scaling::default());
    let initial_scale = 3;
    let scaling = Scaling {
        initial_scale,
        ..Scaling::default()
    };
    two.revisions.push(Arc::new(revision("f", 2, scaling)));
    two.candidate = Some(rev(2));
    let scaling = Scaling {
        min_scale: 2,
        ..scaling
    };
    two.revisions.push(Arc::new(revision("f", 3, scaling)));
    let (mut world, _) = World::settled(2, two);
    assert_eq!([1, 2, 3].map(|n| world.desired(n)), [0, 3, 0]);
    // An old caller still sends there: it is served, and then it is over at once.
    let from = world.nodes[0].clone();
    let mut demand = RevisionDemand {
        revision: rev(3),
        uid: "".into(),
        load: held(1),
        sequence: 1,
        subscribe: false,
    };
    let event = Event::Demand {
        from: from.clone(),
        demand: demand.clone(),
    };
    assert_eq!(total(&world.event(&event)), 1);
    demand.load = held(0);
    world.event(&Event::Demand { from, demand });
    world.until(2);
    assert_eq!(world.desired(3), 0);
}

#[test]
fn the_backlog_is_sized_by_its_service_time() {
    let check = |async_queued, secs, expected| {
        let scaling = Scaling {
            target: 10.0,
            ..Scaling::default()
        };
        let (mut world, _) = World::settled(3, function("f", scaling));
        let load = Load {
            async_queued,
            service_time: Duration::from_secs(secs),
            ..Load::default()
        };
        world.demand(0, load);
        assert_eq!(
            world.desired(1),
            expected,
            "{async_queued} calls of {secs} s"
        );
    };
    check(500, 0, 1); // Unknown: one instance finds out.
    check(500, 1, 8); // 50 in flight end it in 10 s; 7 an instance.
    check(30, 60, 5); // No more in flight than there are.
}

#[test]
fn rps_counts_held_calls_too() {
    let scaling = Scaling {
        metric: Metric::Rps,
        target: 10.0,
        ..Scaling::default()
    };
    let (mut world, _) = World::settled(3, function("f", scaling));
    world.demand(
        0,
        Load {
            rps: 10.0,
            held: 4,
            ..Load::default()
        },
    );
    assert_eq!(world.desired(1), 2);
}

#[test]
fn callers_are_told_when_nothing_can_start() {
    let (mut world, _) = World::settled(2, function("f", Scaling::default()));
    world.demand(0, held(1));
    let mut report = instances(&rev(1), 0, 0);
    report.failure = Some("exit code 1".into());
    report.backoff = Duration::from_millis(200);
    let actions = world.report(0, report.clone());
    assert_eq!(
        assigned(&actions).len(),
        2,
        "the other host is tried: {actions:?}"
    );
    world.report(1, report.clone());
    report.backoff = Duration::from_secs(2);
    world.report(0, report.clone());
    let actions = world.report(1, report);
    assert_eq!(
        endpoints_in(&actions).unwrap().failure.as_deref(),
        Some("exit code 1")
    );
    // And when the back-off is over it is tried again.
    world.demand(0, held(1));
    let actions = world.until(3);
    assert!(total(&actions) > 0);
    assert_eq!(endpoints_in(&actions).unwrap().failure, None);
}

#[test]
fn a_dead_hosts_instances_and_callers_no_longer_count() {
    let (mut world, _) = World::settled(3, function("f", Scaling::default()));
    world.demand(2, held(1));
    world.report(2, instances(&rev(1), 1, 0));
    let caller = world.demand(0, held(1));
    assert_eq!(endpoints_in(&caller).unwrap().hosts.len(), 1);
    world.nodes.pop();
    let actions = world.members();
    assert!(endpoints_in(&actions).unwrap().hosts.is_empty());
    assert_eq!(total(&actions), 1, "another is started at once");
}

#[test]
fn silence_ends_demand_and_strangers_are_ignored() {
    let (mut world, _) = World::settled(1, function("f", Scaling::default()));
    let demand = RevisionDemand {
        revision: rev(9),
        uid: "".into(),
        load: held(1),
        sequence: 1,
        subscribe: false,
    };
    let from = world.nodes[0].clone();
    assert_eq!(
        world.event(&Event::Demand {
            from,
            demand: demand.clone()
        }),
        []
    );
    // Whoever can be told that it is not known here is, be it the name or what was deployed under it.
    for (revision, uid) in [(rev(9), "f-uid-9"), (rev(1), "of another")] {
        let demand = RevisionDemand {
            revision,
            uid: uid.into(),
            ..demand.clone()
        };
        let from = world.nodes[0].clone();
        let actions = world.event(&Event::Demand { from, demand });
        let [Action::Endpoints { endpoints, .. }] = &actions[..] else {
            unreachable!("{actions:?}")
        };
        assert!(endpoints.unknown && endpoints.sequence == 1);
    }
    let from = NodeId::new("stranger");
    let demand = RevisionDemand {
        revision: rev(1),
        ..demand
    };
    assert_eq!(world.event(&Event::Demand { from, demand }), []);
    world.demand(0, held(1));
    world.report(0, instances(&rev(1), 1, 0));
    world.until(150);
    assert_eq!(world.desired(1), 0);
    world.report(0, instances(&rev(1), 0, 0));
    world.until(300);
    assert_eq!(
        world.owner.next_deadline(),
        None,
        "an idle owner costs nothing"
    );
}

#[test]
fn whoever_is_not_first_acts_while_asked_and_then_steps_down() {
    let (mut world, _) = World::new(3, function("f", Scaling::default()));
    world.owner = Owner::new(world.nodes[1].clone(), function_name("f"));
    world.members();
    world.event(&Event::Config(Arc::new(function("f", Scaling::default()))));
    assert!(!world.owner.is_acting());
    world.demand(0, held(1));
    assert!(world.owner.is_acting());
    let actions = world.until(1);
    // One at a host that doesn't answer, and in its place one at the next.
    assert_eq!(total(&actions), 2);
    world.until(10);
    assert!(!world.owner.is_acting());
}

#[test]
fn an_instance_started_without_its_word_is_kept_for_a_stable_window() {
    let (mut world, _) = World::settled(3, function("f", Scaling::default()));
    world.until(100);
    // A caller that could not reach this owner had one started; others may use it.
    let actions = world.report(1, instances(&rev(1), 1, 0));
    assert!(assigned(&actions).iter().all(|(_, a)| a.desired == 1));
    let actions = world.until(159);
    assert!(assigned(&actions).iter().all(|(_, a)| a.desired == 1));
    let actions = world.until(165);
    let (to, assignment) = assigned(&actions).pop().unwrap();
    assert_eq!((to, assignment.desired), (world.nodes[1].clone(), 0));
}

#[test]
fn an_idle_revision_rests_until_somebody_wants_it() {
    let scaling = Scaling {
        initial_scale: 0,
        ..Scaling::default()
    };
    let (mut world, _) = World::settled(2, function("f", scaling));
    let rests = |world: &World| world.owner.revisions.values().all(Revision::rests);
    assert!(rests(&world), "it never had any load");
    assert_eq!(total(&world.demand(1, held(3))), 1);
    world.demand(1, held(0));
    let running = |world: &World| {
        let all = world.owner.revisions.values();
        all.filter(|revision| !revision.rests()).count()
    };
    world.report(0, instances(&rev(1), 0, 0));
    world.report(1, instances(&rev(1), 0, 0));
    world.until(30);
    assert_eq!(running(&world), 1, "a stable window is remembered");
    world.until(3_600);
    assert!(rests(&world));
    assert_eq!(world.owner.next_deadline(), None);
    assert_eq!(total(&world.demand(0, held(1))), 1);
}
