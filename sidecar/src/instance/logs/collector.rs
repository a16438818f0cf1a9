//! The thread that copies raw output to the revisions' logs and to whoever follows them.
//!
//! Woken by inotify, or by commands through an eventfd; where there is no inotify watch to be had
//! it looks at the files ten times a second. Runs at most every few milliseconds, so an instance
//! that writes a byte at a time costs no more than one that writes blocks.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use gateless_common::share::Pool;
use gateless_core::name::{InstanceId, RevisionName};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify;
use tokio::sync::mpsc;

use super::follower::Follower;
use super::raw::Raw;
use super::store::{self, Mark, RevisionLog};
use super::{Bounds, Command, Found, Source, Spoken};
use crate::instance::process::now_ms;
use crate::instance::{LAST_LOG_LINES, LogLine, LogQuery, LogStream};

const PACE_MS: i64 = 5;
const POLL_MS: i64 = 100;
const BEHIND_MS: i64 = 20;
const TURN_BYTES: usize = 1 << 20;
const LAST_TURN_BYTES: usize = 16 << 20;
/// Of one namespace at most as many as are still free.
const FOLLOWERS: u64 = 256;
/// Of each line an exit report carries.
const REPORT_LINE_CHARS: usize = 1024;

/// An instance whose output is copied.
struct Tail {
    revision: RevisionName,
    raw: Vec<Raw>,
    watches: Vec<i32>,
    recent: VecDeque<String>,
}

impl Tail {
    /// It has files, and nothing tells when they grow.
    fn is_polled(&self) -> bool {
        self.watches.is_empty() && !self.raw.is_empty()
    }
}

/// All the thread knows.
pub(super) struct Collector {
    root: PathBuf,
    bounds: Bounds,
    commands: Receiver<Command>,
    wake: Arc<OwnedFd>,
    inotify: Option<OwnedFd>,
    tails: HashMap<InstanceId, Tail>,
    watches: HashMap<i32, InstanceId>,
    logs: HashMap<RevisionName, RevisionLog>,
    followers: Vec<Follower>,
    places: Pool<String>,
    dirty: HashSet<InstanceId>,
    pumped: bool,
}

impl Collector {
    pub(super) fn new(
        root: PathBuf,
        bounds: Bounds,
        commands: Receiver<Command>,
        wake: Arc<OwnedFd>,
    ) -> io::Result<Self> {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let inotify = inotify::init(flags)
            .inspect_err(|error| tracing::warn!(%error, "no inotify, logs are polled"))
            .ok();
        Ok(Self {
            root,
            bounds,
            commands,
            wake,
            inotify,
            tails: HashMap::new(),
            watches: HashMap::new(),
            logs: HashMap::new(),
            followers: Vec::new(),
            places: Pool::new(FOLLOWERS),
            dirty: HashSet::new(),
            pumped: false,
        })
    }

