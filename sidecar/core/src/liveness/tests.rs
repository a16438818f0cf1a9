//! Silence and what is made of it, in invented time.

use super::*;

/// What an instance does, as far as it can be seen from outside.
#[derive(Debug, Clone, Copy, Default)]
struct Doing {
    in_flight: u32,
    /// Calls get something of it at every look.
    answers: bool,
    /// So long after it was asked; `None`: never.
    probes_after: Option<Duration>,
    stopped: bool,
    /// Calls take every place.
    full: bool,
}

const IDLE: Doing = Doing {
    in_flight: 0,
    answers: false,
    probes_after: Some(Duration::from_millis(2)),
    stopped: false,
    full: false,
};
const HUNG: Doing = Doing {
    in_flight: 1,
    probes_after: None,
    ..IDLE
};
const STOPPED: Doing = Doing {
    stopped: true,
    ..HUNG
};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// One instance and its watcher.
struct World {
    now: Time,
    liveness: Liveness,
    heard: u64,
    probes: u32,
    /// When the one under way was sent.
    probe: Option<Time>,
    look: bool,
    stood: Standing,
    replaced: Option<Arc<str>>,
}

const TIMEOUT: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(10);

fn rules() -> Rules {
    Rules {
        period: secs(10),
        threshold: 3,
        work: secs(60),
        first: Duration::ZERO,
    }
}

fn id() -> InstanceId {
    InstanceId::new("i")
}

impl World {
    fn new(rules: Rules) -> Self {
        let mut world = Self {
            now: Time::from_millis(7_000),
            liveness: Liveness::default(),
            heard: 0,
            probes: 0,
            probe: None,
            look: false,
            stood: Standing::Serving,
            replaced: None,
        };
        world.tell(Event::Added(id(), rules));
        world
    }

    fn tell(&mut self, event: Event) {
        let mut out = Vec::new();
        self.liveness.on_event(self.now, event, &mut out);
        for action in out {
            match action {
                Action::Stand(_, standing) => self.stood = standing,
                Action::Replace { cause, .. } => self.replaced = Some(cause),
                Action::Probe(_) => {
                    assert!(self.probe.is_none(), "one at a time");
                    self.probe = Some(self.now);
                }
                Action::Look(_) => {
                    assert!(!self.look, "one at a time");
                    self.look = true;
                }
            }
        }
    }

    fn step(&mut self, doing: Doing) {
        if let Some(sent) = self.probe {
            let answered = doing
                .probes_after
                .is_some_and(|after| self.now >= sent + after);
            let end = match () {
                () if doing.full => Some(Probe::NoPlace),
                () if answered => Some(Probe::Answered),
                () if self.now >= sent + TIMEOUT => Some(Probe::Silent("nothing".into())),
                () => None,
            };
            if let Some(end) = end {
                self.probe = None;
                self.probes += u32::from(end != Probe::NoPlace);
                self.tell(Event::Probed(id(), end));
            }
        }
        if std::mem::take(&mut self.look) {
            self.tell(Event::Looked(id(), doing.stopped));
        }
        if self
            .liveness
            .next_deadline()
            .is_some_and(|at| at <= self.now)
        {
            self.heard += u64::from(doing.answers);
            let (in_flight, heard) = (doing.in_flight, self.heard);
            let id = id();
            self.tell(Event::Seen(vec![Seen {
                id,
                in_flight,
                heard,
            }]));
        }
    }

    /// How long it takes until `done`, while the instance does this; `None`: longer than `most`.
    fn until(&mut self, doing: Doing, most: Duration, done: fn(&Self) -> bool) -> Option<Duration> {
        let began = self.now;
        while self.now < began + most {
            self.now += STEP;
            self.step(doing);
            if done(self) {
                return Some(self.now.since(began));
            }
        }
        None
    }

    fn pass(&mut self, doing: Doing, time: Duration) {
        self.until(doing, time, |_| false);
    }

