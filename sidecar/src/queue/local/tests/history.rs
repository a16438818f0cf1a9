//! Finished calls make way for others, and never a call that waits for them.

use super::*;
use crate::queue::types::CallId;

/// Bytes counted of one call of these tests once it has its answer.
const EACH: u64 = 2_000;

impl Fixture {
    fn kept(&self) -> (u64, u64) {
        let index = self.queue.shared.index.lock();
        (index.kept.history, index.kept.dead_bytes)
    }

    /// A call of a function that is answered.
    async fn served(&self, name: &str) -> CallId {
        let id = self.accept(of(name, "body")).await.unwrap().id;
        let function = of(name, "").function;
        let delivery = self.queue.next(&function, 1).await.unwrap().pop();
        let begun = self.begin_with(delivery.unwrap()).await.unwrap();
        begun.end(answer(200), self.now()).await.unwrap();
        self.steps.clock.advance(Duration::from_millis(2));
        id
    }
}

#[tokio::test]
async fn finished_calls_make_way_for_themselves_and_refuse_no_call() {
    let mut fixture = Fixture::new(|config| {
        config.max_bytes = 2 * EACH;
        config.max_history_bytes = 20 * EACH;
    });
    let of_other = fixture.served("few").await;
    let mut ids = Vec::new();
    for _ in 0..160 {
        ids.push(fixture.served("many").await);
        let (history, _) = fixture.kept();
        assert!(history <= 20 * EACH, "{history}");
    }
    let result = async |fixture: &Fixture, id: &CallId| {
        let result = fixture.queue.result(id).await;
        result.map(|result| result.status).map_err(|e| e.code())
    };
    let state = async |fixture: &Fixture, id: &CallId| fixture.state(id).await;
    for restarted in [false, true] {
        if restarted {
            fixture.restart().await;
        }
        // The results of the oldest are gone first, then those calls; the newest and another function's are there.
        assert_eq!(state(&fixture, &ids[0]).await, "unknown");
        let dropped = ids.len() / 2;
        let mut kinds = Vec::new();
        for id in &ids {
            kinds.push(result(&fixture, id).await);
        }
        assert_eq!(kinds.last(), Some(&Ok(200)));
        assert_eq!(kinds[0], Err(Code::CallNotFound));
        let order = |kind: &Result<u16, Code>| match kind {
            Err(Code::CallNotFound) => 0,
            Err(_) => 1,
            Ok(_) => 2,
        };
        assert!(kinds.is_sorted_by_key(order), "{kinds:?} {dropped}");
        assert!(kinds.contains(&Err(Code::CallHasNoResult)), "{kinds:?}");
        assert_eq!(result(&fixture, &of_other).await, Ok(200));
    }
    // A call whose result is gone is replayed as any other.
    let gone = ids.iter().rev();
    let mut gone = Box::pin(futures_util::stream::iter(gone));
    while let Some(id) = futures_util::StreamExt::next(&mut gone).await {
        if result(&fixture, id).await == Err(Code::CallHasNoResult) {
            fixture.steps.queue.calls.replay(id).await.unwrap();
            fixture.steps.queue.calls.cancel(id).await.unwrap();
            break;
        }
    }
    for name in ["many", "few"] {
        let function = of(name, "").function;
        let purged = fixture.steps.queue.calls.purge_history(&function).await;
        assert!(purged.unwrap() > 0);
    }
    assert_eq!((fixture.kept(), fixture.stored()), ((0, 0), 0));
}

#[tokio::test]
async fn dead_letters_have_a_bound_of_their_own() {
    let fixture = Fixture::new(|config| config.max_dead_bytes = 10 * EACH);
    let served = fixture.served("hello").await;
    let mut ids = Vec::new();
    for _ in 0..40 {
        ids.push(fixture.dead("dead").await);
        fixture.steps.clock.advance(Duration::from_millis(2));
        assert!(fixture.kept().1 <= 10 * EACH);
    }
    assert_eq!(fixture.state(&ids[0]).await, "unknown");
    assert_eq!(fixture.state(ids.last().unwrap()).await, "dead");
    assert_eq!(fixture.state(&served).await, "succeeded");
    let page = fixture.queue.list(dead_letters(100)).await.unwrap();
    let depth = fixture.queue.depths().pop().unwrap();
    assert_eq!(page.calls.len() as u64, depth.dead);
}

#[tokio::test]
async fn what_is_kept_is_known_at_the_start_and_counted_anew_after_another_version() {
    let mut fixture = Fixture::new(|_| {});
    for _ in 0..3 {
        fixture.served("a").await;
    }
    fixture.dead("dead").await;
    fixture.accept(record("waits")).await.unwrap();
    let (kept, stored) = (fixture.kept(), fixture.stored());
    assert!(kept.0 > 0 && kept.1 > 0 && stored > kept.0 + kept.1);
    fixture.restart().await;
    assert_eq!((fixture.kept(), fixture.stored()), (kept, stored));
    // A version that keeps one count for all leaves the others as they were.
    let engine = fixture.queue.shared.engine.load_full().unwrap();
    let mut batch = engine.batch();
    engine.set_stored_bytes(&mut batch, stored + 1);
    let name = engine::function_prefix(&function());
    batch.remove(&engine.kept, name);
    batch.commit().unwrap();
    drop(engine);
    fixture.restart().await;
    assert_eq!((fixture.kept(), fixture.stored()), (kept, stored));
    assert_eq!(fixture.queue.depths().pop().unwrap().dead, 1);
}
