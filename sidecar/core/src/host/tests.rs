//! The host machine keeps its count, its capacity and its terms.

mod candidate;
mod renew;

use proptest::prelude::*;

use super::*;
use crate::config::{Runtime, Scaling, Wasm};
use crate::fixture::{function, function_name, revision, revision_name};
use crate::name::InstanceId;
use crate::resources::{ByKind, COMPONENTS_PER_PROCESS};

struct World {
    host: Host,
    now: Time,
    out: Vec<Action>,
}

impl World {
    fn new(capacity: u32) -> Self {
        let mut world = Self {
            host: Host::new(
                node("a"),
                Resources::of_host(capacity),
                Arc::new(ByKind),
                "boot",
            ),
            now: Time::ZERO,
            out: Vec::new(),
        };
        world.event(&Event::Config(Arc::new(function("f", Scaling::default()))));
        world
    }

    fn event(&mut self, event: &Event) -> Vec<Action> {
        self.host.on_event(self.now, event, &mut self.out);
        std::mem::take(&mut self.out)
    }

    fn at(&mut self, millis: u64) -> Vec<Action> {
        self.now = Time::from_millis(millis);
        self.event(&Event::Tick)
    }

    fn assign(&mut self, number: u64, desired: u32) -> Vec<Action> {
        self.event(&Event::Assigned {
            from: node("o"),
            assignment: Assignment {
                revision: rev(),
                term: term(number),
                desired,
                reason: "".into(),
            },
        })
    }

    fn exit(&mut self, id: &InstanceId) -> Vec<Action> {
        let (id, message) = (id.clone(), "exit code 1".into());
        let end = End::Crashed;
        self.event(&Event::Exited { id, end, message })
    }

    fn report(&self) -> RevisionInstances {
        self.host.describe(self.now, &rev())
    }

    /// Ready, starting, draining.
    fn check(&self, expected: (u32, u32, u32)) {
        let report = self.report();
        assert_eq!((report.ready, report.starting, report.draining), expected);
    }
}

fn node(id: &str) -> NodeId {
    NodeId::new(id)
}

fn rev() -> RevisionName {
    revision_name("f", 1)
}

fn term(number: u64) -> Term {
    Term {
        number,
        owner: node("o"),
    }
}

fn started(actions: &[Action]) -> Vec<InstanceId> {
    let id = |action: &Action| match action {
        Action::Start { id, .. } => Some(id.clone()),
        _ => None,
    };
    actions.iter().filter_map(id).collect()
}

#[test]
fn an_assignment_is_carried_out_and_answered() {
    let mut world = World::new(10);
    let actions = world.assign(1, 3);
    let ids = started(&actions);
    assert_eq!(ids.len(), 3);
    assert!(actions.iter().any(
        |a| matches!(a, Action::Report { to, instances } if *to == node("o") && instances.starting == 3)
    ));
    assert_eq!(started(&world.assign(1, 3)), [], "it is a level");
    world.event(&Event::Ready(ids[0].clone()));
    world.check((1, 2, 0));
}

#[test]
fn components_take_no_process_s_room_but_a_bounded_room_of_their_own() {
    let mut world = World::new(1);
    let mut component = revision("w", 1, Scaling::default());
    component.runtime = Runtime::Wasm(Wasm {
        component_sha256: "0".repeat(64),
        component_size: 1,
        reuse: false,
        memory: 1,
        cpu_time: Duration::from_secs(1),
        max_table_elements: 1,
        max_response_body: 1,
        allowed_hosts: Vec::new(),
        max_outgoing_requests: 1,
    });
    let mut config = function("w", Scaling::default());
    config.revisions = vec![Arc::new(component)];
    world.event(&Event::Config(Arc::new(config)));
    assert_eq!(started(&world.assign(1, 2)).len(), 1, "one process");
    let actions = world.event(&Event::Assigned {
        from: node("o"),
        assignment: Assignment {
            revision: revision_name("w", 1),
            term: term(1),
            desired: COMPONENTS_PER_PROCESS + 1,
            reason: "".into(),
        },
    });
    let loaded = started(&actions);
    assert_eq!(loaded.len(), COMPONENTS_PER_PROCESS as usize);
    // Room for the one is no room for the other.
    let freed = world.exit(&loaded[0]);
    assert!(freed.iter().all(|action| !matches!(
        action,
        Action::Start { revision, .. } if revision.name == rev()
    )));
}

