//! Stamped lines on disk: `logs/NAMESPACE/FUNCTION/REVISION.log` and, before it, `.log.1`.
//!
//! A record is `TIME_MS INSTANCE STREAM END_OFFSET TEXT`, one a line. An upper-case stream is a mark:
//! no line, only how far that raw file was copied when the log was turned over.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use gateless_common::limits::LOG_LINES;
use gateless_core::name::{FunctionName, InstanceId, RevisionName};

use crate::instance::{LogLine, LogQuery, LogStream};

/// The most text one query keeps in memory.
const MAX_HISTORY_BYTES: usize = 16 << 20;

/// How far a raw file is copied.
pub(super) type Mark = (InstanceId, LogStream, u64);

/// A revision's log, open for appending.
#[derive(Debug)]
pub(super) struct RevisionLog {
    path: PathBuf,
    file: File,
    size: u64,
    limit: u64,
    pending: Vec<u8>,
}

/// A log file as it was at one moment; later turnovers and lines don't change it.
#[derive(Debug)]
pub(super) struct Snapshot {
    revision: RevisionName,
    file: File,
    length: u64,
}

/// Where a revision's log is.
pub(super) fn path(root: &Path, revision: &RevisionName) -> PathBuf {
    let function = folder(root, revision.function());
    function.join(format!("{}.log", revision.revision()))
}

fn folder(root: &Path, function: &FunctionName) -> PathBuf {
    root.join(function.namespace()).join(function.name())
}

fn older(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

impl RevisionLog {
    /// Opens it, at most `limit` bytes in both its files.
    pub(super) fn open(root: &Path, revision: &RevisionName, limit: u64) -> io::Result<Self> {
        let path = path(root, revision);
        fs::create_dir_all(folder(root, revision.function()))?;
        let file = append(&path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path,
            file,
            size,
            limit,
            pending: Vec::new(),
        })
    }

    /// Adds a line to what the next [`RevisionLog::flush`] writes.
    pub(super) fn push(&mut self, line: &LogLine, end: u64) {
        let stream = match line.stream {
            LogStream::Stdout => 'o',
            LogStream::Stderr => 'e',
        };
        let (time, instance, text) = (line.time_ms, &line.instance, &line.line);
        let _ = writeln!(self.pending, "{time} {instance} {stream} {end} {text}");
    }

    /// Writes what was pushed, in one piece; says whether it is time to turn over.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        let pending = std::mem::take(&mut self.pending);
        self.file.write_all(&pending)?;
        self.size += pending.len() as u64;
        Ok(self.size > self.limit / 2)
    }

    /// Begins a new file with the marks of all who still write here, dropping the oldest half.
    pub(super) fn turn_over(&mut self, marks: &[Mark]) -> io::Result<()> {
        let mut text = Vec::new();
        for (instance, stream, end) in marks {
            let stream = match stream {
                LogStream::Stdout => 'O',
                LogStream::Stderr => 'E',
            };
            writeln!(text, "0 {instance} {stream} {end} ")?;
        }
        let fresh = self.path.with_extension("log.new");
        fs::write(&fresh, &text)?;
        fs::rename(&self.path, older(&self.path))?;
        fs::rename(fresh, &self.path)?;
        self.file = append(&self.path)?;
        self.size = text.len() as u64;
        Ok(())
    }
}

struct Record<'a> {
    time_ms: u64,
    instance: &'a str,
    stream: LogStream,
    mark: bool,
    end: u64,
    text: &'a str,
}

fn parse(line: &str) -> Option<Record<'_>> {
    let mut fields = line.splitn(5, ' ');
    let time_ms = fields.next()?.parse().ok()?;
    let instance = fields.next()?;
    let (stream, mark) = match fields.next()? {
        "o" => (LogStream::Stdout, false),
        "e" => (LogStream::Stderr, false),
        "O" => (LogStream::Stdout, true),
        "E" => (LogStream::Stderr, true),
        _ => return None,
    };
    Some(Record {
        time_ms,
        instance,
        stream,
        mark,
        end: fields.next()?.parse().ok()?,
        text: fields.next()?,
    })
}