    fn replaced_in(&mut self, doing: Doing, most: Duration) -> Option<Duration> {
        self.until(doing, most, |world| world.replaced.is_some())
    }
}

#[test]
fn a_stopped_process_with_calls_gets_none_any_more_and_is_replaced_within_a_second_and_a_half() {
    let mut world = World::new(rules());
    world.pass(IDLE, secs(25));
    let shut = world.until(STOPPED, secs(9), |world| world.stood == Standing::Shut);
    let rest = world.replaced_in(STOPPED, secs(9));
    let (shut, rest) = (shut.unwrap(), rest.unwrap());
    assert!(shut <= Duration::from_millis(800), "{shut:?}");
    assert!(
        shut + rest <= Duration::from_millis(1_300),
        "{shut:?} {rest:?}"
    );
    assert!(world.replaced.unwrap().contains("SIGSTOP"));
    assert_eq!(world.liveness.next_deadline(), None, "it is forgotten");
}

#[test]
fn a_process_that_is_stopped_for_a_moment_goes_on() {
    // As `cpulimit` does it: a part of every tenth of a second, here the worst of them at a look.
    let mut world = World::new(rules());
    for _ in 0..100 {
        world.pass(STOPPED, Duration::from_millis(700));
        let running = Doing {
            stopped: false,
            answers: true,
            ..HUNG
        };
        world.pass(running, Duration::from_millis(300));
    }
    assert_eq!((world.replaced, world.stood), (None, Standing::Serving));
}

#[test]
fn a_process_that_was_stopped_at_one_look_gets_calls_again_after_the_next() {
    let mut world = World::new(rules());
    world.pass(IDLE, secs(25));
    let shut = world.until(STOPPED, secs(9), |world| world.stood == Standing::Shut);
    assert!(shut.is_some());
    // It goes on, and its callers have gone: nothing is asked of it now.
    let serves = world.until(IDLE, secs(20), |world| world.stood == Standing::Serving);
    assert!(serves.unwrap() <= LOOK_EVERY * 2, "{serves:?}");
    assert_eq!(world.replaced, None);
}

#[test]
fn a_look_that_takes_long_is_the_only_one() {
    let mut world = World::new(rules());
    world.pass(IDLE, secs(25));
    let mut looks = 0;
    let mut tell = |event: Event| {
        world.now += LOOK_EVERY;
        let mut out = Vec::new();
        world.liveness.on_event(world.now, event, &mut out);
        looks += out.iter().filter(|a| matches!(a, Action::Look(_))).count();
        looks
    };
    let seen = || {
        let (id, in_flight, heard) = (id(), 1, 1);
        Event::Seen(vec![Seen {
            id,
            in_flight,
            heard,
        }])
    };
    for _ in 0..20 {
        tell(seen());
    }
    assert_eq!(tell(Event::Looked(id(), false)), 1);
    assert_eq!(tell(seen()), 2);
}

#[test]
fn an_idle_instance_is_asked_once_a_period_and_replaced_as_kubernetes_does() {
    let mut world = World::new(rules());
    world.pass(IDLE, secs(100));
    assert!((9..=10).contains(&world.probes), "{}", world.probes);
    let hung = Doing {
        in_flight: 0,
        ..HUNG
    };
    let suspect = world.until(hung, secs(60), |world| world.stood == Standing::Suspect);
    assert!(suspect.unwrap() <= secs(12), "{suspect:?}");
    let rest = world.replaced_in(hung, secs(60)).unwrap();
    assert!((secs(19)..=secs(22)).contains(&rest), "{rest:?}");
}

#[test]
fn who_answers_calls_is_not_asked() {
    let mut world = World::new(rules());
    let answering = Doing {
        in_flight: 3,
        answers: true,
        ..HUNG
    };
    world.pass(answering, secs(300));
    assert_eq!((world.probes, world.stood), (0, Standing::Serving));
}

