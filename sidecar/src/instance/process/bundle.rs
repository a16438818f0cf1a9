//! Bundles, unpacked once per digest into `bundles/SHA256/`, whole or not at all.
//!
//! An archive is somebody else's input: nothing in it may name a place outside its own folder, and
//! its size and number of files are bounded. Deliberately does not check the digest: whoever fetched
//! the file has. Instances of a bundle share its folder, so they should write to `$TMPDIR` instead.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use flate2::read::MultiGzDecoder;
use gateless_common::io::touch;
use gateless_core::config::{Bundle, BundleFormat};
use parking_lot::Mutex;
use tar::{Archive, Entry, EntryType};

use super::procfs;

/// The file a bundle of one executable becomes.
pub(super) const EXECUTABLE: &str = "executable";

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("bundle entry {0:?} is refused: {1}")]
    Entry(String, &'static str),
    #[error("bundle unpacks to more than {0} {1}")]
    TooLarge(u64, &'static str),
    #[error("bundle has no valid sha256: {0:?}")]
    Digest(String),
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

/// The unpacked bundles of a node.
#[derive(Debug)]
pub(super) struct Bundles {
    root: PathBuf,
    bounds: Bounds,
    /// One lock per digest being unpacked: the first unpacks, the others find it done.
    unpacking: Mutex<HashMap<String, Arc<Mutex<()>>>>,
}

impl Bundles {
    /// Clears what an interrupted unpacking or, after a reboot, a power cut may have left incomplete.
    pub(super) fn open(root: PathBuf, bounds: Bounds) -> io::Result<Self> {
        let boot = root.join(".boot");
        let same_boot = fs::read_to_string(&boot).is_ok_and(|id| id == procfs::boot_id());
        for entry in fs::read_dir(&root)? {
            let entry = entry?;
            let temporary = entry.file_name().as_encoded_bytes().starts_with(b".tmp-");
            if entry.file_type()?.is_dir() && (temporary || !same_boot) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        fs::write(boot, procfs::boot_id())?;
        Ok(Self {
            root,
            bounds,
            unpacking: Mutex::default(),
        })
    }

    /// The folder of a bundle, unpacked from `file` unless it is there. Blocks.
    pub(super) fn folder(
        &self,
        bundle: &Bundle,
        file: &Path,
        in_use: &HashSet<String>,
    ) -> Result<PathBuf, Error> {
        let digest = &bundle.sha256;
        if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Error::Digest(digest.chars().take(80).collect()));
        }
        let folder = self.root.join(digest);
        let lock = self
            .unpacking
            .lock()
            .entry(digest.clone())
            .or_default()
            .clone();
        let result = {
            let _unpacking = lock.lock();
            if folder.is_dir() {
                Ok(())
            } else {
                self.evict(in_use);
                self.unpack(bundle, file, &folder)
            }
        };
        self.unpacking.lock().remove(digest);
        // The order of eviction; a bundle just unpacked has its own new time.
        let _ = touch(&folder);
        result.map(|()| folder)
    }

    fn unpack(&self, bundle: &Bundle, file: &Path, folder: &Path) -> Result<(), Error> {
        let unique: u64 = rand::random();
        let temporary = self.root.join(format!(".tmp-{}-{unique:x}", bundle.sha256));
        fs::create_dir(&temporary)?;
        fs::set_permissions(&temporary, Permissions::from_mode(0o755))?;
        let unpacked = match bundle.format {
            BundleFormat::TarGz => unpack_archive(file, &temporary, self.bounds),
            BundleFormat::Executable => place_executable(file, &temporary),
        };
        match unpacked.and_then(|()| Ok(fs::rename(&temporary, folder)?)) {
            Err(_) if folder.is_dir() => {}
            Ok(()) => return Ok(()),
            Err(error) => {
                let _ = fs::remove_dir_all(&temporary);
                return Err(error);
            }
        }
        Ok(fs::remove_dir_all(&temporary)?)
    }

    /// Makes room: the longest unused go first, those in use never.
    fn evict(&self, in_use: &HashSet<String>) {
        let Ok(entries) = fs::read_dir(&self.root) else {
            return;
        };
        let mut idle: Vec<(SystemTime, PathBuf)> = entries
            .flatten()
            .filter(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                name.len() == 64 && !in_use.contains(&name)
            })
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        idle.sort();
        let surplus = (idle.len() + 1).saturating_sub(self.bounds.kept);
        for (_, path) in idle.into_iter().take(surplus) {
            if let Err(error) = fs::remove_dir_all(&path) {
                tracing::warn!(path = %path.display(), %error, "cannot remove an old bundle");
            }
        }
    }
}

