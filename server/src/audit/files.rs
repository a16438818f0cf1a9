//! Entries in files of JSON lines, appended to and synced, each line chained to the one before: one chain of a log. At its bound
//! the oldest file goes.
//!
//! It does not know what belongs into which chain, nor who may read it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use gateless_common::io::{PRIVATE, sync_dir};

use super::chain::{self, BEGINNING, Broken, Entry};

/// A file that has as many bytes is followed by another.
pub const MAX_FILE_BYTES: u64 = 8 << 20;

/// Number and hash of the last entry.
pub(super) type End = (u64, String);

/// What a look at a whole chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The first and last number that are kept; `None`: nothing is.
    pub range: Option<(u64, u64)>,
    /// The hash of the last entry: who keeps it elsewhere finds out when the end is cut off or all is written anew.
    pub head: String,
    /// The file and line that break the chain, and how.
    pub broken: Option<(String, Broken)>,
}

/// Where the files of a chain are, and how many.
#[derive(Debug, Clone)]
pub(super) struct Place {
    folder: PathBuf,
    prefix: &'static str,
    most: usize,
}

/// A chain that is appended to.
pub(super) struct Chain {
    place: Place,
    file: File,
    bytes: u64,
    end: End,
}

impl Chain {
    /// Opens a chain, or begins it. What a crash left of a last line is cut off.
    pub(super) fn open(place: Place) -> io::Result<Self> {
        let last = place.files()?.pop();
        let end = match &last {
            Some((_, path)) => place.repair(path)?,
            None => (0, BEGINNING.to_owned()),
        };
        let path = last.map_or_else(|| place.file(1), |(_, path)| path);
        let (file, bytes) = append_to(&path)?;
        Ok(Self {
            place,
            file,
            bytes,
            end,
        })
    }

    pub(super) fn end(&self) -> &End {
        &self.end
    }

    /// Appends an entry and waits until it is on the disk; it has its number, and gets its place in the chain here.
    pub(super) fn append(&mut self, entry: Entry) -> io::Result<()> {
        if self.bytes >= MAX_FILE_BYTES {
            self.turn_over(entry.sequence)?;
        }
        let entry = Entry {
            previous: self.end.1.clone(),
            ..entry
        };
        let (mut line, hash) = entry.line()?;
        line.push('\n');
        let written = self
            .file
            .write_all(line.as_bytes())
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a line would hide the next one.
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += line.len() as u64;
        self.end = (entry.sequence, hash);
        Ok(())
    }

    fn turn_over(&mut self, next: u64) -> io::Result<()> {
        (self.file, self.bytes) = append_to(&self.place.file(next))?;
        let all = self.place.files()?;
        for (_, oldest) in all.iter().take(all.len().saturating_sub(self.place.most)) {
            fs::remove_file(oldest)?;
        }
        sync_dir(&self.place.folder)
    }
}

impl Place {
    pub(super) fn new(folder: &Path, prefix: &'static str, most: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            prefix,
            most,
        }
    }

    /// The files with the numbers of their first entries, oldest first.
    pub(super) fn files(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let number = name
                .and_then(|name| name.strip_prefix(self.prefix))
                .and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".jsonl"));
            if let Some(first) = number.and_then(|number| number.parse().ok()) {
                all.push((first, path));
            }
        }
        all.sort_unstable();
        Ok(all)
    }

    fn file(&self, first: u64) -> PathBuf {
        self.folder
            .join(format!("{}-{first:020}.jsonl", self.prefix))
    }

    /// Cuts off what a crash left of a last line; number and hash of the last whole one. A line that was altered stays, for
    /// [`Place::verify`] to find.
    fn repair(&self, path: &Path) -> io::Result<End> {
        let text = fs::read(path)?;
        let whole = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        if whole < text.len() {
            let file = OpenOptions::new().write(true).open(path)?;
            file.set_len(whole as u64)?;
        }
        let text = String::from_utf8_lossy(text.get(..whole).unwrap_or_default());
        let last = text.lines().rev().find_map(|line| chain::read(line).ok());
        if let Some(entry) = last {
            return Ok((entry.sequence, entry.hash.unwrap_or_default()));
        }
        // A new file without a line: what is before it was the last.
        let files = self.files()?;
        let mut before = files.iter().rev().skip_while(|(_, other)| other != path);
        match before.nth(1) {
            Some((_, before)) => self.repair(before),
            None => Ok((0, BEGINNING.to_owned())),
        }
    }

    /// Its entries, newest first.
    pub(super) fn newest_first(&self, before: Option<u64>) -> io::Result<Backwards> {
        let mut files = self.files()?;
        files.retain(|(first, _)| before.is_none_or(|before| *first < before));
        Ok(Backwards {
            files: files.into_iter().map(|(_, path)| path).collect(),
            text: String::new(),
        })
    }

    /// Follows the whole chain up to `end`, which is what was appended last.
    pub(super) fn verify(&self, end: &End) -> io::Result<Verdict> {
        let mut verdict = Verdict {
            range: None,
            head: BEGINNING.to_owned(),
            broken: None,
        };
        let mut place = format!("{}-*.jsonl", self.prefix);
        for (_, path) in self.files()? {
            let Some(text) = read(&path)? else {
                verdict.range = None;
                continue;
            };
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            for (number, line) in text.lines().enumerate() {
                place = format!("{file}:{}", number + 1);
                match verdict.follow(line, end.0) {
                    Ok(()) if verdict.is_at(end) => return Ok(verdict),
                    Ok(()) => {}
                    Err(why) => {
                        verdict.broken = Some((place, why));
                        return Ok(verdict);
                    }
                }
            }
        }
        if !verdict.is_at(end) {
            verdict.broken = Some((place, Broken::Cut));
        }
        Ok(verdict)
    }
}

impl Verdict {
    fn follow(&mut self, line: &str, until: u64) -> Result<(), Broken> {
        let entry = chain::read(line)?;
        if entry.sequence > until {
            // Appended meanwhile, and for the next look.
            return Ok(());
        }
        // Where the oldest that is kept hangs on is gone.
        if let Some((_, last)) = self.range {
            chain::follows(&entry, (last, &self.head))?;
        }
        let first = self.range.map_or(entry.sequence, |(first, _)| first);
        self.range = Some((first, entry.sequence));
        self.head = entry.hash.unwrap_or_default();
        Ok(())
    }

    fn is_at(&self, end: &End) -> bool {
        self.range.map_or(0, |(_, last)| last) == end.0 && self.head == end.1
    }
}

/// Reads a chain from its end. One file at a time is in memory.
pub(super) struct Backwards {
    files: Vec<PathBuf>,
    text: String,
}

impl Backwards {
    /// The entry before the last answer; `None`: there is none.
    pub(super) fn next(&mut self) -> io::Result<Option<Entry>> {
        loop {
            let whole = self.text.trim_end_matches('\n').len();
            self.text.truncate(whole);
            if whole == 0 {
                let Some(path) = self.files.pop() else {
                    return Ok(None);
                };
                match read(&path)? {
                    Some(text) => self.text = text,
                    None => return Ok(None),
                }
                continue;
            }
            let begin = self.text.rfind('\n').map_or(0, |at| at + 1);
            // One that is altered is shown by `verify`; here it is passed over.
            let entry = chain::read(self.text.get(begin..).unwrap_or_default()).ok();
            self.text.truncate(begin);
            if entry.is_some() {
                return Ok(entry);
            }
        }
    }
}

/// A file's text; `None`: it was the oldest, and is gone by now.
fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        // What is no text is no entry, either.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
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
