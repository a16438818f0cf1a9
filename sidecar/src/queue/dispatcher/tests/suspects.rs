//! Calls that were inside an instance when it broke off.

use parking_lot::Mutex;

use http_body::Frame;
use http_body_util::StreamBody;

use super::*;
use crate::call::answer::{Blamed, BrokenOff};
use crate::queue::invoke::{BodyError, Fault};

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

/// An answer whose body begins and then fails so.
fn broken_off(cause: BodyError) -> Result<Answer, InvokeError> {
    let frames = [Ok(Frame::data(Bytes::from_static(b"half"))), Err(cause)];
    let body = StreamBody::new(futures_util::stream::iter(frames));
    Ok(http::Response::new(body.boxed_unsync()))
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_charged_to_whoever_broke() {
    let fixture = Fixture::memory();
    let by = |by| -> BodyError {
        let cause = "it ended".into();
        BrokenOff { by, cause }.into()
    };
    let answers = scripted(move |n| {
        now(match n {
            1 => broken_off(by(Blamed::Peer)),
            2 => broken_off(by(Blamed::Instance)),
            3 => broken_off("the component was ended".into()),
            _ => reply(200, "whole"),
        })
    });
    let policy = AsyncPolicy {
        backoff_max: Duration::ZERO,
        ..AsyncPolicy::DEFAULT
    };
    let dispatcher = dispatch(&fixture, answers, move |_: &FunctionName| {
        Lookup::Known(policy)
    });
    let id = accept(&fixture, record("a")).await;
    let view = state(&fixture, &id, "succeeded").await;
    // What was between is no try of the call's, and its own failure makes it no suspect.
    let call = &view.call;
    assert_eq!(
        (call.tries, call.interruptions, call.suspect),
        (3, 1, false)
    );
    let errors: Vec<_> = call.attempts.iter().map(|a| a.error.as_str()).collect();
    let broke = |why: &str| format!("the answer broke off: {why}");
    let ended = broke("it ended");
    assert_eq!(
        errors,
        [&ended, &ended, &broke("the component was ended"), ""]
    );
    dispatcher.stop(Duration::from_secs(9)).await;
}