#[test]
fn a_busy_single_thread_is_only_passed_over_and_forgiven() {
    let mut world = World::new(rules());
    // At it for 50 s, and answers no probe: calls may take 60 s.
    for _ in 0..20 {
        let stood = world.until(HUNG, secs(3), |world| world.stood == Standing::Suspect);
        assert!(stood.is_some());
        world.pass(HUNG, secs(47));
        assert_eq!(world.stood, Standing::Suspect);
        let answered = Doing {
            answers: true,
            ..HUNG
        };
        world.pass(answered, LOOK_EVERY * 2);
        assert_eq!((&world.replaced, world.stood), (&None, Standing::Serving));
    }
}

#[test]
fn a_hung_instance_with_calls_is_shut_when_no_call_may_take_so_long_and_then_replaced() {
    let mut world = World::new(Rules {
        work: secs(2),
        ..rules()
    });
    let shut = world.until(HUNG, secs(9), |world| world.stood == Standing::Shut);
    assert!(shut.unwrap() <= Duration::from_millis(2_300), "{shut:?}");
    assert!(world.replaced_in(HUNG, secs(30)).unwrap() <= secs(22));
    // A short period is short here, too.
    let short = Rules {
        work: secs(2),
        period: secs(1),
        threshold: 2,
        ..rules()
    };
    let mut world = World::new(short);
    assert!(world.replaced_in(HUNG, secs(30)).unwrap() <= secs(5));
    assert!(world.replaced.unwrap().contains("answered none of"));
}

#[test]
fn without_a_place_for_a_probe_it_is_shut_until_there_is_one() {
    let mut world = World::new(Rules {
        work: secs(2),
        period: secs(1),
        ..rules()
    });
    let full = Doing { full: true, ..HUNG };
    world.pass(full, secs(60));
    assert_eq!((&world.replaced, world.stood), (&None, Standing::Shut));
    // The calls have ended, as none may take longer.
    let empty = Doing {
        in_flight: 0,
        ..HUNG
    };
    assert!(world.replaced_in(empty, secs(9)).is_some());
}

#[test]
fn a_long_call_beside_which_probes_are_answered_is_let_be() {
    let mut world = World::new(rules());
    let silent_stream = Doing {
        in_flight: 1,
        ..IDLE
    };
    world.pass(silent_stream, secs(600));
    assert_eq!((&world.replaced, world.stood), (&None, Standing::Serving));
    assert!(world.probes < 66, "ever more rarely: {}", world.probes);
}

#[test]
fn who_never_answered_has_its_start_timeout() {
    let mut world = World::new(Rules {
        first: secs(40),
        period: secs(1),
        ..rules()
    });
    let hung = Doing {
        in_flight: 0,
        ..HUNG
    };
    let took = world.replaced_in(hung, secs(60)).unwrap();
    assert!((secs(40)..=secs(41)).contains(&took), "{took:?}");
    assert!(world.replaced.unwrap().contains("never answered"));
}

#[test]
fn a_sidecar_that_was_stopped_itself_holds_nothing_against_anyone() {
    let mut world = World::new(Rules {
        period: secs(1),
        ..rules()
    });
    for _ in 0..50 {
        world.pass(IDLE, secs(2));
        world.now += secs(3_600);
    }
    assert_eq!((&world.replaced, world.stood), (&None, Standing::Serving));
}

#[test]
fn containers_are_watched_as_processes_are() {
    let scaling = crate::config::Scaling::DEFAULT;
    let process = crate::fixture::revision("hello", 1, scaling);
    let expected = Rules::of(&process);
    assert_eq!(expected.unwrap().first, secs(60));
    let mut container = process;
    container.runtime = Runtime::Container(crate::config::Container {
        image: "acme/hello:1".into(),
        command: Vec::new(),
        args: Vec::new(),
        user: None,
        tmpfs: Vec::new(),
        ready: Readiness::Tcp,
        port: 8_080,
        start_timeout: secs(60),
        stop_grace: secs(30),
        memory: None,
        cpu: None,
        max_processes: 1_024,
        read_only_root: false,
    });
    assert_eq!(Rules::of(&container), expected);
}
