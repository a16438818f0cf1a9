//! Compiled components on disk. An entry is machine code this process will run, so it is only ever run if
//! this installation wrote it: beside `NAME.cwasm` lies `NAME.seal`, an HMAC-SHA256 over name and content
//! with a random key of the directory. The name holds the component's digest and a hash of everything the
//! machine code depends on (engine version, settings, CPU features). Whatever does not fit is compiled anew.
//!
//! An entry is read and checked once per process; after that the file's identity (inode, size, both
//! times) stands for the content. Whoever can change a file of this user without changing those can
//! also change this process.
//!
//! Deliberately no protection of the directory from its own user.

use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gateless_common::io::{PRIVATE, age, create, private_dir, replace, touch};
use hmac::{Hmac, Mac};
use parking_lot::Mutex;
use rand::RngCore;
use sha2::{Digest, Sha256};

use crate::error::{Error, LoadError};

const KEY_BYTES: usize = 32;

/// The seal's time says when the entry was last loaded; written again only when older than this.
const USED_RESOLUTION: Duration = Duration::from_secs(3600);

/// A temporary file this old belongs to nobody.
const LEFTOVER_AGE: Duration = Duration::from_secs(3600);

pub(crate) struct Cache {
    dir: PathBuf,
    key: [u8; KEY_BYTES],
    /// Part of every name: what compiled code depends on besides its source.
    environment: String,
    max_bytes: u64,
    /// Entries this process wrote or checked. A lock because loads run on many threads; held for a look-up.
    checked: Mutex<HashMap<String, FileId>>,
}

/// What stands for a file's content once it was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileId {
    fn of(meta: &fs::Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

impl Cache {
    /// `environment` is wasmtime's own value for what compiled code depends on.
    pub(crate) fn open(dir: &Path, environment: impl Hash, max_bytes: u64) -> Result<Self, Error> {
        let mut hasher = Sha256Hasher(Sha256::new());
        environment.hash(&mut hasher);
        let environment = hex::encode(hasher.0.finalize())[..16].to_owned();
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Cache { path, source }
        };
        private_dir(dir).map_err(failed(dir))?;
        let key_path = dir.join("key");
        let key = read_or_make_key(&key_path).map_err(failed(&key_path))?;
        remove_leftovers(dir).map_err(failed(dir))?;
        Ok(Self {
            dir: dir.to_owned(),
            key,
            environment,
            max_bytes,
            checked: Mutex::new(HashMap::new()),
        })
    }

    fn name(&self, sha256: &str) -> String {
        format!("{sha256}-{}", self.environment)
    }

    fn code_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.cwasm"))
    }

    fn seal_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.seal"))
    }

    /// The entry's file, if its content is known without reading it.
    pub(crate) fn known(&self, sha256: &str) -> Option<PathBuf> {
        let name = self.name(sha256);
        let path = self.code_path(&name);
        let known = *self.checked.lock().get(&name)?;
        let is_same = fs::metadata(&path).is_ok_and(|meta| FileId::of(&meta) == known);
        is_same.then_some(path)
    }

    /// The entry's file, read and checked if need be. `None`: compile it.
    pub(crate) fn find(&self, sha256: &str) -> Option<PathBuf> {
        if let Some(path) = self.known(sha256) {
            return Some(path);
        }
        let name = self.name(sha256);
        let path = self.code_path(&name);
        match self.check(&name, &path) {
            Ok(Some(id)) => {
                self.checked.lock().insert(name, id);
                Some(path)
            }
            Ok(None) => {
                tracing::warn!(
                    sha256,
                    "compiled component is damaged or foreign; compiling it again"
                );
                None
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(sha256, %error, "cannot read a compiled component; compiling it again");
                None
            }
        }
    }

    /// Reads an entry; `None` if the seal is not this installation's over this content.
    fn check(&self, name: &str, path: &Path) -> io::Result<Option<FileId>> {
        let mut file = File::open(path)?;
        let seal = fs::read(self.seal_path(name))?;
        let before = FileId::of(&file.metadata()?);
        let mut mac = self.mac(name);
        let mut buffer = vec![0; 64 << 10];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read => mac.update(buffer.get(..read).unwrap_or_default()),
            }
        }
        let after = FileId::of(&file.metadata()?);
        let fits = mac.verify_slice(&seal).is_ok() && before == after;
        Ok(fits.then_some(after))
    }

    fn mac(&self, name: &str) -> Hmac<Sha256> {
        // HMAC takes keys of any length, so this cannot fail; the type cannot say so.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key)
            .unwrap_or_else(|_| unreachable!("hmac takes any key"));
        mac.update(name.as_bytes());
        mac.update(&[0]);
        mac
    }

    /// Writes an entry: whole and sealed, or not at all.
    pub(crate) fn insert(&self, sha256: &str, code: &[u8]) -> Result<PathBuf, LoadError> {
        let name = self.name(sha256);
        let path = self.code_path(&name);
        let failed = |error: io::Error| LoadError::File {
            path: path.clone(),
            reason: error.to_string(),
        };
        let mut mac = self.mac(&name);
        mac.update(code);
        // The old seal goes first: between the two renames there is an entry without a seal, never one
        // with a wrong seal that somebody might wonder about.
        remove(&self.seal_path(&name));
        replace(&path, code, PRIVATE).map_err(failed)?;
        let seal = mac.finalize().into_bytes();
        replace(&self.seal_path(&name), &seal, PRIVATE).map_err(failed)?;
        let id = FileId::of(&fs::metadata(&path).map_err(failed)?);
        self.checked.lock().insert(name.clone(), id);
        self.prune(&name);
        Ok(path)
    }

    /// Forgets an entry wasmtime would not take.
    pub(crate) fn reject(&self, sha256: &str) {
        let name = self.name(sha256);
        self.checked.lock().remove(&name);
        remove(&self.seal_path(&name));
        remove(&self.code_path(&name));
    }

    /// Notes that an entry was loaded, for the order in which entries go.
    pub(crate) fn touch(&self, sha256: &str) {
        let seal = self.seal_path(&self.name(sha256));
        let used = fs::metadata(&seal).and_then(|meta| meta.modified());
        let Ok(used) = used else { return };
        if age(used).is_none_or(|age| age >= USED_RESOLUTION)
            && let Err(error) = touch(&seal)
        {
            tracing::debug!(%error, "cannot note the use of a compiled component");
        }
    }

    /// Removes the entries longest unused until the rest fits; never `newest`, nor what must be kept.
    fn prune(&self, newest: &str) {
        let Ok(listed) = fs::read_dir(&self.dir) else {
            return;
        };
        let mut entries = Vec::new();
        let mut total = 0;
        for entry in listed.flatten() {
            let file_name = entry.file_name();
            let Some(name) = file_name.to_str().and_then(|n| n.strip_suffix(".cwasm")) else {
                continue;
            };
            let size = entry.metadata().map_or(0, |meta| meta.len());
            total += size;
            let used = fs::metadata(self.seal_path(name)).and_then(|meta| meta.modified());
            entries.push((
                used.unwrap_or(SystemTime::UNIX_EPOCH),
                size,
                name.to_owned(),
            ));
        }
        entries.sort();
        for (_, size, name) in entries {
            if total <= self.max_bytes {
                return;
            }
            if name == newest {
                continue;
            }
            self.checked.lock().remove(&name);
            remove(&self.seal_path(&name));
            remove(&self.code_path(&name));
            total -= size;
        }
    }
}

