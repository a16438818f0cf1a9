//! Random histories against a map that is too simple to be wrong.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::Made;
use crate::store::{Batch, Entry, Error, Event, Expect, LogBounds, Revision, Write};

fn random_write(random: &mut StdRng, known: &[Revision]) -> Write {
    let key = *["a/1", "a/2", "b/1", "b/2", "c"].choose(random).unwrap();
    let write = match random.random_range(0..3) {
        0 => Write::delete(key),
        _ => Write::put(key, random.random::<u64>().to_string()),
    };
    let expect = match random.random_range(0..5) {
        0 => Expect::Absent,
        1 => Expect::Present,
        2 => Expect::At(known.choose(random).copied().unwrap_or(1)),
        _ => Expect::Anything,
    };
    write.unwrap().expecting(expect)
}

/// What the write does at `revision`, if it does something.
fn apply(model: &mut BTreeMap<String, Entry>, write: Write, revision: Revision) -> Option<Event> {
    let Write { key, value, .. } = write;
    let Some(value) = value else {
        model.remove(&key)?;
        return Some(Event::Delete { key, revision });
    };
    let entry = Entry {
        key: key.clone(),
        value,
        revision,
    };
    model.insert(key, entry.clone());
    Some(Event::Put(entry))
}

fn of_prefix(history: &[Batch], prefix: &str, after: Revision) -> Vec<Batch> {
    let ours = history.iter().filter(|batch| {
        batch.revision > after && batch.events.iter().any(|e| e.key().starts_with(prefix))
    });
    ours.cloned().collect()
}

pub(in crate::store) async fn random_histories_are_as_the_model_says(
    make: impl Fn(LogBounds) -> Made,
) {
    for _ in 0..6 {
        let seed = rand::random::<u64>();
        println!("seed {seed}");
        let random = &mut StdRng::seed_from_u64(seed);
        let subject = make(LogBounds::default()).await;
        let store = &subject.store;
        let (mut model, mut history) = (BTreeMap::new(), Vec::<Batch>::new());
        let (mut watches, mut known) = (Vec::new(), vec![0]);
        for _ in 0..random.random_range(50..200) {
            let write = random_write(random, &known);
            let actual = model.get(write.key()).map(|entry: &Entry| entry.revision);
            let outcome = store.write(write.clone()).await;
            let newest = *known.last().unwrap();
            if write.expect.holds(actual) {
                let revision = outcome.unwrap();
                match apply(&mut model, write, revision) {
                    Some(event) => {
                        assert!(revision > newest);
                        let events = vec![event];
                        history.push(Batch { revision, events });
                        known.push(revision);
                    }
                    None => assert_eq!(revision, newest),
                }
            } else {
                assert!(matches!(outcome, Err(Error::Conflict { .. })));
            }
            if random.random_ratio(1, 10) {
                let prefix = *["", "a/", "b/", "c", "none"].choose(random).unwrap();
                // Of the past, the present and the future.
                let after = random.random_range(0..newest + 5);
                watches.push((prefix, after, store.watch(prefix, after).await.unwrap()));
            }
        }
        let page = store.scan("", None, 100).await.unwrap();
        assert_eq!(page.entries, model.into_values().collect::<Vec<_>>());
        store.close().await.unwrap();
        for (prefix, after, watch) in watches {
            let seen: Vec<_> = watch.map(Result::unwrap).collect().await;
            assert_eq!(seen, of_prefix(&history, prefix, after), "{prefix} {after}");
        }
    }
}
