//! Stores that do not open: restored loudly, or refused; never silently wrong, never silently empty.

use std::fs;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

/// A closed store at revision 20 with exports at 10 and 20; what it held at each.
async fn filled(dir: &Path) -> (Vec<Entry>, Vec<Entry>) {
    let mut contents = Vec::new();
    for round in 0..2_u8 {
        let store = open(dir).await;
        for i in 0..10_u8 {
            let write = put(format!("k{i}"), vec![round + i; 3000]);
            store.write(write).await.unwrap();
        }
        contents.push(everything(&store).await);
        store.close().await.unwrap();
    }
    let newest = contents.pop().unwrap();
    (contents.pop().unwrap(), newest)
}

fn set_aside(dir: &Path) -> usize {
    let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().starts_with("db.corrupt-"))
        .count()
}

fn tear(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn overwrite(dir: &Path) {
    let db = dir.join("db/db");
    let size = fs::metadata(&db).unwrap().len() as usize;
    fs::write(db, vec![0xA5; size]).unwrap();
}

#[tokio::test]
async fn a_corrupt_store_is_set_aside_and_restored() {
    let dir = TempDir::new().unwrap();
    let (_, newest) = filled(dir.path()).await;
    let identity = open(dir.path()).await.identity();
    overwrite(dir.path());
    let store = open(dir.path()).await;
    let restored = store.restored().unwrap().clone();
    assert_eq!(restored.revision, 20);
    assert_eq!(restored.from, exports(dir.path())[1]);
    assert!(restored.set_aside.unwrap().join("db").exists());
    assert_eq!(everything(&store).await, newest);
    assert_ne!(store.identity(), identity);
    assert!(store.write(put("k", "v")).await.unwrap() > restored.revision);
    store.close().await.unwrap();
    assert_eq!(open(dir.path()).await.restored(), None);
    assert_eq!(set_aside(dir.path()), 1);
}

#[tokio::test]
async fn a_torn_export_is_passed_over() {
    let dir = TempDir::new().unwrap();
    let (older, _) = filled(dir.path()).await;
    overwrite(dir.path());
    tear(&exports(dir.path())[1]);
    fs::write(
        dir.path()
            .join("exports/.catalogue-0000000009.jsonl.a1b2c3"),
        "{",
    )
    .unwrap();
    let store = open(dir.path()).await;
    assert_eq!(store.restored().unwrap().revision, 10);
    assert_eq!(everything(&store).await, older);
}

#[tokio::test]
async fn a_missing_store_is_restored() {
    let dir = TempDir::new().unwrap();
    let (_, newest) = filled(dir.path()).await;
    fs::remove_dir_all(dir.path().join("db")).unwrap();
    let store = open(dir.path()).await;
    assert_eq!(store.restored().unwrap().set_aside, None);
    assert_eq!(everything(&store).await, newest);
}

#[tokio::test]
async fn a_store_emptied_behind_our_back_is_restored() {
    let dir = TempDir::new().unwrap();
    let (_, newest) = filled(dir.path()).await;
    // sled opens an empty file as an empty database.
    fs::write(dir.path().join("db/db"), "").unwrap();
    let store = open(dir.path()).await;
    assert!(store.restored().is_some());
    assert_eq!(everything(&store).await, newest);
}

#[tokio::test]
async fn a_store_behind_its_own_export_is_restored() {
    let dir = TempDir::new().unwrap();
    let copy = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    store.write(put("k", "old")).await.unwrap();
    drop(store);
    let status = std::process::Command::new("cp")
        .arg("-r")
        .arg(dir.path().join("db"))
        .arg(copy.path())
        .status();
    assert!(status.unwrap().success());
    let store = open(dir.path()).await;
    store.write(put("k", "new")).await.unwrap();
    store.close().await.unwrap();
    fs::remove_dir_all(dir.path().join("db")).unwrap();
    fs::rename(copy.path().join("db"), dir.path().join("db")).unwrap();
    let store = open(dir.path()).await;
    assert!(store.restored().unwrap().reason.contains("at revision 1"));
    assert_eq!(everything(&store).await[0].value, "new");
}

#[tokio::test]
async fn without_a_valid_export_it_refuses_and_touches_nothing() {
    let dir = TempDir::new().unwrap();
    filled(dir.path()).await;
    overwrite(dir.path());
    for path in exports(dir.path()) {
        tear(&path);
    }
    let error = SledStore::open(dir.path(), Options::default())
        .await
        .err()
        .unwrap();
    assert!(matches!(error, Error::Unrecoverable { .. }), "{error}");
    assert!(error.to_string().contains("put a valid export there"));
    assert!(dir.path().join("db/db").exists());
    assert_eq!(set_aside(dir.path()), 0);
    // Not even without the store: a torn export says that there was one.
    fs::remove_dir_all(dir.path().join("db")).unwrap();
    let error = SledStore::open(dir.path(), Options::default())
        .await
        .err()
        .unwrap();
    assert!(matches!(error, Error::Unrecoverable { .. }), "{error}");
}

#[tokio::test]
async fn a_store_of_another_version_is_refused_by_its_number_and_left_alone() {
    let dir = TempDir::new().unwrap();
    filled(dir.path()).await;
    {
        let db = ::sled::open(dir.path().join("db")).unwrap();
        let mut meta = db.get(codec::META_KEY).unwrap().unwrap().to_vec();
        // The first field, and its value.
        assert_eq!(meta[..2], [0x08, 2]);
        meta[1] = 12;
        db.insert(codec::META_KEY, meta).unwrap();
        db.flush().unwrap();
    }
    for _ in 0..2 {
        let error = SledStore::open(dir.path(), Options::default()).await;
        let error = error.err().unwrap();
        assert!(
            matches!(
                error,
                Error::Format {
                    found: 12,
                    reads: 2,
                    ..
                }
            ),
            "{error}"
        );
        assert!(error.to_string().contains("newer version"), "{error}");
    }
    assert_eq!(set_aside(dir.path()), 0);
}

#[tokio::test]
async fn an_export_of_a_newer_version_is_not_passed_over_for_an_older_one() {
    let dir = TempDir::new().unwrap();
    filled(dir.path()).await;
    overwrite(dir.path());
    let newest = exports(dir.path()).pop().unwrap();
    let text = fs::read_to_string(&newest).unwrap();
    let newer = text.replacen("\"format_version\":2", "\"format_version\":3", 1);
    fs::write(&newest, newer).unwrap();
    let error = SledStore::open(dir.path(), Options::default()).await;
    let error = error.err().unwrap();
    assert!(matches!(error, Error::Format { found: 3, .. }), "{error}");
    assert_eq!(set_aside(dir.path()), 0);
}

#[tokio::test]
async fn a_log_with_a_hole_is_dropped_and_the_entries_stay() {
    let dir = TempDir::new().unwrap();
    let (_, newest) = filled(dir.path()).await;
    {
        let db = ::sled::open(dir.path().join("db")).unwrap();
        assert!(db.remove(codec::log_key(7)).unwrap().is_some());
        db.flush().unwrap();
    }
    let store = open(dir.path()).await;
    assert_eq!(store.restored(), None);
    assert_eq!(everything(&store).await, newest);
    let error = store.watch("", 0).await.err().unwrap();
    assert!(
        matches!(error, Error::Compacted { compacted: 20 }),
        "{error}"
    );
}

#[tokio::test]
async fn an_unfinished_new_store_is_discarded() {
    let dir = TempDir::new().unwrap();
    let (_, newest) = filled(dir.path()).await;
    fs::create_dir(dir.path().join("db.new")).unwrap();
    fs::write(dir.path().join("db.new/db"), "half").unwrap();
    let store = open(dir.path()).await;
    assert_eq!(store.restored(), None);
    assert_eq!(everything(&store).await, newest);
}

#[tokio::test]
async fn any_damage_is_noticed_or_harmless() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let random = &mut StdRng::seed_from_u64(seed);
    for _ in 0..25 {
        let dir = TempDir::new().unwrap();
        let (_, newest) = filled(dir.path()).await;
        let path = dir.path().join("db/db");
        let mut bytes = fs::read(&path).unwrap();
        let written = bytes.iter().rposition(|b| *b != 0).unwrap();
        if random.random() {
            bytes.truncate(random.random_range(0..written));
        } else {
            let from = random.random_range(0..written);
            let length = random.random_range(1..4000);
            for byte in bytes.iter_mut().skip(from).take(length) {
                *byte = random.random();
            }
        }
        fs::write(&path, bytes).unwrap();
        // The newest export shows all of it, so restored or not, all of it must be there.
        let store = open(dir.path()).await;
        assert_eq!(everything(&store).await, newest);
        assert_eq!(store.revision().await.unwrap(), 20);
    }
}
