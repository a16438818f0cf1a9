//! Calls that were inside an instance when it broke off.

use parking_lot::Mutex;

use super::*;
use crate::queue::invoke::{Fault, Slot};

/// One process: a call whose body says so ends it, with every call that is inside.
struct Process {
    inside: Arc<Mutex<Inside>>,
    crashes: watch::Sender<u32>,
}

#[derive(Default)]
struct Inside {
    calls: usize,
    /// The one inside was there before at a crash.
    suspect: bool,
    mixed: bool,
}

impl Invoke for Process {
    fn invoke(
        &self,
        _: &FunctionName,
        request: Request<Bytes>,
        _: Duration,
        slot: Slot,
    ) -> Exchange {
        let (inside, crashes) = (self.inside.clone(), self.crashes.clone());
        Box::pin(async move {
            slot.found();
            let mut crashed = crashes.subscribe();
            let again = request.headers()["x-gateless-attempt"] != "1";
            {
                let mut inside = inside.lock();
                inside.mixed |= inside.calls > 0 && (again || inside.suspect);
                inside.calls += 1;
                inside.suspect = again;
            }
            // Until everybody who is to be inside is there.
            tokio::time::sleep(Duration::from_millis(5)).await;
            let poison = &request.body()[..] == b"poison";
            if poison {
                crashes.send_modify(|crashes| *crashes += 1);
            }
            let hit = crashed.has_changed().unwrap();
            crashed.mark_unchanged();
            let mut inside = inside.lock();
            inside.calls -= 1;
            inside.suspect &= inside.calls > 0;
            match hit {
                false => reply(200, "ok"),
                true => Err(InvokeError {
                    fault: Fault::Instance,
                    code: Code::InstanceFailed,
                    message: "it broke off".into(),
                }),
            }
        })
    }
}

/// As found: of four calls that end the process among sixty good ones 51 good ones were dead.
#[tokio::test]
async fn calls_that_end_the_process_take_no_good_one_along() {
    let fixture = Fixture::memory();
    let inside = Arc::new(Mutex::new(Inside::default()));
    let process = Process {
        inside: inside.clone(),
        crashes: watch::Sender::new(0),
    };
    let policy = |_: &FunctionName| {
        Lookup::Known(AsyncPolicy {
            max_age: Duration::from_secs(30 * 86_400),
            ..AsyncPolicy::DEFAULT
        })
    };
    let (mut good, mut poison) = (Vec::new(), Vec::new());
    for n in 0..64 {
        match n % 16 {
            7 => poison.push(accept(&fixture, record("poison")).await),
            _ => good.push(accept(&fixture, record("good")).await),
        }
    }
    let dispatcher = dispatch(&fixture, Arc::new(process), policy);
    for (ids, end, tries) in [(&good, "succeeded", 2), (&poison, "dead", 5)] {
        for id in ids {
            let view = until(&fixture, id, |view| {
                // Nobody says when the back-off begins, so it passes bit by bit.
                fixture.clock.advance(Duration::from_millis(500));
                view.call.state.finished_at().is_some()
            })
            .await;
            assert_eq!(view.call.state.as_str(), end, "{view:?}");
            assert!(view.call.tries <= tries, "{view:?}");
        }
    }
    assert!(!inside.lock().mixed, "a suspect is tried alone");
    dispatcher.stop(Duration::from_secs(9)).await;
}
