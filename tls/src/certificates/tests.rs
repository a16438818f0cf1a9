//! What stays of what was read before, and that changed files are seen however they change.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::fixture::made;
use crate::source::Files;

/// Waiting for what happens at once on a machine that has nothing else to do.
const PATIENCE: Duration = Duration::from_secs(60);

fn pem(name: &str) -> (String, String) {
    made(&[name])
}

fn good(name: &str) -> Result<Found, Error> {
    let (chain, key) = pem(name);
    Ok(Found {
        pair: Pair::parse(chain.as_bytes(), key.as_bytes()).unwrap(),
        key_is_open: false,
    })
}

fn again(state: &State, at: usize) -> Result<Found, Error> {
    // The same bytes, read once more.
    let pair = state.entries[at].pair.as_ref().unwrap();
    Ok(Found {
        pair: pair.copy(),
        key_is_open: false,
    })
}

fn bad() -> Error {
    Error::TooLarge("a".to_owned())
}

/// The next state, and what was told of it.
fn step(state: &State, found: Read) -> (State, Vec<String>) {
    let mut told = Vec::new();
    let next = state.next(found, &mut |change| {
        told.push(match change {
            Change::Taken(name, ..) => format!("{name} taken"),
            Change::Refused(name, _, kept) => format!("{name} refused, kept {kept}"),
            Change::Gone(name) => format!("{name} gone"),
            Change::Unreadable(_) => "unreadable".to_owned(),
        });
    });
    (next, told)
}

fn served(state: &State, name: &str) -> String {
    let found = state.table.find(Some(name), |_| true).unwrap();
    found.fingerprint().to_owned()
}

#[test]
fn refused_pair_leaves_the_last_good_one_and_is_told_once() {
    let named = |name: &str, read| (name.to_owned(), read);
    let (state, told) = step(
        &State::default(),
        Ok(vec![named("a", good("a.b")), named("b", good("b.b"))]),
    );
    assert_eq!(told, ["a taken", "b taken"]);
    let (before, other) = (served(&state, "a.b"), served(&state, "b.b"));
    let broken = |state: &State| Ok(vec![named("a", Err(bad())), named("b", again(state, 1))]);
    let (refused, told) = step(&state, broken(&state));
    assert_eq!(told, ["a refused, kept true"]);
    assert_eq!(served(&refused, "a.b"), before);
    let (refused, told) = step(&refused, broken(&refused));
    assert_eq!(told, [""; 0]);
    // Also when it is the very one again that was there before.
    let same = Ok(vec![
        named("a", again(&refused, 0)),
        named("b", again(&refused, 1)),
    ]);
    let (back, told) = step(&refused, same);
    assert_eq!(told, ["a taken"]);
    assert!(back.entries.iter().all(|entry| entry.refused.is_none()));
    let (renewed, told) = step(&back, Ok(vec![named("a", good("a.b"))]));
    assert_eq!(told, ["a taken", "b gone"]);
    assert!(served(&renewed, "a.b") != before);
    assert!(served(&renewed, "b.b") != other, "the default is shown");
}

#[test]
fn nothing_that_is_taken_away_leaves_nothing() {
    let named = |read| Ok(vec![("a".to_owned(), read)]);
    let (state, _) = step(&State::default(), named(good("a.b")));
    let shown = served(&state, "a.b");
    let (state, told) = step(&state, Err(Error::Empty("folder".to_owned())));
    assert_eq!(told, ["unreadable"]);
    assert_eq!(served(&state, "a.b"), shown);
    let (state, told) = step(&state, Err(Error::Empty("folder".to_owned())));
    assert_eq!(told, [""; 0]);
    // What comes in its place and is no good takes no place.
    let other = Ok(vec![("b".to_owned(), Err(bad()))]);
    let (state, told) = step(&state, other);
    assert_eq!(told, ["b refused, kept false"]);
    assert_eq!(served(&state, "a.b"), shown);
    let (state, _) = step(&state, Ok(vec![("b".to_owned(), good("a.b"))]));
    assert!(served(&state, "a.b") != shown);
    assert_eq!(state.entries.len(), 1);
}

fn write(folder: &Path, name: &str, host: &str) {
    let (chain, key) = pem(host);
    fs::write(folder.join(format!("{name}.crt")), chain).unwrap();
    fs::write(folder.join(format!("{name}.key")), key).unwrap();
}

