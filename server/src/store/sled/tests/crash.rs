//! kill -9 at any moment: what was acknowledged is there. The test binary is its own victim.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};

use rand::Rng;

use super::*;
use crate::store::Event;

const DIR: &str = "GATELESS_TEST_STORE_DIR";
const ROUNDS: usize = 8;

/// Commits for ever and says so; does nothing unless it was started as the victim.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn victim() {
    let Ok(dir) = std::env::var(DIR) else {
        return;
    };
    let options = Options {
        export_interval: Duration::from_millis(20),
        ..Options::default()
    };
    let store = Arc::new(SledStore::open(&dir, options).await.unwrap());
    assert_eq!(store.restored(), None);
    println!();
    let writers = (0..4).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in 0_usize.. {
                let key = format!("k{writer}/{}", n % 50);
                let size = if n % 40 == 0 { 300_000 } else { n % 2000 };
                let mut writes = vec![put(key.clone(), vec![writer; size])];
                if n % 3 == 0 {
                    let other = format!("k{writer}/{}", (n + 25) % 50);
                    writes.push(Write::delete(other).unwrap());
                }
                let both = Transaction::new(Vec::new(), writes).unwrap();
                let revision = store.transact(both).await.unwrap();
                let mut out = std::io::stdout().lock();
                writeln!(out, "ack {revision} {key} {size}").unwrap();
            }
        })
    });
    futures_util::future::join_all(writers).await;
}

/// Runs a victim, kills it after `acks` acknowledgements, returns all it gave.
fn run_victim(dir: &Path, acks: usize) -> Vec<(Revision, String, usize)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "store::sled::tests::crash::victim",
            "--nocapture",
        ])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let mut words = line.split(' ');
        // The last line may be torn; the others are whole.
        if let (Some("ack"), Some(revision), Some(key), Some(size)) =
            (words.next(), words.next(), words.next(), words.next())
            && let Ok(size) = size.parse()
        {
            acknowledged.push((revision.parse().unwrap(), key.to_owned(), size));
        }
        if acknowledged.len() == acks {
            child.kill().unwrap();
        }
    }
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(acknowledged.len() >= acks, "the victim failed: {stderr}");
    acknowledged
}

#[tokio::test]
async fn no_acknowledged_commit_is_lost_by_kill_9() {
    let dir = TempDir::new().unwrap();
    let mut acknowledged = BTreeMap::new();
    for round in 0..ROUNDS {
        let acks = rand::rng().random_range(1..400);
        let path = dir.path().to_owned();
        let acks = tokio::task::spawn_blocking(move || run_victim(&path, acks))
            .await
            .unwrap();
        for (revision, key, size) in acks {
            let twice = acknowledged.insert(revision, (key, size));
            assert_eq!(twice, None, "revision {revision} was given twice");
        }
        let store = open(dir.path()).await;
        assert_eq!(store.restored(), None, "round {round}");
        let last = store.revision().await.unwrap();
        let history = store.watch("", 0).await.unwrap();
        store.close().await.unwrap();
        let history: Vec<_> = history.map(Result::unwrap).collect().await;
        let mut model = BTreeMap::new();
        let seen: BTreeSet<_> = history.iter().map(|batch| batch.revision).collect();
        assert!(acknowledged.keys().all(|revision| seen.contains(revision)));
        for batch in history {
            let revision = batch.revision;
            if let Some((key, size)) = acknowledged.get(&revision) {
                let Some(Event::Put(entry)) = batch.events.first() else {
                    panic!("revision {revision} is not what was acknowledged");
                };
                assert_eq!((&entry.key, &entry.value.len()), (key, size));
            }
            for event in batch.events {
                match event {
                    Event::Put(entry) => model.insert(entry.key.clone(), entry),
                    Event::Delete { key, .. } => model.remove(&key),
                };
            }
        }
        assert!(
            acknowledged
                .last_key_value()
                .is_some_and(|(r, _)| *r <= last)
        );
        assert_eq!(
            everything(&store).await,
            model.into_values().collect::<Vec<_>>()
        );
    }
}
