//! The queue's folder as a released version left it when it was killed: every call in it goes on where it was.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use gateless_core::call::State;

use super::*;
use crate::queue::types::CallId;
use crate::tests::released;

const IDS: &str = "ids.json";

fn open(folder: &Path) -> (Local, Steps) {
    let clock = Manual::new(START);
    let mut config = Config::new(folder.join("queue"), NodeId::new(NODE));
    config.clock = Clock::Manual(clock.clone());
    let queue = Local::open(config).unwrap();
    let steps = Steps::over(Queue::of(&queue), clock);
    (queue, steps)
}

/// One call in each state that lasts, and their ids.
async fn make(packed: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let (queue, steps) = open(folder.path());
    let mut ids = BTreeMap::new();
    ids.insert("dead", steps.dead("failed").await.to_string());
    for (state, record) in [
        ("succeeded", record("served")),
        ("callback", with_callback("called back")),
    ] {
        ids.insert(state, steps.accept(record).await.unwrap().id.to_string());
        let begun = steps.begin().await;
        begun.end(answer(201), steps.now()).await.unwrap();
    }
    let running = steps.accept(keyed("interrupted", "key", 7)).await.unwrap();
    ids.insert("running", running.id.to_string());
    let _begun = steps.begin().await;
    let queued = steps.accept(record("waits")).await.unwrap();
    ids.insert("queued", queued.id.to_string());
    fs::write(folder.path().join(IDS), serde_json::to_vec(&ids).unwrap()).unwrap();
    // As a kill leaves it: packed while it is open.
    let packed = GzEncoder::new(File::create(packed).unwrap(), Compression::best());
    let mut packed = tar::Builder::new(packed);
    packed.append_dir_all(".", folder.path()).unwrap();
    packed.into_inner().unwrap().finish().unwrap();
    queue.close().await;
}

#[tokio::test]
async fn the_queue_of_a_released_version_goes_on() {
    let (packed, is_to_be_made) = released("queue-1.tar.gz");
    if is_to_be_made {
        make(&packed).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let packed = GzDecoder::new(File::open(packed).unwrap());
    tar::Archive::new(packed).unpack(folder.path()).unwrap();
    let ids = fs::read(folder.path().join(IDS)).unwrap();
    let ids: BTreeMap<String, String> = serde_json::from_slice(&ids).unwrap();
    let id = |state: &str| CallId::parse(&ids[state]).unwrap();

    let (queue, steps) = open(folder.path());
    let result = queue.result(&id("succeeded")).await.unwrap();
    assert_eq!((result.status, &result.body[..]), (201, &b"made"[..]));
    assert_eq!(steps.state(&id("dead")).await, "dead");
    let view = steps.view(&id("callback")).await;
    assert!(matches!(view.call.state, State::Succeeded(_)), "{view:?}");
    assert_eq!(view.callback_state, CallbackState::Pending);
    // The attempt that was under way is noted, and its call is due again with the one that waited.
    let due = steps.next(9).await;
    let mut given: Vec<_> = due.iter().map(|d| d.lease.id().clone()).collect();
    given.sort();
    let mut expected = vec![id("running"), id("queued")];
    expected.sort();
    assert_eq!(given, expected);
    let attempts = due.iter().map(|d| d.job.call.attempts.len());
    assert_eq!(attempts.sum::<usize>(), 1);
    let again = steps.accept(keyed("interrupted", "key", 7)).await.unwrap();
    assert_eq!((again.id, again.replayed), (id("running"), true));
    drop(due);
    queue.close().await;
}

#[tokio::test]
async fn a_released_version_finds_the_call_of_a_key_that_this_one_took() {
    let fixture = Fixture::new(|_| {});
    let call = keyed("a", "key", 7);
    let name = call.key_name().unwrap();
    let id = fixture.accept(call).await.unwrap().id;
    let engine = fixture.queue.shared.engine.load_full().unwrap();
    let former = engine::former_idempotency_key(&name);
    let found = accept::found(&engine, &former).unwrap();
    assert_eq!(found, Some((id.key(), [7; 32])));
}