#[test]
fn a_lower_term_is_refused_and_told_the_higher_one() {
    let mut world = World::new(10);
    world.assign(5, 1);
    for number in [0, 4] {
        let actions = world.assign(number, 7);
        assert!(started(&actions).is_empty());
        assert!(matches!(
            actions.as_slice(),
            [Action::Report { instances, .. }] if instances.term == term(5)
        ));
    }
}

#[test]
fn the_first_of_the_order_hears_of_every_change() {
    let mut world = World::new(10);
    let everyone = [node("a"), node("b"), node("c")];
    let members = everyone.iter().map(|node| Member {
        node: node.clone(),
        capacity: 10,
    });
    world.event(&Event::Members(members.collect()));
    let first = crate::ownership::first(&function_name("f"), &everyone).unwrap();
    let actions = world.event(&Event::Fallback(rev()));
    assert_eq!(started(&actions).len(), 1);
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Report { to, .. } if to == first))
    );
    // And again later, in case it was lost.
    let next = world.host.next_deadline().unwrap();
    assert_eq!(next, Time::ZERO + report::REFRESH);
}

#[test]
fn scale_down_stops_the_starting_and_drains_the_newest() {
    let mut world = World::new(10);
    let ids = started(&world.assign(1, 3));
    world.event(&Event::Ready(ids[0].clone()));
    world.event(&Event::Ready(ids[1].clone()));
    let actions = world.assign(1, 1);
    assert!(actions.contains(&Action::Stop(ids[2].clone())));
    assert!(actions.contains(&Action::Drain(ids[1].clone())));
    world.check((1, 0, 2));
    // Wanted again while it drains: a closed gate doesn't open again.
    assert_eq!(started(&world.assign(1, 2)).len(), 1);
    let actions = world.event(&Event::Drained(ids[1].clone()));
    assert!(actions.contains(&Action::Stop(ids[1].clone())));
    world.exit(&ids[1]);
    world.exit(&ids[2]);
    world.check((1, 1, 0));
    assert_eq!(world.report().failure, None, "these exits were wanted");
}

#[test]
fn a_drain_that_never_ends_is_ended() {
    let mut world = World::new(10);
    let ids = started(&world.assign(1, 1));
    world.event(&Event::Ready(ids[0].clone()));
    world.assign(1, 0);
    assert_eq!(
        world
            .at(299_000)
            .iter()
            .filter(|a| matches!(a, Action::Stop(_)))
            .count(),
        0
    );
    assert!(world.at(300_000).contains(&Action::Stop(ids[0].clone())));
}

#[test]
fn crash_loop_backs_off_one_at_a_time_and_says_why() {
    let mut world = World::new(10);
    let mut ids = started(&world.assign(1, 2));
    let mut now = 0;
    for delay in [0, 100, 200, 400] {
        now += 5;
        world.now = Time::from_millis(now);
        let mut restarted = Vec::new();
        for id in &ids {
            restarted.extend(started(&world.exit(id)));
        }
        if delay > 0 {
            assert!(restarted.is_empty());
            let report = world.report();
            assert_eq!(report.failure.as_deref(), Some("exit code 1"));
            assert_eq!(report.backoff, Duration::from_millis(delay));
            assert_eq!(
                world.host.next_deadline(),
                Some(Time::from_millis(now + delay))
            );
            now += delay;
            restarted = started(&world.at(now));
            assert_eq!(restarted.len(), 1, "one at a time while it fails");
        }
        ids = restarted;
    }
    // One stays up: the rest follow, and later a crash is a first one again.
    world.event(&Event::Ready(ids[0].clone()));
    world.check((1, 1, 0));
    world.at(now + 10_000);
    assert_eq!(started(&world.exit(&ids[0])).len(), 1);
}

