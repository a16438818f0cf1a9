//! Random histories against a map that is too simple to be wrong.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::Made;
use crate::store::{Batch, Check, Commit, Entry, Error, Event, LogBounds, Revision, Write};

fn random_commit(random: &mut StdRng) -> Commit {
    let mut commit = Commit::new();
    let mut keys: Vec<_> = ["a/1", "a/2", "b/1", "b/2", "c"].into();
    for _ in 0..random.random_range(1..4) {
        let key = keys.swap_remove(random.random_range(0..keys.len()));
        commit = match random.random_range(0..3) {
            0 => commit.delete(key),
            _ => commit.put(key, random.random::<u64>().to_string()),
        };
    }
    match random.random_range(0..4) {
        0 => commit.absent("c"),
        1 => commit.present("a/1"),
        2 => commit.at("b/1", random.random_range(1..50)),
        _ => commit,
    }
}

fn holds(model: &BTreeMap<String, Entry>, commit: &Commit) -> bool {
    commit.checks.iter().all(|check| match check {
        Check::Absent { key } => !model.contains_key(key),
        Check::Present { key } => model.contains_key(key),
        Check::ModRevision { key, revision } => {
            model.get(key).is_some_and(|e| e.mod_revision == *revision)
        }
    })
}

fn write(model: &mut BTreeMap<String, Entry>, commit: Commit, revision: u64) -> Vec<Event> {
    let mut events = Vec::new();
    for write in commit.writes {
        match write {
            Write::Put { key, value } => {
                let old = model.get(&key);
                let entry = Entry {
                    key: key.clone(),
                    value,
                    create_revision: old.map_or(revision, |old| old.create_revision),
                    mod_revision: revision,
                    version: old.map_or(0, |old| old.version) + 1,
                };
                model.insert(key, entry.clone());
                events.push(Event::Put(entry));
            }
            Write::Delete { key } => {
                if model.remove(&key).is_some() {
                    events.push(Event::Delete { key, revision });
                }
            }
        }
    }
    events
}

fn of_prefix(history: &[Batch], prefix: &str, from: Revision) -> Vec<Batch> {
    let batches = history.iter().filter(|b| b.revision >= from).map(|b| {
        let events = b.events.iter().filter(|e| e.key().starts_with(prefix));
        (b.revision, events.cloned().collect::<Vec<_>>())
    });
    batches
        .filter(|(_, events)| !events.is_empty())
        .map(|(revision, events)| Batch { revision, events })
        .collect()
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
        let (mut model, mut history, mut watches) = (BTreeMap::new(), Vec::new(), Vec::new());
        for _ in 0..random.random_range(50..200) {
            let commit = random_commit(random);
            let outcome = store.commit(commit.clone()).await;
            if holds(&model, &commit) {
                let revision = history.len() as Revision + 1;
                let events = write(&mut model, commit, revision);
                if !events.is_empty() {
                    history.push(Batch { revision, events });
                }
                assert_eq!(outcome.unwrap(), history.len() as Revision);
            } else {
                assert!(matches!(outcome, Err(Error::Conflict { .. })));
            }
            if random.random_ratio(1, 10) {
                let prefix = *["", "a/", "b/", "c", "none"].choose(random).unwrap();
                // Of the past, the present and the future.
                let from = random.random_range(0..store.revision() + 5);
                watches.push((prefix, from, store.watch(prefix, from).await.unwrap()));
            }
        }
        let page = store.scan("", None, 100).await.unwrap();
        assert_eq!(page.entries, model.into_values().collect::<Vec<_>>());
        store.close().await.unwrap();
        for (prefix, from, watch) in watches {
            let seen: Vec<_> = watch.map(Result::unwrap).collect().await;
            assert_eq!(seen, of_prefix(&history, prefix, from), "{prefix} {from}");
        }
    }
}
