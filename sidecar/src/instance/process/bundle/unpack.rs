//! From an uploaded file to a folder: what is in it, and that it is what was uploaded.
//!
//! An archive is somebody else's input: nothing in it may name a place outside its own folder, and its size and number of files are
//! bounded. The file is on this host since it was fetched, where a function without walls may write to it, so its digest is taken of the
//! very bytes that are unpacked.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;
use gateless_core::config::{Bundle, BundleFormat};
use sha2::{Digest, Sha256};
use tar::{Archive, Entry, EntryType};

use super::{Bounds, EXECUTABLE, Error, inner_path};

/// Unpacks a bundle into a folder that is there and empty.
pub(super) fn unpack(
    bundle: &Bundle,
    file: &Path,
    folder: &Path,
    bounds: Bounds,
) -> Result<(), Error> {
    let mut source = Source {
        file: File::open(file)?,
        digest: Sha256::new(),
    };
    let unpacked = match bundle.format {
        BundleFormat::TarGz => unpack_archive(&mut source, folder, bounds),
        BundleFormat::Executable => place_executable(&mut source, folder),
    };
    // Also what follows the archive is of the file; and an archive that makes no sense may be no longer what was uploaded.
    io::copy(&mut source, &mut io::sink())?;
    let found = source.digest.finalize();
    let found: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
    if found != bundle.sha256 {
        return Err(Error::Changed(bundle.sha256.clone()));
    }
    unpacked
}

/// The file, digested as it is read.
struct Source {
    file: File,
    digest: Sha256,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.digest.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

fn place_executable(source: &mut Source, folder: &Path) -> Result<(), Error> {
    write(source, &folder.join(EXECUTABLE), readable(0o111))
}

/// A new file with these bits, whatever the umask.
fn write(from: &mut impl Read, target: &Path, mode: u32) -> Result<(), Error> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(target)?;
    io::copy(from, &mut file)?;
    Ok(file.set_permissions(Permissions::from_mode(mode))?)
}

/// Everything unpacked so far that decides about what may follow.
struct Unpacking<'a> {
    root: &'a Path,
    /// Nothing may be created through one, and none is replaced.
    links: HashSet<PathBuf>,
    files: HashSet<PathBuf>,
}

fn unpack_archive(source: &mut Source, root: &Path, bounds: Bounds) -> Result<(), Error> {
    let limit = bounds.bytes;
    // Bounded where the bytes come out, so headers count too and nothing can hide in them.
    let stream = MultiGzDecoder::new(BufReader::new(source)).take(limit + 1);
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
                let mode = readable(entry.header().mode()?);
                write(&mut entry, &target, mode)?;
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

/// An instance may run as a user of its own; whoever it runs as reads a bundle and never writes it. Nothing of setuid, setgid and sticky.
fn readable(mode: u32) -> u32 {
    let executable = if mode & 0o111 == 0 { 0 } else { 0o111 };
    0o444 | executable
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