#[test]
fn it_is_a_crash_loop_once_two_in_a_row_were_never_ready() {
    let mut world = World::new(10);
    let mut id = started(&world.assign(1, 1)).remove(0);
    let mut now = 0;
    for (is_ready, expected) in [
        (false, "crashed"),
        (false, "crash_loop"),
        (true, "crashed"),
        (false, "crashed"),
    ] {
        if is_ready {
            world.event(&Event::Ready(id.clone()));
        }
        world.exit(&id);
        let status = world.host.statuses(world.now).next().unwrap();
        let (reason, message) = status.failure.unwrap();
        assert_eq!((reason, &*message), (expected, "exit code 1"));
        now += 60_000;
        world.at(now);
        id = world.host.instances().next().unwrap().0.clone();
    }
}

#[test]
fn a_full_host_starts_what_fits_and_the_rest_when_there_is_room() {
    let mut world = World::new(2);
    let ids = started(&world.assign(1, 3));
    assert_eq!(ids.len(), 2);
    let failure = world.report().failure.unwrap();
    assert!(failure.starts_with("host_full"), "{failure}");
    world.event(&Event::Ready(ids[0].clone()));
    assert_eq!(started(&world.exit(&ids[1])).len(), 1);
}

#[test]
fn instance_that_does_not_end_a_call_drains_while_another_is_started() {
    let mut world = World::new(10);
    let ids = started(&world.assign(1, 1));
    world.event(&Event::Ready(ids[0].clone()));
    let actions = world.event(&Event::Overdue(ids[0].clone()));
    assert!(actions.contains(&Action::Drain(ids[0].clone())));
    assert_eq!(started(&actions).len(), 1);
    world.check((0, 1, 1));
    // It is said again for each such call, and may be late.
    assert_eq!(started(&world.event(&Event::Overdue(ids[0].clone()))), []);
    let stopped = world.event(&Event::Drained(ids[0].clone()));
    assert!(stopped.contains(&Action::Stop(ids[0].clone())));
    world.exit(&ids[0]);
    assert_eq!(world.event(&Event::Overdue(ids[0].clone())), []);
    world.check((0, 1, 0));
}

#[test]
fn an_instance_that_does_nothing_any_more_is_ended_at_once_and_another_started() {
    let mut world = World::new(10);
    let ids = started(&world.assign(1, 2));
    ids.iter()
        .for_each(|id| drop(world.event(&Event::Ready(id.clone()))));
    let cause: Arc<str> = "it hangs".into();
    let hung = Event::Unresponsive {
        id: ids[0].clone(),
        cause: cause.clone(),
        answered: true,
    };
    let actions = world.event(&hung);
    let kill = Action::Kill {
        id: ids[0].clone(),
        cause,
    };
    assert!(actions.contains(&kill));
    assert_eq!(started(&actions).len(), 1, "it is not waited for");
    world.check((1, 1, 1));
    // Its end is no further failure, and saying so again does nothing.
    assert!(world.event(&hung).is_empty());
    assert!(started(&world.exit(&ids[0])).is_empty());
    world.check((1, 1, 0));
    let statuses: Vec<_> = world.host.statuses(world.now).collect();
    assert_eq!(statuses[0].failures, 1);
    let failure = ("unresponsive", "it hangs".into());
    assert_eq!(statuses[0].failure, Some(failure));
}