fn read_or_make_key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    match fs::read(path) {
        Ok(found) => {
            if let Ok(key) = found.try_into() {
                return Ok(key);
            }
            tracing::warn!(
                "the key of compiled components is damaged; everything is compiled again"
            );
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    remove(path);
    let mut key = [0; KEY_BYTES];
    rand::rng().fill_bytes(&mut key);
    // Of two processes that begin at once, one makes the key.
    if create(path, &key, PRIVATE)? {
        return Ok(key);
    }
    let other = fs::read(path)?.try_into();
    other.map_err(|_| io::Error::other("the key is not of the right length"))
}

/// What a process left when it ended in the middle of writing; not what another one is writing now.
fn remove_leftovers(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)?.flatten() {
        let is_old = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .is_ok_and(|time| age(time).is_some_and(|age| age > LEFTOVER_AGE));
        let name = entry.file_name();
        let unfinished = name.as_encoded_bytes();
        if is_old && (unfinished.starts_with(b".") || unfinished.ends_with(b".new")) {
            remove(&entry.path());
        }
    }
    Ok(())
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot remove a file of the wasm cache");
        }
        _ => {}
    }
}

/// SHA-256 as the standard library's hasher, because that one may differ from build to build.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest
            .iter()
            .take(8)
            .fold(0, |value, byte| (value << 8) | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path, environment: &str) -> Cache {
        Cache::open(dir, environment, 1 << 30).unwrap()
    }

    #[test]
    fn an_entry_of_another_engine_is_not_found() {
        let dir = tempfile::tempdir().unwrap();
        let digest = "ab".repeat(32);
        open(dir.path(), "48").insert(&digest, b"code").unwrap();
        assert!(open(dir.path(), "48").find(&digest).is_some());
        assert!(open(dir.path(), "49").find(&digest).is_none());
        assert!(open(dir.path(), "48").find(&"cd".repeat(32)).is_none());
    }

    #[test]
    fn key_and_entries_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let cache = open(&dir.path().join("new/cache"), "48");
        cache.insert("ab", b"code").unwrap();
        for entry in fs::read_dir(&cache.dir).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let mode = fs::metadata(&cache.dir).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
