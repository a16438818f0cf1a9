//! The log over restarts, crashes, rotation, and against whoever edits its files.

use std::fmt::Write as _;

use bytes::Bytes;

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn done(action: &str) -> Draft {
    Draft {
        action: action.into(),
        status: Some(200),
        ..Draft::default()
    }
}

fn all(log: &Log) -> Vec<Entry> {
    log.read(&Filter::default(), 10_000).unwrap().0
}

fn only_file(folder: &Path) -> PathBuf {
    let files = files(folder).unwrap();
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
        assert_eq!(log.verify().unwrap().broken, None);
    }
    let log = Log::open(folder.path()).unwrap();
    let entries = all(&log);
    let numbers: Vec<_> = entries.iter().map(|entry| entry.sequence).collect();
    assert_eq!(numbers, [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    let verdict = log.verify().unwrap();
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
        assert!(log.verify().unwrap().broken.is_some(), "{lines:?}");
        let log = Log::open(folder.path()).unwrap();
        log.append(done("five"), NOW).unwrap();
        assert!(log.verify().unwrap().broken.is_some(), "{lines:?}");
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
        assert_eq!(log.verify().unwrap().range, Some((1, 2)), "{cut}");
        assert_eq!(log.verify().unwrap().broken, None, "{cut}");
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
            confirmed: true,
        }],
        ..done("large")
    };
    let mut written = 0;
    while files(folder.path()).unwrap().first().unwrap().0 == 1 {
        log.append(large.clone(), NOW).unwrap();
        written += 1;
    }
    let kept = files(folder.path()).unwrap();
    assert_eq!(kept.len(), MAX_FILES);
    let bytes: u64 = kept
        .iter()
        .map(|(_, path)| fs::metadata(path).unwrap().len())
        .sum();
    assert!(bytes < MAX_FILE_BYTES * (MAX_FILES as u64 + 1), "{bytes}");
    let verdict = log.verify().unwrap();
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
fn one_actors_refusals_push_out_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path()).unwrap();
    log.append(done("deploy"), NOW).unwrap();
    for _ in 0..1_000 {
        let refused = Draft {
            status: Some(401),
            ..done("guess")
        };
        log.append(refused, NOW).unwrap();
    }
    log.append(done("deploy"), NOW).unwrap();
    let entries = all(&log);
    assert_eq!(entries.len() as u64, 2 + refusals::MAX_BURST);
    let later = Timestamp::from_second(3_600).unwrap();
    let refused = Draft {
        status: Some(401),
        ..done("guess")
    };
    log.append(refused, later).unwrap();
    assert_eq!(all(&log)[0].suppressed, 1_000 - refusals::MAX_BURST);
}

#[test]
fn a_filter_shows_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path()).unwrap();
    let draft = |namespace: &str, token: &str, action: &str, status: u16| Draft {
        namespace: Some(namespace.into()),
        actor: Actor {
            token_id: Some(token.into()),
            ..Actor::default()
        },
        status: Some(status),
        ..done(action)
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
