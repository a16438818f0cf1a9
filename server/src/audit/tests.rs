//! The log over restarts, crashes, rotation, and against whoever edits its files.

use std::fmt::Write as _;

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;

use super::chain::Broken;
use super::files::MAX_FILE_BYTES;
use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// A change.
fn done(action: &str) -> Draft {
    Draft {
        action: action.into(),
        status: Some(200),
        changes: vec![Change {
            key: "functions/n/f".into(),
            before: None,
            after: Some(Bytes::from_static(b"1")),
        }],
        ..Draft::default()
    }
}

/// What changes nothing.
fn asked(action: &str, status: u16, token: Option<&str>) -> Draft {
    Draft {
        actor: Actor {
            token_id: token.map(str::to_owned),
            ..Actor::default()
        },
        action: action.into(),
        status: Some(status),
        ..Draft::default()
    }
}

fn files(folder: &Path, part: Part) -> Vec<(u64, PathBuf)> {
    part.place(folder).files().unwrap()
}

fn broken(log: &Log) -> Option<Broken> {
    let verdicts = log.verify().unwrap();
    let mut broken = verdicts
        .into_iter()
        .filter_map(|(_, verdict)| verdict.broken);
    broken.next().map(|(_, why)| why)
}

fn changes(log: &Log) -> Verdict {
    log.verify().unwrap().swap_remove(0).1
}

fn all(log: &Log) -> Vec<Entry> {
    log.read(&Filter::default(), 10_000).unwrap().0
}

fn only_file(folder: &Path) -> PathBuf {
    let files = files(folder, Part::Changes);
    assert_eq!(files.len(), 1);
    files[0].1.clone()
}

#[test]
fn entries_are_chained_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let log = Log::open(folder.path()).unwrap();
        for number in 0..3 {
            log.append(done(&format!("{round}.{number}")), NOW).unwrap();
        }
        assert_eq!(broken(&log), None);
    }
    let log = Log::open(folder.path()).unwrap();
    let entries = all(&log);
    let numbers: Vec<_> = entries.iter().map(|entry| entry.sequence).collect();
    assert_eq!(numbers, [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    let verdict = changes(&log);
    assert_eq!(
        (verdict.range, Some(verdict.head)),
        (Some((1, 9)), entries[0].hash.clone())
    );
    let mode = fs::metadata(only_file(folder.path())).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777,
        0o600
    );
}

#[test]
fn whoever_edits_a_file_is_found_out() {
    for edit in [
        |lines: &mut Vec<String>| drop(lines.remove(1)),
        |lines: &mut Vec<String>| lines.swap(0, 1),
        |lines: &mut Vec<String>| lines[1] = lines[1].replace("two", "too"),
        |lines: &mut Vec<String>| lines.insert(1, lines[0].clone()),
        |lines: &mut Vec<String>| lines[2].clear(),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(folder.path()).unwrap();
        for action in ["one", "two", "three", "four"] {
            log.append(done(action), NOW).unwrap();
        }
        let path = only_file(folder.path());
        let text = fs::read_to_string(&path).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        edit(&mut lines);
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        // Before and after a restart, which goes on with what is there.
        assert!(broken(&log).is_some(), "{lines:?}");
        let log = Log::open(folder.path()).unwrap();
        log.append(done("five"), NOW).unwrap();
        assert!(broken(&log).is_some(), "{lines:?}");
    }
}

#[test]
fn a_line_that_a_crash_cut_is_gone_and_the_chain_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path()).unwrap();
    log.append(done("one"), NOW).unwrap();
    log.append(done("two"), NOW).unwrap();
    drop(log);
    let path = only_file(folder.path());
    let text = fs::read_to_string(&path).unwrap();
    let second = text.find('\n').unwrap() + 1;
    for cut in [second, second + 1, text.len() - 2, text.len() - 1] {
        fs::write(&path, &text[..cut]).unwrap();
        let log = Log::open(folder.path()).unwrap();
        log.append(done("again"), NOW).unwrap();
        assert_eq!(changes(&log).range, Some((1, 2)), "{cut}");
        assert_eq!(broken(&log), None, "{cut}");
    }
}

#[test]
fn the_log_is_bounded_and_stays_whole() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path()).unwrap();
    let mut value = String::from("{");
    for field in 0..describe::MAX_FIELDS {
        let comma = if field == 0 { "" } else { "," };
        write!(value, "{comma}\"{field}\":\"{}\"", "x".repeat(1_900)).unwrap();
    }
    value.push('}');
    let large = Draft {
        changes: vec![Change {
            key: "functions/n/f".into(),
            before: Some(Bytes::from_static(b"{}")),
            after: Some(value.into()),
        }],
        ..done("large")
    };
    let mut written = 0;
    while files(folder.path(), Part::Changes).first().unwrap().0 == 1 {
        log.append(large.clone(), NOW).unwrap();
        written += 1;
    }
    let kept = files(folder.path(), Part::Changes);
    assert_eq!(kept.len(), MAX_FILES);
    let bytes: u64 = kept
        .iter()
        .map(|(_, path)| fs::metadata(path).unwrap().len())
        .sum();
    assert!(bytes < MAX_FILE_BYTES * (MAX_FILES as u64 + 1), "{bytes}");
    let verdict = changes(&log);
    assert_eq!(
        (verdict.broken, verdict.range),
        (None, Some((kept[0].0, written)))
    );
    // Pages lead through all that is kept, over the files' ends.
    let mut filter = Filter::default();
    let mut seen = 0;
    loop {
        let (page, more) = log.read(&filter, 1_000).unwrap();
        seen += page.len() as u64;
        filter.before = page.last().map(|entry| entry.sequence);
        if !more {
            break;
        }
    }
    assert_eq!(seen, written + 1 - kept[0].0);
}

