//! The audit log: every change and every one that was refused, with who, what, when, from where, before and after.
//!
//! Files of JSON lines in the server's data folder, appended to and synced, each line chained to the one before
//! ([`chain`]), within [`MAX_FILE_BYTES`] and [`MAX_FILES`]: the oldest go. A server on a store with others keeps its own. It
//! decides nothing: a change that cannot be recorded is logged as an error and stays made.

pub mod chain;
pub mod describe;
mod refusals;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateless_common::io::{PRIVATE, private_dir, sync_dir};
use jiff::Timestamp;
use parking_lot::Mutex;

use self::chain::{Actor, BEGINNING, Broken, Entry};
use self::refusals::Refusals;
use crate::store::recorded::Change;

/// A file that has as many bytes is followed by another.
pub const MAX_FILE_BYTES: u64 = 8 << 20;
/// The most files that are kept.
pub const MAX_FILES: usize = 16;
/// The most bytes of a path, a header or a description.
const MAX_TEXT_BYTES: usize = 512;

/// What is to be recorded, before it has its place.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// Who.
    pub actor: Actor,
    /// The address it came from.
    pub from: Option<String>,
    /// Where a proxy says that it came from.
    pub forwarded: Option<String>,
    /// Method and route.
    pub action: String,
    /// The path.
    pub path: String,
    /// The namespace of the path.
    pub namespace: Option<String>,
    /// What it was answered with.
    pub status: Option<u16>,
    /// The problem's code.
    pub code: Option<String>,
    /// What it changed.
    pub changes: Vec<Change>,
}

/// Which entries are asked for.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this namespace only.
    pub namespace: Option<String>,
    /// By this token only.
    pub token_id: Option<String>,
    /// Whose action has this in it.
    pub action: Option<String>,
    /// `true`: only what was refused; `false`: only what was done.
    pub refused: Option<bool>,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Before this number only.
    pub before: Option<u64>,
}

/// What a look at the whole chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The first and last number that are kept; `None`: nothing is.
    pub range: Option<(u64, u64)>,
    /// The hash of the last entry: who keeps it elsewhere finds out when the end is cut off or all is written anew.
    pub head: String,
    /// The file and line that break the chain, and how.
    pub broken: Option<(String, Broken)>,
}

/// The log of one server.
pub struct Log {
    folder: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    file: File,
    bytes: u64,
    /// Of the last entry.
    sequence: u64,
    hash: String,
    refusals: Refusals,
}