    pub(super) fn run(mut self) {
        loop {
            self.wait();
            self.note_changes();
            self.followers.iter_mut().for_each(Follower::deliver);
            let dirty = std::mem::take(&mut self.dirty);
            self.pumped = !dirty.is_empty();
            for id in dirty {
                if self.copy(&id, TURN_BYTES) {
                    self.dirty.insert(id);
                }
            }
            loop {
                match self.commands.try_recv() {
                    Ok(command) => self.obey(command),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
        }
    }

    /// Right after copying only a command may interrupt the pause.
    fn wait(&self) {
        let polled = self.tails.values().any(Tail::is_polled);
        let behind = self.followers.iter().any(Follower::is_behind);
        let millis = match (self.pumped, behind, polled) {
            (true, _, _) => Some(PACE_MS),
            (false, true, _) => Some(BEHIND_MS),
            (false, false, true) => Some(POLL_MS),
            (false, false, false) => None,
        };
        let timeout = millis.map(|millis| Timespec {
            tv_sec: 0,
            tv_nsec: millis * 1_000_000,
        });
        let mut sources: Vec<BorrowedFd<'_>> = vec![self.wake.as_fd()];
        sources.extend(
            self.inotify
                .iter()
                .filter(|_| !self.pumped)
                .map(AsFd::as_fd),
        );
        let mut sources: Vec<PollFd<'_>> = sources
            .iter()
            .map(|source| PollFd::from_borrowed_fd(*source, PollFlags::IN))
            .collect();
        let _ = rustix::event::poll(&mut sources, timeout.as_ref());
        let _ = rustix::io::read(&*self.wake, &mut [0_u8; 8]);
    }

    fn note_changes(&mut self) {
        for (id, tail) in &self.tails {
            if tail.is_polled() {
                self.dirty.insert(id.clone());
            }
        }
        let Some(inotify) = &self.inotify else { return };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(inotify, &mut buffer);
        while let Ok(event) = reader.next() {
            if event.events().contains(inotify::ReadFlags::QUEUE_OVERFLOW) {
                self.dirty.extend(self.tails.keys().cloned());
            } else if let Some(id) = self.watches.get(&event.wd()) {
                self.dirty.insert(id.clone());
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Watch(source) => {
                let id = source.id.clone();
                match self.watch(source) {
                    Ok(()) => drop(self.copy(&id, TURN_BYTES)),
                    Err(error) => tracing::warn!(instance = %id, %error, "its logs are lost"),
                }
            }
            Command::Spoken(spoken) => self.hear(spoken),
            Command::Finish(id, reply) => drop(reply.send(self.finish(&id))),
            Command::Query(query, reply) => {
                let concerned: Vec<InstanceId> = self
                    .tails
                    .iter()
                    .filter(|(_, tail)| *tail.revision.function() == query.function)
                    .map(|(id, _)| id.clone())
                    .collect();
                for id in concerned {
                    self.copy(&id, TURN_BYTES);
                }
                let history = store::snapshots(&self.root, &query);
                let live = self.follow(query);
                drop(reply.send(Found { history, live }));
            }
        }
    }

    fn watch(&mut self, source: Source) -> io::Result<()> {
        let Source { id, revision, .. } = source;
        if self.tails.contains_key(&id) {
            // Spawned again in the same folder: it appends to the same files.
            return Ok(());
        }
        let (ends, recent) = if source.adopted {
            store::copied(&self.root, &revision, &id, LAST_LOG_LINES)
        } else {
            Default::default()
        };
        self.open_log(&revision)?;
        let (mut raw, mut watches) = (Vec::new(), Vec::new());
        for (stream, file) in [
            (LogStream::Stdout, "stdout.log"),
            (LogStream::Stderr, "stderr.log"),
        ] {
            let path = source.folder.join(file);
            let copied = ends.get(&stream).copied().unwrap_or(0);
            raw.push(Raw::open(&path, stream, copied, self.bounds.raw_bytes)?);
            let Some(inotify) = &self.inotify else {
                continue;
            };
            if let Ok(watch) = inotify::add_watch(inotify, path, inotify::WatchFlags::MODIFY) {
                watches.push(watch);
            }
        }
        self.watches
            .extend(watches.iter().map(|watch| (*watch, id.clone())));
        let tail = Tail {
            revision,
            raw,
            watches,
            recent,
        };
        self.tails.insert(id, tail);
        Ok(())
    }

    fn open_log(&mut self, revision: &RevisionName) -> io::Result<()> {
        if self.logs.contains_key(revision) {
            return Ok(());
        }
        let limit = self.bounds.revision_bytes;
        let log = RevisionLog::open(&self.root, revision, limit)?;
        self.logs.insert(revision.clone(), log);
        let open: HashSet<PathBuf> = self
            .logs
            .keys()
            .map(|name| store::path(&self.root, name))
            .collect();
        store::prune(&self.root, self.bounds.revisions, &|path| {
            open.contains(path)
        });
        Ok(())
    }

    fn hear(&mut self, spoken: Spoken) {
        let Spoken { id, revision, .. } = spoken;
        if let Err(error) = self.open_log(&revision) {
            tracing::warn!(instance = %id, %error, "its logs are lost");
            return;
        }
        let tail = self.tails.entry(id.clone()).or_insert_with(|| Tail {
            revision: revision.clone(),
            raw: Vec::new(),
            watches: Vec::new(),
            recent: VecDeque::new(),
        });
        if let Some(log) = self.logs.get_mut(&revision) {
            let lines = vec![(spoken.stream, spoken.line, 0)];
            record(&id, tail, log, &mut self.followers, lines);
        }
        self.flush(&id);
    }

    /// Copies what is new, within a budget; says whether there is more.
    fn copy(&mut self, id: &InstanceId, budget: usize) -> bool {
        let Some(tail) = self.tails.get_mut(id) else {
            return false;
        };
        let Some(log) = self.logs.get_mut(&tail.revision) else {
            return false;
        };
        let mut lines = Vec::new();
        let mut more = false;
        for raw in &mut tail.raw {
            let stream = raw.stream;
            let before = lines.len();
            let read = raw.read(budget, |text, end| {
                lines.push((stream, String::from_utf8_lossy(text).into_owned(), end));
            });
            match read {
                Ok(progress) => {
                    more |= progress.more;
                    if progress.skipped > 0 {
                        let note = format!(
                            "[{} bytes of output came too fast and were skipped]",
                            progress.skipped
                        );
                        lines.insert(before, (stream, note, raw.copied()));
                    }
                }
                Err(error) => tracing::warn!(instance = %id, %error, "cannot read its output"),
            }
        }
        record(id, tail, log, &mut self.followers, lines);
        self.flush(id);
        more
    }

    fn flush(&mut self, id: &InstanceId) {
        let Some(revision) = self.tails.get(id).map(|tail| tail.revision.clone()) else {
            return;
        };
        let Some(log) = self.logs.get_mut(&revision) else {
            return;
        };
        let written = log.flush().and_then(|full| {
            if !full {
                return Ok(());
            }
            let writers = self
                .tails
                .iter()
                .filter(|(_, tail)| tail.revision == revision);
            let marks: Vec<Mark> = writers
                .flat_map(|(id, tail)| {
                    let mark = |raw: &Raw| (id.clone(), raw.stream, raw.copied());
                    tail.raw.iter().map(mark).collect::<Vec<_>>()
                })
                .collect();
            log.turn_over(&marks)
        });
        if let Err(error) = written {
            tracing::warn!(%revision, %error, "cannot write its log");
        }
    }

    fn finish(&mut self, id: &InstanceId) -> Vec<String> {
        self.copy(id, LAST_TURN_BYTES);
        if let Some(tail) = self.tails.get_mut(id)
            && let Some(log) = self.logs.get_mut(&tail.revision)
        {
            let unended = |raw: &mut Raw| {
                let (text, end) = raw.finish()?;
                Some((raw.stream, String::from_utf8_lossy(&text).into_owned(), end))
            };
            let lines = tail.raw.iter_mut().filter_map(unended).collect();
            record(id, tail, log, &mut self.followers, lines);
        }
        self.flush(id);
        self.dirty.remove(id);
        let Some(tail) = self.tails.remove(id) else {
            return Vec::new();
        };
        for watch in tail.watches {
            self.watches.remove(&watch);
            let _ = self
                .inotify
                .as_ref()
                .map(|inotify| inotify::remove_watch(inotify, watch));
        }
        if !self
            .tails
            .values()
            .any(|other| other.revision == tail.revision)
        {
            self.logs.remove(&tail.revision);
        }
        tail.recent.into()
    }

    /// Past the bound of followers a query gets its history and ends.
    fn follow(&mut self, query: LogQuery) -> Option<mpsc::Receiver<LogLine>> {
        self.followers.retain(|follower| !follower.is_closed());
        if !query.follow {
            return None;
        }
        let namespace = query.function.namespace().to_owned();
        let place = self.places.take(vec![(namespace, 1)], 1)?;
        let (follower, receiver) = Follower::new(query, place);
        self.followers.push(follower);
        Some(receiver)
    }
}

/// Gives lines to the log, the exit report and the followers.
fn record(
    id: &InstanceId,
    tail: &mut Tail,
    log: &mut RevisionLog,
    followers: &mut [Follower],
    lines: Vec<(LogStream, String, u64)>,
) {
    let time_ms = now_ms();
    for (stream, line, end) in lines {
        tail.recent
            .push_back(line.chars().take(REPORT_LINE_CHARS).collect());
        if tail.recent.len() > LAST_LOG_LINES {
            tail.recent.pop_front();
        }
        let line = LogLine {
            time_ms,
            revision: tail.revision.clone(),
            instance: id.clone(),
            stream,
            line,
        };
        log.push(&line, end);
        for follower in &mut *followers {
            follower.offer(&line);
        }
    }
    for follower in followers {
        follower.deliver();
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::EventfdFlags;

    use super::*;

    fn query(function: &str) -> LogQuery {
        LogQuery {
            function: function.parse().unwrap(),
            revision: None,
            instance: None,
            tail: None,
            since_ms: None,
            until_ms: None,
            follow: true,
        }
    }

    #[test]
    fn followers_of_one_namespace_leave_places_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let wake = rustix::event::eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let (_commands, receiver) = std::sync::mpsc::sync_channel(1);
        let (root, bounds) = (folder.path().to_owned(), Bounds::default());
        let mut collector = Collector::new(root, bounds, receiver, Arc::new(wake)).unwrap();
        let mut flood = |function: &str| -> Vec<_> {
            let all = 0..FOLLOWERS;
            all.map_while(|_| collector.follow(query(function)))
                .collect()
        };
        let first = flood("one/f");
        assert_eq!(first.len() as u64, FOLLOWERS / 2);
        assert!(flood("one/g").is_empty());
        let other = flood("two/f");
        assert_eq!(other.len() as u64, FOLLOWERS / 4);
        drop(first);
        assert!(!flood("one/g").is_empty());
    }
}
