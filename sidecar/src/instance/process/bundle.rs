//! Bundles, unpacked once into a folder of `bundles/`, whole or not at all, and started only as they were uploaded.
//!
//! Where walls keep an instance from writing to it, all share the folder of a digest. Where nothing does, each function has its own, so
//! that it can spoil no other's, and before each start the folder must look as it did when it was unpacked ([`marks`]); one that does not
//! is left to who runs in it, and the bundle is unpacked anew under another name. How it looked is known to this process alone, since what
//! is on the disk may be written: the next sidecar unpacks anew. Deliberately no protection against a program of the same user that changes
//! a file between that look and the start.

use std::collections::{HashMap, HashSet};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use gateless_common::name::is_sha256;
use gateless_core::config::Bundle;
use gateless_core::name::FunctionName;
use parking_lot::Mutex;

use super::procfs;
use marks::Marks;

mod marks;
mod unpack;

/// The file a bundle of one executable becomes.
pub(super) const EXECUTABLE: &str = "executable";
const TEMPORARY: &str = ".tmp-";
const TICK: &str = ".tick-";

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("bundle entry {0:?} is refused: {1}")]
    Entry(String, &'static str),
    #[error("bundle unpacks to more than {0} {1}")]
    TooLarge(u64, &'static str),
    #[error("bundle has no valid sha256: {0:?}")]
    Digest(String),
    #[error("the copy of bundle {0} on this host is not what was uploaded; it is fetched anew")]
    Changed(String),
    #[error("bundle cannot be unpacked: {0}")]
    Io(#[from] io::Error),
}

/// What a bundle may unpack to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub bytes: u64,
    pub entries: u64,
    /// Unpacked bundles kept at once, besides those in use.
    pub kept: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            bytes: 2 << 30,
            entries: 100_000,
            kept: 64,
        }
    }
}

/// Whose folder it is: a digest's, and where nothing keeps a function from writing to it that function's alone.
type Key = (String, Option<FunctionName>);

/// An unpacked bundle, in use for as long as anybody but [`Bundles`] has it.
#[derive(Debug)]
pub(super) struct Unpacked {
    name: String,
    folder: PathBuf,
    /// `None`: nobody may write to it.
    marks: Option<Marks>,
    /// The order in which they were last used.
    used: AtomicU64,
}

impl Unpacked {
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it is as it was unpacked.
    fn is_as_it_was(&self) -> bool {
        match self.marks {
            Some(marks) => marks::look(&self.folder).is_ok_and(|found| Marks::of(found) == marks),
            None => self.folder.is_dir(),
        }
    }
}

#[derive(Debug, Default)]
struct Known {
    current: HashMap<Key, Arc<Unpacked>>,
    /// Found changed, or an earlier sidecar's: they go with the last instance in them.
    former: Vec<Weak<Unpacked>>,
    /// Names of those on their way.
    coming: HashSet<String>,
    uses: u64,
}

impl Known {
    fn take(&mut self, key: &Key) -> Option<Arc<Unpacked>> {
        self.uses += 1;
        let found = self.current.get(key)?;
        found.used.store(self.uses, Ordering::Relaxed);
        Some(found.clone())
    }

    fn retire(&mut self, key: &Key) {
        if let Some(changed) = self.current.remove(key) {
            self.former.push(Arc::downgrade(&changed));
        }
    }
}

/// The unpacked bundles of a node.
#[derive(Debug)]
pub(super) struct Bundles {
    root: PathBuf,
    bounds: Bounds,
    /// Instances cannot write to them.
    held: bool,
    known: Mutex<Known>,
    /// One lock per bundle being looked at or unpacked: the first unpacks, the others find it done.
    unpacking: Mutex<HashMap<Key, Arc<Mutex<()>>>>,
}