/// How far an instance's two raw files were copied, and its last lines.
pub(super) fn copied(
    root: &Path,
    revision: &RevisionName,
    id: &InstanceId,
    recent: usize,
) -> (HashMap<LogStream, u64>, VecDeque<String>) {
    let (mut ends, mut lines) = (HashMap::new(), VecDeque::new());
    for snapshot in snapshots_of(root, revision) {
        snapshot.each(|record| {
            if record.instance != id.as_str() {
                return;
            }
            ends.insert(record.stream, record.end);
            if !record.mark {
                lines.push_back(record.text.to_owned());
            }
            if lines.len() > recent {
                lines.pop_front();
            }
        });
    }
    (ends, lines)
}

/// Both files of a revision, older first.
fn snapshots_of(root: &Path, revision: &RevisionName) -> Vec<Snapshot> {
    let path = path(root, revision);
    let open = |path: PathBuf| {
        let file = File::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        Some(Snapshot {
            revision: revision.clone(),
            file,
            length,
        })
    };
    [older(&path), path].into_iter().filter_map(open).collect()
}

/// What a query may have to read.
pub(super) fn snapshots(root: &Path, query: &LogQuery) -> Vec<Snapshot> {
    if let Some(revision) = &query.revision {
        return snapshots_of(root, revision);
    }
    let Ok(entries) = fs::read_dir(folder(root, &query.function)) else {
        return Vec::new();
    };
    let names: BTreeSet<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".log")?.to_owned()))
        .collect();
    names
        .iter()
        .filter_map(|name| RevisionName::new(query.function.clone(), name).ok())
        .flat_map(|revision| snapshots_of(root, &revision))
        .collect()
}

/// Reads the lines a query wants, oldest first, the last of them if there are too many.
pub(super) fn read(snapshots: Vec<Snapshot>, query: &LogQuery) -> Vec<LogLine> {
    let most = LOG_LINES as usize;
    let tail = query.tail.unwrap_or(most).min(most);
    let mut lines: Vec<LogLine> = Vec::new();
    for snapshot in snapshots {
        let revision = snapshot.revision.clone();
        let mut recent = VecDeque::new();
        snapshot.each(|record| {
            let wanted = query
                .instance
                .as_ref()
                .is_none_or(|id| id.as_str() == record.instance);
            if !wanted || record.mark || !query.is_in_time(record.time_ms) {
                return;
            }
            recent.push_back(LogLine {
                time_ms: record.time_ms,
                revision: revision.clone(),
                instance: InstanceId::new(record.instance),
                stream: record.stream,
                line: record.text.to_owned(),
            });
            if recent.len() > tail {
                recent.pop_front();
            }
        });
        lines.extend(recent);
        // Stable: lines of one moment stay in the order they were read.
        lines.sort_by_key(|line| line.time_ms);
        keep_last(&mut lines, tail);
    }
    lines
}

fn keep_last(lines: &mut Vec<LogLine>, tail: usize) {
    let mut bytes = 0;
    let fitting = lines.iter().rev().take(tail).take_while(|line| {
        bytes += line.line.len();
        bytes <= MAX_HISTORY_BYTES
    });
    let surplus = lines.len() - fitting.count();
    lines.drain(..surplus);
}

