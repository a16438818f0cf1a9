//! Calls that wait for a slot.

use super::*;
use crate::queue::invoke::{Fault, Slot};

/// Keeps its calls in line until it is told otherwise.
struct Line {
    places: mpsc::UnboundedSender<oneshot::Sender<Result<(), ()>>>,
}

impl Invoke for Line {
    fn invoke(&self, _: &FunctionName, _: Request<Bytes>, _: Duration, slot: Slot) -> Exchange {
        let (place, turn) = oneshot::channel();
        self.places.send(place).unwrap();
        Box::pin(async move {
            if turn.await.unwrap().is_ok() {
                slot.found();
                return std::future::pending().await;
            }
            Err(InvokeError {
                fault: Fault::Unmade,
                code: Code::Overflow,
                message: "full".into(),
            })
        })
    }
}

#[tokio::test]
async fn waiting_for_a_slot_is_no_attempt_and_takes_none_of_its_time() {
    let fixture = Fixture::memory();
    let (places, mut line) = mpsc::unbounded_channel();
    let dispatcher = dispatch(&fixture, Arc::new(Line { places }), known);
    let id = accept(&fixture, record("a")).await;
    let mut place = line.recv().await.unwrap();
    for _ in 0..2 * AsyncPolicy::DEFAULT.max_attempts {
        place.send(Err(())).unwrap();
        place = loop {
            // That it is back in line is told to nobody, so the backoff passes bit by bit.
            tokio::select! {
                place = line.recv() => break place.unwrap(),
                () = tokio::time::sleep(Duration::from_millis(2)) => {
                    fixture.clock.advance(AsyncPolicy::DEFAULT.backoff_base);
                }
            }
        };
        let view = fixture.queue.calls.get(&id).await.unwrap();
        assert_eq!((view.call.tries, view.call.attempts.len()), (1, 1));
    }
    fixture.clock.advance(AsyncPolicy::DEFAULT.attempt_timeout);
    tokio::task::yield_now().await;
    let view = fixture.queue.calls.get(&id).await.unwrap();
    assert_eq!(view.call.state.as_str(), "running", "still in line");
    place.send(Ok(())).unwrap();
    let view = loop {
        // Its time begins when the dispatcher hears of the slot, which nothing here tells.
        fixture
            .clock
            .advance(AsyncPolicy::DEFAULT.attempt_timeout / 10);
        tokio::task::yield_now().await;
        let view = fixture.queue.calls.get(&id).await.unwrap();
        if view
            .call
            .attempts
            .first()
            .is_some_and(|a| !a.error.is_empty())
        {
            break view;
        }
    };
    assert_eq!(view.call.attempts[0].error, "no answer within 300000 ms");
    dispatcher.stop(Duration::ZERO).await;
}