impl Bundles {
    /// Clears what an interrupted unpacking or, after a reboot, a power cut may have left incomplete. `held`: instances cannot write to them.
    pub(super) fn open(root: PathBuf, bounds: Bounds, held: bool) -> io::Result<Self> {
        let boot = root.join(".boot");
        let same_boot = fs::read_to_string(&boot).is_ok_and(|id| id == procfs::boot_id());
        for entry in fs::read_dir(&root)? {
            let entry = entry?;
            let temporary = entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(TEMPORARY.as_bytes());
            if entry.file_type()?.is_dir() && (temporary || !same_boot) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        fs::write(boot, procfs::boot_id())?;
        Ok(Self {
            root,
            bounds,
            held,
            known: Mutex::default(),
            unpacking: Mutex::default(),
        })
    }

    /// The folder of a bundle for an instance of a function, unpacked from `file` unless it is there as it was. Blocks.
    pub(super) fn unpacked(
        &self,
        bundle: &Bundle,
        function: &FunctionName,
        file: &Path,
    ) -> Result<Arc<Unpacked>, Error> {
        let digest = &bundle.sha256;
        if !is_sha256(digest) {
            return Err(Error::Digest(digest.chars().take(80).collect()));
        }
        let key = (digest.clone(), (!self.held).then(|| function.clone()));
        let lock = self
            .unpacking
            .lock()
            .entry(key.clone())
            .or_default()
            .clone();
        let result = {
            let _unpacking = lock.lock();
            self.found(&key, function).map_or_else(
                || {
                    self.evict();
                    self.unpack(bundle, key.clone(), file)
                },
                Ok,
            )
        };
        let mut unpacking = self.unpacking.lock();
        // Ours and the map's: nobody waits.
        if Arc::strong_count(&lock) == 2 {
            unpacking.remove(&key);
        }
        result
    }

    /// What is there of it, if it is as it was.
    fn found(&self, key: &Key, function: &FunctionName) -> Option<Arc<Unpacked>> {
        let found = self.known.lock().take(key)?;
        if found.is_as_it_was() {
            return Some(found);
        }
        tracing::error!(
            %function,
            bundle = key.0,
            folder = %found.folder.display(),
            "an instance changed the unpacked bundle of its function; it is unpacked anew and not started as it is"
        );
        self.known.lock().retire(key);
        None
    }

    fn unpack(&self, bundle: &Bundle, key: Key, file: &Path) -> Result<Arc<Unpacked>, Error> {
        let unique: u64 = rand::random();
        let name = format!("{}-{unique:016x}", bundle.sha256);
        self.known.lock().coming.insert(name.clone());
        let made = self.unpack_as(&name, bundle, file);
        let mut known = self.known.lock();
        known.coming.remove(&name);
        known.uses += 1;
        let unpacked = Arc::new(Unpacked {
            folder: self.root.join(&name),
            name,
            marks: made?,
            used: known.uses.into(),
        });
        known.current.insert(key, unpacked.clone());
        Ok(unpacked)
    }

    fn unpack_as(&self, name: &str, bundle: &Bundle, file: &Path) -> Result<Option<Marks>, Error> {
        let temporary = self.root.join(format!("{TEMPORARY}{name}"));
        let folder = self.root.join(name);
        let made = || -> Result<Option<Marks>, Error> {
            fs::create_dir(&temporary)?;
            fs::set_permissions(&temporary, Permissions::from_mode(0o755))?;
            unpack::unpack(bundle, file, &temporary, self.bounds)?;
            fs::rename(&temporary, &folder)?;
            if self.held {
                return Ok(None);
            }
            let entries = marks::look(&folder)?;
            marks::await_tick(&entries, &self.root.join(format!("{TICK}{name}")))?;
            Ok(Some(Marks::of(entries)))
        };
        made().inspect_err(|error| {
            for folder in [&temporary, &folder] {
                let _ = fs::remove_dir_all(folder);
            }
            if matches!(error, Error::Changed(_)) {
                tracing::error!(bundle = bundle.sha256, file = %file.display(), "{error}");
                // Whoever needs it next fetches it.
                let _ = fs::remove_file(file);
            }
        })
    }

    /// One that an instance of an earlier sidecar runs from.
    pub(super) fn adopt(&self, name: &str) -> Arc<Unpacked> {
        let unpacked = Arc::new(Unpacked {
            name: name.to_owned(),
            folder: self.root.join(name),
            marks: None,
            used: AtomicU64::new(0),
        });
        let mut known = self.known.lock();
        known.former.push(Arc::downgrade(&unpacked));
        unpacked
    }

    /// Makes room: those that nobody may start any more go once nobody runs in them, and of the others the longest unused. Call it at first
    /// when all that an earlier sidecar left is adopted.
    pub(super) fn evict(&self) {
        self.forget_surplus();
        let Ok(entries) = fs::read_dir(&self.root) else {
            return;
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        let names = names.filter_map(|name| name.into_string().ok());
        // Listed before it is asked what is in use: what was made since is in no list.
        let listed: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        let in_use = self.in_use();
        for name in listed.iter().filter(|name| !in_use.contains(*name)) {
            let path = self.root.join(name);
            if let Err(error) = fs::remove_dir_all(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), %error, "cannot remove an old bundle");
            }
        }
    }

    /// Forgets the longest unused, so that with one more as many are kept as may be.
    fn forget_surplus(&self) {
        let mut known = self.known.lock();
        let idle = known
            .current
            .iter()
            .filter(|(_, one)| Arc::strong_count(one) == 1);
        let mut idle: Vec<(u64, Key)> = idle
            .map(|(key, one)| (one.used.load(Ordering::Relaxed), key.clone()))
            .collect();
        idle.sort_by_key(|(used, _)| *used);
        let surplus = (idle.len() + 1).saturating_sub(self.bounds.kept);
        for (_, key) in idle.into_iter().take(surplus) {
            known.current.remove(&key);
        }
        known.former.retain(|one| one.strong_count() > 0);
    }

    fn in_use(&self) -> HashSet<String> {
        let known = self.known.lock();
        let current = known.current.values().cloned();
        let former = known.former.iter().filter_map(Weak::upgrade);
        let unpacked = current.chain(former).map(|one| one.name.clone());
        unpacked.chain(known.coming.iter().cloned()).collect()
    }
}

/// A relative path without `..`; `None` for any other.
pub(super) fn inner_path(path: &Path) -> Option<PathBuf> {
    let mut inner = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => inner.push(part),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(inner)
}

#[cfg(test)]
mod tests;