fn place_executable(file: &Path, folder: &Path) -> Result<(), Error> {
    let target = folder.join(EXECUTABLE);
    fs::copy(file, &target)?;
    Ok(fs::set_permissions(target, Permissions::from_mode(0o755))?)
}

/// Everything unpacked so far that decides about what may follow.
struct Unpacking<'a> {
    root: &'a Path,
    /// Nothing may be created through one, and none is replaced.
    links: HashSet<PathBuf>,
    files: HashSet<PathBuf>,
}

fn unpack_archive(file: &Path, root: &Path, bounds: Bounds) -> Result<(), Error> {
    let limit = bounds.bytes;
    // Bounded where the bytes come out, so headers count too and nothing can hide in them.
    let stream = MultiGzDecoder::new(io::BufReader::new(File::open(file)?)).take(limit + 1);
    let mut archive = Archive::new(stream);
    let mut state = Unpacking {
        root,
        links: HashSet::new(),
        files: HashSet::new(),
    };
    let mut count = 0;
    for entry in archive.entries()? {
        let unpacked = entry.map_err(Error::from).and_then(|entry| {
            count += 1;
            if count > bounds.entries {
                return Err(Error::TooLarge(bounds.entries, "entries"));
            }
            state.entry(entry)
        });
        if let Err(error) = unpacked {
            return Err(archive_error(error, archive, limit));
        }
    }
    let mut stream = archive.into_inner();
    io::copy(&mut stream, &mut io::sink())?;
    if stream.limit() == 0 {
        return Err(Error::TooLarge(limit, "bytes"));
    }
    Ok(())
}

/// A stream cut off at the bound looks like a broken archive: name the true cause.
fn archive_error<R: Read>(error: Error, archive: Archive<io::Take<R>>, limit: u64) -> Error {
    match error {
        Error::Io(_) if archive.into_inner().limit() == 0 => Error::TooLarge(limit, "bytes"),
        other => other,
    }
}

impl Unpacking<'_> {
    fn entry<R: Read>(&mut self, mut entry: Entry<'_, R>) -> Result<(), Error> {
        let raw = entry.path()?.into_owned();
        let refuse = |why| Err(Error::Entry(raw.display().to_string(), why));
        let Some(path) = inner_path(&raw) else {
            return refuse("its path leaves the bundle");
        };
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        if path.ancestors().any(|part| self.links.contains(part)) {
            return refuse("its path goes through a symbolic link");
        }
        let target = self.root.join(&path);
        if let Some(parent) = path.parent() {
            make_folders(self.root, parent)?;
        }
        match entry.header().entry_type() {
            EntryType::Directory => make_folders(self.root, &path)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                // 0o777 strips setuid, setgid and sticky.
                let mode = readable(entry.header().mode()?);
                let mut file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&target)?;
                io::copy(&mut entry, &mut file)?;
                file.set_permissions(Permissions::from_mode(mode))?;
                self.files.insert(path);
            }
            EntryType::Symlink => {
                let link = entry.link_name()?.unwrap_or_default().into_owned();
                if !stays_inside(&path, &link) {
                    return refuse("it links outside the bundle");
                }
                symlink(link, &target)?;
                self.links.insert(path);
            }
            EntryType::Link => {
                let link = entry.link_name()?.unwrap_or_default().into_owned();
                let Some(link) = inner_path(&link).filter(|link| self.files.contains(link)) else {
                    return refuse("it links to what is no file of the bundle");
                };
                fs::hard_link(self.root.join(link), &target)?;
                self.files.insert(path);
            }
            EntryType::XGlobalHeader => {}
            _ => return refuse("only files, folders and links are unpacked"),
        }
        Ok(())
    }
}

/// An instance may run as a user of its own, which reads a bundle and never writes it.
fn readable(mode: u32) -> u32 {
    let executable = if mode & 0o111 == 0 { 0 } else { 0o111 };
    0o644 | executable
}

/// A folder that others may read, whatever the umask.
fn make_folders(root: &Path, path: &Path) -> io::Result<()> {
    let mut folder = root.to_owned();
    for part in path.components() {
        folder.push(part);
        match fs::create_dir(&folder) {
            Ok(()) => fs::set_permissions(&folder, Permissions::from_mode(0o755))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
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

/// Whether a symbolic link at `path` stays inside whatever other links there are: `..` only at the
/// front, where only true folders can be (nothing is created through a link), and not above the root.
fn stays_inside(path: &Path, link: &Path) -> bool {
    let mut above = path.components().count().saturating_sub(1);
    let mut descended = false;
    for component in link.components() {
        match component {
            Component::Normal(_) => descended = true,
            Component::CurDir => {}
            Component::ParentDir if !descended && above > 0 => above -= 1,
            _ => return false,
        }
    }
    !link.as_os_str().is_empty()
}

#[cfg(test)]
mod tests;