#[test]
fn whoever_changes_nothing_pushes_out_no_change_whatever_it_is_answered() {
    for (status, token) in [(401, None), (204, None), (403, Some("t")), (201, Some("t"))] {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(folder.path()).unwrap();
        log.append(done("deploy"), NOW).unwrap();
        for _ in 0..1_000 {
            log.append(asked("try", status, token), NOW).unwrap();
        }
        // What it changes nobody sees.
        let hidden = Draft {
            changes: vec![Change {
                key: "auth/links/t".into(),
                before: None,
                after: Some(Bytes::from_static(b"{}")),
            }],
            ..asked("try", status, token)
        };
        log.append(hidden, NOW).unwrap();
        log.append(done("deploy"), NOW).unwrap();
        let entries = all(&log);
        assert_eq!(entries.len() as u64, 2 + share::MAX_BURST, "{status}");
        assert_eq!(changes(&log).range.unwrap().0, 1);
        let later = Timestamp::from_second(3_600).unwrap();
        log.append(asked("try", status, token), later).unwrap();
        assert_eq!(all(&log)[0].suppressed, 1_001 - share::MAX_BURST);
        assert_eq!(broken(&log), None);
    }
}

#[test]
fn who_asks_without_end_pushes_out_only_what_is_kept_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path()).unwrap();
    log.append(done("deploy"), NOW).unwrap();
    log.append(asked("sign in", 204, Some("t")), NOW).unwrap();
    let mut at = NOW;
    let long = "x".repeat(MAX_TEXT_BYTES);
    let mut asked_for = 0;
    while files(folder.path(), Part::Strangers).first().unwrap().0 <= 3 {
        at += jiff::SignedDuration::from_secs(60);
        let draft = Draft {
            path: long.clone(),
            from: Some(long.clone()),
            forwarded: Some(long.clone()),
            // Of nobody's choosing; it fills the files sooner.
            code: Some("x".repeat(200_000)),
            ..asked("guess", 401, None)
        };
        log.append(draft, at).unwrap();
        asked_for += 1;
    }
    assert_eq!(
        files(folder.path(), Part::Strangers).len(),
        MAX_STRANGER_FILES
    );
    let entries = all(&log);
    assert!(entries.len() < asked_for);
    let last: Vec<_> = entries.iter().rev().map(|entry| &*entry.action).collect();
    assert_eq!(last[..2], ["deploy", "sign in"]);
    let numbers: Vec<_> = entries.iter().map(|entry| entry.sequence).collect();
    assert!(numbers.is_sorted_by(|a, b| a > b), "{numbers:?}");
    assert_eq!(broken(&log), None);
    let before = log.inner.lock().sequence;
    drop(log);
    // Numbers go on from the highest of all parts.
    let log = Log::open(folder.path()).unwrap();
    log.append(done("deploy"), at).unwrap();
    assert_eq!(all(&log)[0].sequence, before + 1);
    assert_eq!(broken(&log), None);
}

#[test]
fn texts_are_cut_at_their_bound_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path()).unwrap();
    for (text, kept) in [
        ("x".repeat(MAX_TEXT_BYTES), MAX_TEXT_BYTES),
        ("x".repeat(MAX_TEXT_BYTES + 1), MAX_TEXT_BYTES),
        (
            format!("x{}", "ä".repeat(MAX_TEXT_BYTES)),
            MAX_TEXT_BYTES - 1,
        ),
    ] {
        let path = text.clone();
        log.append(Draft { path, ..done("a") }, NOW).unwrap();
        assert_eq!(all(&log)[0].path, text[..kept]);
    }
}

#[test]
fn a_filter_shows_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path()).unwrap();
    let draft = |namespace: &str, token: &str, action: &str, status: u16| Draft {
        namespace: Some(namespace.into()),
        ..asked(action, status, Some(token))
    };
    log.append(draft("a", "t", "PUT /x", 200), NOW).unwrap();
    log.append(draft("b", "t", "PUT /x", 403), NOW).unwrap();
    let later = Timestamp::from_second(100).unwrap();
    log.append(draft("a", "u", "DELETE /x", 204), later)
        .unwrap();
    let check = |filter: Filter, expected: &[u64]| {
        let found = log.read(&filter, 100).unwrap().0;
        let found: Vec<_> = found.iter().map(|entry| entry.sequence).collect();
        assert_eq!(found, expected, "{filter:?}");
    };
    let none = Filter::default;
    check(none(), &[3, 2, 1]);
    check(
        Filter {
            namespace: Some("a".into()),
            ..none()
        },
        &[3, 1],
    );
    check(
        Filter {
            token_id: Some("t".into()),
            ..none()
        },
        &[2, 1],
    );
    check(
        Filter {
            action: Some("DELETE".into()),
            ..none()
        },
        &[3],
    );
    check(
        Filter {
            refused: Some(true),
            ..none()
        },
        &[2],
    );
    check(
        Filter {
            refused: Some(false),
            ..none()
        },
        &[3, 1],
    );
    check(
        Filter {
            since: Some(later),
            ..none()
        },
        &[3],
    );
    check(
        Filter {
            before: Some(2),
            ..none()
        },
        &[1],
    );
}