impl Snapshot {
    fn each(self, mut record: impl FnMut(Record<'_>)) {
        let mut reader = BufReader::new(self.file.take(self.length));
        let mut line = Vec::new();
        while reader
            .read_until(b'\n', &mut line)
            .is_ok_and(|length| length > 0)
        {
            // Without its end it is a write that a crash cut short.
            if let Some(Ok(text)) = line.strip_suffix(b"\n").map(std::str::from_utf8)
                && let Some(parsed) = parse(text)
            {
                record(parsed);
            }
            line.clear();
        }
    }
}

/// Deletes the longest silent logs beyond `keep`; those in `open` stay.
pub(super) fn prune(root: &Path, keep: usize, open: &dyn Fn(&Path) -> bool) {
    let children = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let mut logs: Vec<_> = children(root)
        .iter()
        .flat_map(|namespace| children(namespace))
        .flat_map(|function| children(&function))
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)))
        .collect();
    logs.sort();
    let surplus = logs.len().saturating_sub(keep);
    for (_, path) in logs
        .into_iter()
        .take(surplus)
        .filter(|(_, path)| !open(path))
    {
        let _ = fs::remove_file(older(&path));
        let _ = fs::remove_file(&path);
        // Succeeds only for a function's last log.
        let _ = path.parent().map(fs::remove_dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &RevisionName, time_ms: u64, text: &str) -> LogLine {
        LogLine {
            time_ms,
            revision: name.clone(),
            instance: InstanceId::new("writer"),
            stream: LogStream::Stdout,
            line: text.into(),
        }
    }

    fn query(name: &RevisionName) -> LogQuery {
        LogQuery {
            function: name.function().clone(),
            revision: None,
            instance: None,
            tail: None,
            since_ms: None,
            until_ms: None,
            follow: false,
        }
    }

    #[test]
    fn a_log_turns_over_within_its_bound_and_forgets_no_offset() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let name: RevisionName = "default/hello/hello-00001".parse().unwrap();
        let quiet = InstanceId::new("quiet");
        let limit = 20_000;
        let mut log = RevisionLog::open(root, &name, limit).unwrap();
        for number in 0..10_000 {
            log.push(&line(&name, number, "some text"), number);
            if log.flush().unwrap() {
                let mark = (quiet.clone(), LogStream::Stderr, 77);
                log.turn_over(&[mark]).unwrap();
            }
        }
        let path = path(root, &name);
        let kept = fs::metadata(&path).unwrap().len() + fs::metadata(older(&path)).unwrap().len();
        assert!(kept <= limit + 200, "{kept}");
        let (ends, lines) = copied(root, &name, &quiet, 20);
        assert_eq!((ends.get(&LogStream::Stderr), lines.len()), (Some(&77), 0));
        let (ends, lines) = copied(root, &name, &InstanceId::new("writer"), 20);
        assert_eq!(
            (ends.get(&LogStream::Stdout), lines.len()),
            (Some(&9999), 20)
        );
        let last = read(snapshots(root, &query(&name)), &query(&name)).pop();
        assert_eq!(last, Some(line(&name, 9999, "some text")));
    }

    #[test]
    fn revisions_are_merged_by_time_and_the_tail_is_of_all() {
        let folder = tempfile::tempdir().unwrap();
        let names: [RevisionName; 2] = [
            "default/hello/hello-00001".parse().unwrap(),
            "default/hello/hello-00002".parse().unwrap(),
        ];
        for (offset, name) in names.iter().enumerate() {
            let mut log = RevisionLog::open(folder.path(), name, 1 << 20).unwrap();
            for number in 0..10 {
                log.push(&line(name, number * 2 + offset as u64, "x"), 0);
            }
            log.flush().unwrap();
        }
        let mut query = query(&names[0]);
        query.tail = Some(5);
        query.since_ms = Some(16);
        let lines = read(snapshots(folder.path(), &query), &query);
        let times: Vec<u64> = lines.iter().map(|line| line.time_ms).collect();
        assert_eq!(times, [16, 17, 18, 19]);
        // The tail is of what was before, too.
        query.until_ms = Some(18);
        query.tail = Some(1);
        let lines = read(snapshots(folder.path(), &query), &query);
        let times: Vec<u64> = lines.iter().map(|line| line.time_ms).collect();
        assert_eq!(times, [17]);
        (query.since_ms, query.until_ms, query.tail) = (None, None, Some(5));
        assert_eq!(read(snapshots(folder.path(), &query), &query).len(), 5);
    }

    #[test]
    fn the_longest_silent_logs_are_pruned_but_no_open_one() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["a", "b", "c"].map(|function| {
            let name: RevisionName = format!("default/{function}/r").parse().unwrap();
            let log = RevisionLog::open(folder.path(), &name, 1 << 20).unwrap();
            let age = std::time::SystemTime::UNIX_EPOCH;
            log.file.set_modified(age).unwrap();
            path(folder.path(), &name)
        });
        prune(folder.path(), 1, &|path| path == names[0]);
        assert_eq!(names.map(|path| path.exists()), [true, false, true]);
    }
}
