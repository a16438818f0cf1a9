//! The audit log: every change and every one that was refused, with who, what, when, from where, before and after.
//!
//! Chains of lines in the server's data folder ([`files`]), each with a bound of its own ([`Part`]): whoever changes nothing
//! pushes out no change, and whoever has no token nothing of those who have one. A server on a store with others keeps its
//! own. It decides nothing: a change that cannot be recorded is logged as an error and stays made.

pub mod chain;
pub mod describe;
pub mod files;
mod share;

use std::io;
use std::path::Path;
use std::sync::Arc;

use gateless_common::io::{private_dir, sync_dir};
use jiff::Timestamp;
use parking_lot::Mutex;

use self::chain::{Actor, Entry};
use self::files::{Backwards, Chain, End, Place, Verdict};
use self::share::Shares;
use crate::store::recorded::Change;

/// The most bytes of a path, a header or a description.
const MAX_TEXT_BYTES: usize = 512;
/// The most files of changes.
pub const MAX_FILES: usize = 16;
/// The most files of requests that changed nothing, by those whose token is good.
pub const MAX_REQUEST_FILES: usize = 4;
/// The most files of requests by those without one.
pub const MAX_STRANGER_FILES: usize = 2;

/// What an entry is kept with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What was changed.
    Changes,
    /// What changed nothing, mostly as it was refused.
    Requests,
    /// The same, of those whose token is not good.
    Strangers,
}

impl Part {
    /// All, in the order in which a log has them.
    pub const ALL: [Self; 3] = [Self::Changes, Self::Requests, Self::Strangers];

    /// As programs know it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Requests => "requests",
            Self::Strangers => "strangers",
        }
    }

    fn place(self, folder: &Path) -> Place {
        match self {
            Self::Changes => Place::new(folder, "audit", MAX_FILES),
            Self::Requests => Place::new(folder, "requests", MAX_REQUEST_FILES),
            Self::Strangers => Place::new(folder, "strangers", MAX_STRANGER_FILES),
        }
    }
}

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

/// The log of one server.
pub struct Log {
    places: [Place; 3],
    inner: Mutex<Inner>,
}

struct Inner {
    chains: [Chain; 3],
    /// Of the last entry of all.
    sequence: u64,
    shares: Shares,
}

impl Log {
    /// Opens the log in `folder`, or begins it. What a crash left of a last line is cut off.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(folder: impl AsRef<Path>) -> io::Result<Arc<Self>> {
        let folder = folder.as_ref();
        private_dir(folder)?;
        let places = Part::ALL.map(|part| part.place(folder));
        let [changes, requests, strangers] = places.clone().map(Chain::open);
        let chains = [changes?, requests?, strangers?];
        sync_dir(folder)?;
        let sequence = chains.iter().map(|chain| chain.end().0).max();
        let inner = Inner {
            chains,
            sequence: sequence.unwrap_or_default(),
            shares: Shares::default(),
        };
        Ok(Arc::new(Self {
            places,
            inner: Mutex::new(inner),
        }))
    }

    /// Appends an entry and waits until it is on the disk. Of what one actor asks for without changing anything, only so much is
    /// recorded. It blocks.
    ///
    /// # Errors
    /// When the disk refuses; the log goes on with the next.
    pub fn append(&self, draft: Draft, now: Timestamp) -> io::Result<()> {
        let (changes, omitted) = describe::fields(&draft.changes);
        let part = match (changes.is_empty(), &draft.actor.token_id) {
            (false, _) => Part::Changes,
            (true, Some(_)) => Part::Requests,
            (true, None) => Part::Strangers,
        };
        let mut inner = self.inner.lock();
        let mut suppressed = 0;
        if part != Part::Changes {
            let seconds = u64::try_from(now.as_second()).unwrap_or(0);
            let actor = draft.actor.token_id.as_deref().unwrap_or_default();
            match inner.shares.record(actor, seconds) {
                Some(more) => suppressed = more,
                None => return Ok(()),
            }
        }
        let of_change = || draft.changes.iter().find_map(describe::namespace);
        let namespace = draft.namespace.clone().or_else(of_change);
        let sequence = inner.sequence + 1;
        let entry = Entry {
            sequence,
            time: now,
            actor: draft.actor,
            from: draft.from,
            forwarded: draft.forwarded.as_deref().map(cut),
            action: cut(&draft.action),
            path: cut(&draft.path),
            namespace: namespace.as_deref().map(cut),
            status: draft.status,
            code: draft.code,
            changes,
            omitted,
            suppressed,
            ..Entry::default()
        };
        let [changes, requests, strangers] = &mut inner.chains;
        let chain = match part {
            Part::Changes => changes,
            Part::Requests => requests,
            Part::Strangers => strangers,
        };
        chain.append(entry)?;
        inner.sequence = sequence;
        Ok(())
    }

    /// The newest entries that the filter lets through, at most `limit`, newest first, and whether there may be more. It
    /// blocks.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn read(&self, filter: &Filter, limit: usize) -> io::Result<(Vec<Entry>, bool)> {
        let mut parts = Vec::new();
        for place in &self.places {
            let mut entries = place.newest_first(filter.before)?;
            let newest = filter.next(&mut entries)?;
            parts.push((newest, entries));
        }
        let mut found = Vec::new();
        loop {
            // Numbers rise over all parts.
            let newest = parts
                .iter_mut()
                .max_by_key(|(newest, _)| newest.as_ref().map(|entry| entry.sequence));
            let Some((Some(_), _)) = newest.as_deref() else {
                return Ok((found, false));
            };
            if found.len() == limit {
                return Ok((found, true));
            }
            if let Some((newest, entries)) = newest {
                let next = filter.next(entries)?;
                found.extend(std::mem::replace(newest, next));
            }
        }
    }

    /// Follows every chain up to what was appended last. It blocks.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn verify(&self) -> io::Result<Vec<(Part, Verdict)>> {
        let ends: [End; 3] = {
            let inner = self.inner.lock();
            inner.chains.each_ref().map(|chain| chain.end().clone())
        };
        let parts = Part::ALL.into_iter().zip(&self.places).zip(&ends);
        parts
            .map(|((part, place), end)| Ok((part, place.verify(end)?)))
            .collect()
    }
}

impl Filter {
    /// The next one that it lets through.
    fn next(&self, entries: &mut Backwards) -> io::Result<Option<Entry>> {
        while let Some(entry) = entries.next()? {
            if self.passes(&entry) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

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

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_TEXT_BYTES)].to_owned()
}

#[cfg(test)]
mod tests;
