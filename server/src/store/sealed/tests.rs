//! What lies below a sealed store, and what does not open.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;

use super::{KEYS, Keyring, Sealed, Vault, is_sealed, seal_all, unseal_all};
use crate::store::{Event, Expect, LogBounds, MemoryStore, Store, Transaction, Write, list};

fn scope(key: &str) -> Option<&str> {
    key.strip_prefix("secrets/")?.split('/').next()
}

fn put(key: &str, value: &'static str) -> Write {
    Write::put(key, Bytes::from_static(value.as_bytes())).unwrap()
}

async fn sealed(below: &Arc<dyn Store>, keyring: &Keyring) -> Sealed {
    let vault = Vault::open(Arc::clone(below), keyring.clone()).await;
    Sealed::new(Arc::clone(below), vault.unwrap(), scope, true)
}

async fn value(store: &dyn Store, key: &str) -> Bytes {
    store.get(key).await.unwrap().unwrap().value
}

fn below() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(LogBounds::default()))
}

#[tokio::test]
async fn what_is_secret_is_plain_above_and_sealed_below() {
    let (below, keyring) = (below(), Keyring::generate());
    let store = sealed(&below, &keyring).await;
    let mut watch = store.watch("secrets/", 0).await.unwrap();
    store.write(put("secrets/a/one", "hunter2")).await.unwrap();
    let both = vec![
        put("secrets/b/two", "swordfish"),
        put("functions/a/f", "plain"),
    ];
    let both = Transaction::new(Vec::new(), both).unwrap();
    store.transactions().unwrap().transact(both).await.unwrap();
    assert_eq!(value(&store, "secrets/a/one").await, "hunter2");
    assert_eq!(value(&store, "functions/a/f").await, "plain");
    let listed = list(&store, "secrets/").await.unwrap().entries;
    let listed: Vec<_> = listed.iter().map(|entry| entry.value.clone()).collect();
    assert_eq!(listed, ["hunter2", "swordfish"]);
    for expected in ["hunter2", "swordfish"] {
        let batch = watch.next().await.unwrap().unwrap();
        let [Event::Put(entry)] = &batch.events[..] else {
            unreachable!("{batch:?}")
        };
        assert_eq!(entry.value, expected);
    }
    assert!(is_sealed(&value(&*below, "secrets/a/one").await));
    let all = list(&*below, "").await.unwrap().entries;
    for entry in &all {
        let shown = |word: &[u8]| entry.value.windows(word.len()).any(|part| part == word);
        assert!(!shown(b"hunter2") && !shown(b"swordfish"), "{}", entry.key);
    }
    // Of each scope one.
    assert_eq!(
        all.iter()
            .filter(|entry| entry.key.starts_with(KEYS))
            .count(),
        2
    );
    // Opened again by who has the key, and by nobody else.
    assert_eq!(
        value(&sealed(&below, &keyring).await, "secrets/a/one").await,
        "hunter2"
    );
    let other = Vault::open(Arc::clone(&below), Keyring::generate()).await;
    let error = other.err().unwrap().to_string();
    assert!(error.contains(keyring.current().id()), "{error}");
}

#[tokio::test]
async fn a_sealed_value_opens_in_no_other_place_and_keeps_nothing_else_from_anyone() {
    let below = below();
    let store = sealed(&below, &Keyring::generate()).await;
    store.write(put("secrets/a/one", "hunter2")).await.unwrap();
    store
        .write(put("secrets/a/two", "swordfish"))
        .await
        .unwrap();
    let moved = value(&*below, "secrets/a/one").await;
    let write = Write::put("secrets/a/two", moved.clone()).unwrap();
    below.write(write).await.unwrap();
    // As it lies, which is no record.
    assert_eq!(value(&store, "secrets/a/two").await, moved);
    assert_eq!(value(&store, "secrets/a/one").await, "hunter2");
    assert_eq!(list(&store, "secrets/").await.unwrap().entries.len(), 2);
}

#[tokio::test]
async fn expectations_hold_through_it() {
    let below = below();
    let store = sealed(&below, &Keyring::generate()).await;
    let first = put("secrets/a/one", "1").expecting(Expect::Absent);
    let at = store.write(first.clone()).await.unwrap();
    assert!(store.write(first).await.is_err());
    let second = put("secrets/a/one", "2").expecting(Expect::At(at));
    store.write(second).await.unwrap();
    assert_eq!(value(&store, "secrets/a/one").await, "2");
}

#[tokio::test]
async fn two_servers_that_make_a_scopes_key_at_once_use_one() {
    let (below, keyring) = (below(), Keyring::generate());
    let (one, other) = (
        sealed(&below, &keyring).await,
        sealed(&below, &keyring).await,
    );
    let (a, b) = tokio::join!(
        one.write(put("secrets/a/one", "1")),
        other.write(put("secrets/a/two", "2"))
    );
    a.unwrap();
    b.unwrap();
    assert_eq!(list(&*below, KEYS).await.unwrap().entries.len(), 1);
    for store in [&one, &other] {
        assert_eq!(value(store, "secrets/a/one").await, "1");
        assert_eq!(value(store, "secrets/a/two").await, "2");
    }
}

#[tokio::test]
async fn another_key_wraps_what_the_one_before_did_and_secrets_stay_as_they_are() {
    let (below, before) = (below(), Keyring::generate());
    let store = sealed(&below, &before).await;
    for key in ["secrets/a/one", "secrets/b/one", "secrets/c/one"] {
        store.write(put(key, "x")).await.unwrap();
    }
    let lies = value(&*below, "secrets/a/one").await;
    let at = below.revision().await.unwrap();
    let after = before.rotated().unwrap();
    let vault = Vault::open(Arc::clone(&below), after.clone())
        .await
        .unwrap();
    let counts = async || {
        let wrapped = vault.wrapped().await.unwrap().into_iter();
        wrapped.map(|key| key.data_keys).collect::<Vec<_>>()
    };
    assert_eq!(counts().await, [0, 3]);
    assert_eq!(vault.wrap_anew().await.unwrap(), 3);
    assert_eq!(vault.wrap_anew().await.unwrap(), 0);
    assert_eq!(counts().await, [3, 0]);
    assert_eq!(value(&*below, "secrets/a/one").await, lies);
    // The store's revision rose by the data keys' records alone.
    assert_eq!(below.revision().await.unwrap(), at + 3);
    let retired = sealed(&below, &after.retired()).await;
    assert_eq!(value(&retired, "secrets/c/one").await, "x");
    assert!(Vault::open(below, before).await.is_err());
}

#[tokio::test]
async fn everything_can_be_sealed_and_made_plain_with_the_revisions_it_has() {
    let (plain, keyring) = (below(), Keyring::generate());
    for key in ["functions/a/f", "secrets/a/one", "secrets/b/two"] {
        plain.write(put(key, "x")).await.unwrap();
    }
    let entries = list(&*plain, "").await.unwrap().entries;
    let sealed = seal_all(entries.clone(), 3, &keyring, scope).unwrap();
    assert_eq!(sealed.len(), 5);
    assert!(sealed.is_sorted_by(|a, b| a.key < b.key));
    assert_eq!(
        sealed
            .iter()
            .filter(|entry| is_sealed(&entry.value))
            .count(),
        2
    );
    assert_eq!(
        seal_all(sealed.clone(), 3, &keyring, scope).unwrap(),
        sealed
    );
    assert!(unseal_all(sealed.clone(), &Keyring::generate(), scope).is_err());
    assert_eq!(unseal_all(sealed, &keyring, scope).unwrap(), entries);
}