impl Log {
    /// Opens the log in `folder`, or begins it. What a crash left of a last line is cut off.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Arc<Self>> {
        let folder = folder.into();
        private_dir(&folder)?;
        let last = files(&folder)?.pop();
        let (sequence, hash) = match &last {
            Some((first, path)) => repair(path, *first)?,
            None => (0, BEGINNING.to_owned()),
        };
        let path = last.map_or_else(|| name(&folder, 1), |(_, path)| path);
        let (file, bytes) = append_to(&path)?;
        sync_dir(&folder)?;
        Ok(Arc::new(Self {
            folder,
            inner: Mutex::new(Inner {
                file,
                bytes,
                sequence,
                hash,
                refusals: Refusals::default(),
            }),
        }))
    }

    /// Appends an entry and waits until it is on the disk. Of one actor's refusals only so many are recorded. It blocks.
    ///
    /// # Errors
    /// When the disk refuses; the log goes on with the next.
    pub fn append(&self, draft: Draft, now: Timestamp) -> io::Result<()> {
        let mut inner = self.inner.lock();
        let refused = draft.status.is_some_and(|status| status >= 400);
        let mut suppressed = 0;
        if refused && draft.changes.is_empty() {
            let seconds = u64::try_from(now.as_second()).unwrap_or(0);
            let actor = draft.actor.token_id.as_deref().unwrap_or_default();
            match inner.refusals.record(actor, seconds) {
                Some(more) => suppressed = more,
                None => return Ok(()),
            }
        }
        if inner.bytes >= MAX_FILE_BYTES {
            self.turn_over(&mut inner)?;
        }
        let (changes, omitted) = describe::fields(&draft.changes);
        let of_change = draft
            .changes
            .iter()
            .find_map(|change| describe::namespace(&change.key));
        let namespace = draft.namespace.as_deref().or(of_change);
        let entry = Entry {
            sequence: inner.sequence + 1,
            time: now,
            actor: draft.actor,
            from: draft.from,
            forwarded: draft.forwarded.as_deref().map(cut),
            action: cut(&draft.action),
            path: cut(&draft.path),
            namespace: namespace.map(cut),
            status: draft.status,
            code: draft.code,
            changes,
            omitted,
            suppressed,
            previous: inner.hash.clone(),
            hash: None,
        };
        let (mut line, hash) = entry.line()?;
        line.push('\n');
        let written = inner
            .file
            .write_all(line.as_bytes())
            .and_then(|()| inner.file.sync_data());
        if let Err(error) = written {
            // Half a line would hide the next one.
            let whole = inner.bytes;
            inner.file.set_len(whole)?;
            return Err(error);
        }
        inner.bytes += line.len() as u64;
        inner.sequence = entry.sequence;
        inner.hash = hash;
        Ok(())
    }

    fn turn_over(&self, inner: &mut Inner) -> io::Result<()> {
        let path = name(&self.folder, inner.sequence + 1);
        (inner.file, inner.bytes) = append_to(&path)?;
        let all = files(&self.folder)?;
        for (_, oldest) in all.iter().take(all.len().saturating_sub(MAX_FILES)) {
            fs::remove_file(oldest)?;
        }
        sync_dir(&self.folder)
    }

    /// The newest entries that the filter lets through, at most `limit`, newest first, and whether there may be more. It
    /// blocks.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn read(&self, filter: &Filter, limit: usize) -> io::Result<(Vec<Entry>, bool)> {
        let mut found = Vec::new();
        for (first, path) in files(&self.folder)?.into_iter().rev() {
            if filter.before.is_some_and(|before| first >= before) {
                continue;
            }
            let text = match fs::read_to_string(&path) {
                // It was the oldest, and is gone by now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                read => read?,
            };
            // One that is altered is shown by `verify`; here it is passed over.
            for entry in text.lines().rev().filter_map(|line| chain::read(line).ok()) {
                if !filter.passes(&entry) {
                    continue;
                }
                if found.len() == limit {
                    return Ok((found, true));
                }
                found.push(entry);
            }
        }
        Ok((found, false))
    }

    /// Follows the whole chain. It blocks.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn verify(&self) -> io::Result<Verdict> {
        let until = self.inner.lock().sequence;
        let mut verdict = Verdict {
            range: None,
            head: BEGINNING.to_owned(),
            broken: None,
        };
        for (_, path) in files(&self.folder)? {
            let text = fs::read_to_string(&path)?;
            for (number, line) in text.lines().enumerate() {
                let read = chain::read(line).and_then(|entry| {
                    // Where the oldest that is kept hangs on is gone.
                    if let Some((_, last)) = verdict.range {
                        chain::follows(&entry, (last, &verdict.head))?;
                    }
                    Ok(entry)
                });
                match read {
                    Ok(entry) => {
                        let first = verdict.range.map_or(entry.sequence, |(first, _)| first);
                        verdict.range = Some((first, entry.sequence));
                        verdict.head = entry.hash.unwrap_or_default();
                        if entry.sequence == until {
                            return Ok(verdict);
                        }
                    }
                    Err(why) => {
                        let file = path.file_name().unwrap_or_default().to_string_lossy();
                        verdict.broken = Some((format!("{file}:{}", number + 1), why));
                        return Ok(verdict);
                    }
                }
            }
        }
        Ok(verdict)
    }
}

impl Filter {
    fn passes(&self, entry: &Entry) -> bool {
        let is = |wanted: &Option<String>, has: &Option<String>| wanted.is_none() || wanted == has;
        let refused = entry.status.is_some_and(|status| status >= 400);
        is(&self.namespace, &entry.namespace)
            && is(&self.token_id, &entry.actor.token_id)
            && self
                .action
                .as_ref()
                .is_none_or(|part| entry.action.contains(part.as_str()))
            && self.refused.is_none_or(|wanted| wanted == refused)
            && self.since.is_none_or(|since| entry.time >= since)
            && self.before.is_none_or(|before| entry.sequence < before)
    }
}

/// The files with the numbers of their first entries, oldest first.
fn files(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let number = name
            .strip_prefix("audit-")
            .and_then(|rest| rest.strip_suffix(".jsonl"));
        if let Some(first) = number.and_then(|number| number.parse().ok()) {
            all.push((first, path));
        }
    }
    all.sort_unstable();
    Ok(all)
}

fn name(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("audit-{first:020}.jsonl"))
}

fn append_to(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(PRIVATE)
        .open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

/// Cuts off what a crash left of a last line; number and hash of the last whole one. A line that was altered stays, for
/// [`Log::verify`] to find.
fn repair(path: &Path, first: u64) -> io::Result<(u64, String)> {
    let text = fs::read(path)?;
    let whole = text
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    if whole < text.len() {
        OpenOptions::new()
            .write(true)
            .open(path)?
            .set_len(whole as u64)?;
    }
    let text = String::from_utf8_lossy(text.get(..whole).unwrap_or_default());
    let last = text.lines().rev().find_map(|line| chain::read(line).ok());
    Ok(match last {
        Some(entry) => (entry.sequence, entry.hash.unwrap_or_default()),
        // A new file without a line: what is before it was the last.
        None => match files(path.parent().unwrap_or(path))?.iter().rev().nth(1) {
            Some((before, path)) if *before < first => repair(path, *before)?,
            _ => (first.saturating_sub(1), BEGINNING.to_owned()),
        },
    })
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT_BYTES / 4).collect()
}

#[cfg(test)]
mod tests;