fn in_folder(folder: &TempDir) -> Settings {
    Settings {
        pairs: Vec::new(),
        folder: Some(folder.path().to_owned()),
    }
}

#[test]
fn folder_has_pairs_and_folders_with_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let empty = Certificates::open(in_folder(&folder)).unwrap_err();
    assert!(matches!(empty, Error::Empty(_)), "{empty}");
    write(folder.path(), "zebra", "z.example");
    write(folder.path(), "ape", "a.example");
    let inner = folder.path().join("shop");
    fs::create_dir(&inner).unwrap();
    write(&inner, "tls", "shop.example");
    fs::create_dir(folder.path().join("..hidden")).unwrap();
    fs::write(folder.path().join("readme.txt"), "none").unwrap();
    fs::write(folder.path().join("half.crt"), "none").unwrap();
    let certificates = Certificates::open(in_folder(&folder)).unwrap();
    let shown = certificates.shown();
    let names: Vec<_> = shown.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["ape", "half", "shop", "zebra"]);
    // One that is no good is refused by itself.
    let refused: Vec<_> = shown.iter().filter(|one| one.refused.is_some()).collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].refused.as_ref().unwrap().contains("half.key"));
    assert_eq!(certificates.default_names(), ["a.example"]);
    write(folder.path(), "default", "d.example");
    certificates.reload();
    assert_eq!(certificates.default_names(), ["d.example"]);
}

#[test]
fn pair_that_is_named_and_no_good_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a", "a.example");
    let named = |certificate: &str, key: &str| Settings {
        pairs: vec![Files {
            certificate: folder.path().join(certificate),
            key: folder.path().join(key),
        }],
        folder: None,
    };
    assert!(Certificates::open(named("a.crt", "a.key")).is_ok());
    for (certificate, key, at_fault) in [
        ("a.crt", "a.crt", "a.crt"),
        ("none.crt", "a.key", "none.crt"),
        ("a.crt", "none.key", "none.key"),
        ("a.key", "a.key", "a.key"),
    ] {
        let refused = Certificates::open(named(certificate, key)).unwrap_err();
        assert!(refused.to_string().contains(at_fault), "{refused}");
    }
    let large = vec![b'x'; crate::pair::MAX_PEM_BYTES + 1];
    fs::write(folder.path().join("large.crt"), large).unwrap();
    let refused = Certificates::open(named("large.crt", "a.key")).unwrap_err();
    assert!(matches!(refused, Error::TooLarge(_)), "{refused}");
}

/// Waits until the default is for `name`.
async fn becomes(certificates: &Certificates, name: &str) {
    let until = async {
        while certificates.default_names() != [name] {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let seen = tokio::time::timeout(PATIENCE, until).await;
    seen.unwrap_or_else(|_| panic!("{name}: {:?}", certificates.shown()));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_written_renamed_and_linked_anew_are_seen() {
    // As Kubernetes mounts a secret: NAME -> ..data/NAME, ..data -> a folder that is swapped.
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let version = |name: &str, host: &str| {
        fs::create_dir(at(name)).unwrap();
        write(&at(name), "tls", host);
        symlink(name, at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
    };
    version("..1", "one.example");
    symlink("..data/tls.crt", at("tls.crt")).unwrap();
    symlink("..data/tls.key", at("tls.key")).unwrap();
    let certificates = Certificates::open(Settings {
        pairs: vec![Files {
            certificate: at("tls.crt"),
            key: at("tls.key"),
        }],
        folder: None,
    });
    let certificates = certificates.unwrap();
    let following = tokio::spawn(certificates.clone().follow());
    becomes(&certificates, "one.example").await;
    version("..2", "two.example");
    becomes(&certificates, "two.example").await;
    fs::remove_dir_all(at("..1")).unwrap();
    version("..3", "three.example");
    becomes(&certificates, "three.example").await;
    // Written in place, where the links lead.
    write(&at("..3"), "tls", "four.example");
    becomes(&certificates, "four.example").await;
    // Renamed into place, with nothing in between in which the two do not match.
    let (chain, key) = pem("five.example");
    fs::write(at("five.crt"), chain).unwrap();
    fs::write(at("five.key"), key).unwrap();
    fs::rename(at("five.crt"), at("tls.crt")).unwrap();
    fs::rename(at("five.key"), at("tls.key")).unwrap();
    becomes(&certificates, "five.example").await;
    following.abort();
}