#[test]
fn deleted_and_replaced_revisions_are_drained() {
    let mut world = World::new(10);
    let ids = started(&world.assign(1, 1));
    world.event(&Event::Ready(ids[0].clone()));
    let mut again = function("f", Scaling::default());
    let mut other = revision("f", 1, Scaling::default());
    other.uid = "another".into();
    again.revisions = vec![Arc::new(other)];
    let actions = world.event(&Event::Config(Arc::new(again)));
    assert!(actions.contains(&Action::Drain(ids[0].clone())));
    let ids = started(&world.assign(1, 1));
    let actions = world.event(&Event::ConfigGone(function_name("f")));
    assert!(actions.contains(&Action::Stop(ids[0].clone())));
    let actions = world.assign(9, 1);
    assert!(matches!(
        actions.as_slice(),
        [Action::Report { instances, .. }]
            if instances.failure.as_ref().is_some_and(|f| f.starts_with("revision_unknown"))
    ));
}

#[test]
fn adopted_instances_are_kept_or_drained_by_their_uid() {
    let mut world = World::new(10);
    let mut adopt = |id: &str, uid: &str| {
        let (revision, uid) = (rev(), uid.into());
        let (id, ready) = (InstanceId::new(id), true);
        world.event(&Event::Adopted {
            id,
            revision,
            uid,
            ready,
            secrets: 0,
        })
    };
    adopt("x-1", "f-uid-1");
    let actions = adopt("x-2", "stale");
    assert!(actions.contains(&Action::Drain(InstanceId::new("x-2"))));
    world.check((1, 0, 1));
}

proptest! {
    #[test]
    fn capacity_and_terms_hold_whatever_happens(
        capacity in 0..5_u32,
        steps in prop::collection::vec((0..7_u8, 0..6_u64, 0..9_u32), 0..80),
    ) {
        let mut world = World::new(capacity);
        let mut living: Vec<InstanceId> = Vec::new();
        let mut highest = Term::default();
        for (n, &(kind, number, pick)) in steps.iter().enumerate() {
            world.now = Time::from_millis(n as u64 * 40);
            if world.host.next_deadline().is_some_and(|at| at <= world.now) {
                let actions = world.event(&Event::Tick);
                living.extend(started(&actions));
            }
            let one = living.get(pick as usize % living.len().max(1)).cloned();
            let actions = match (kind, one) {
                (0 | 1, _) => world.assign(number, pick),
                (2, Some(id)) => world.event(&Event::Ready(id)),
                (3, Some(id)) => {
                    living.retain(|other| *other != id);
                    world.exit(&id)
                }
                (4, Some(id)) => world.event(&Event::Drained(id)),
                (5, _) => world.event(&Event::Fallback(rev())),
                _ => world.event(&Event::Tick),
            };
            living.extend(started(&actions));
            prop_assert!(living.len() <= capacity as usize);
            prop_assert!(world.host.term(&rev()) >= highest);
            highest = world.host.term(&rev());
            // A deadline in the past would make the shell spin.
            prop_assert!(world.host.next_deadline().is_none_or(|at| at > world.now));
        }
    }
}

#[test]
fn nothing_is_remembered_of_an_idle_revision_the_catalogue_knows_to_work() {
    let mut world = World::new(10);
    assert!(world.host.revisions.is_empty());
    let mut unproven = function("f", Scaling::default());
    unproven.candidate = Some(rev());
    world.event(&Event::Config(Arc::new(unproven)));
    let ids = started(&world.assign(1, 1));
    world.event(&Event::Ready(ids[0].clone()));
    world.assign(1, 0);
    world.event(&Event::Drained(ids[0].clone()));
    world.exit(&ids[0]);
    let proven = |world: &World| world.host.statuses(world.now).any(|s| s.was_ready);
    assert!(proven(&world), "the server must hear of it");
    world.event(&Event::Config(Arc::new(function("f", Scaling::default()))));
    assert!(world.host.revisions.is_empty());
    assert_eq!(started(&world.assign(2, 1)).len(), 1);
    assert!(world.exit(&ids[0]).is_empty());
    assert_eq!(world.report().failure, None);
}
