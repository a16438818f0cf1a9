//! Turns a folder or a program into the bundle the server stores, byte for byte the same
//! every time.
//!
//! A folder becomes a tar.gz with sorted names, no owners and no times, so an unchanged
//! folder has an unchanged digest and is not uploaded again. Deliberately no build step: what
//! is in the folder is what runs.

mod ignore;
pub(crate) mod sources;

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use flate2::{Compression, GzBuilder};
use gateless_common::limits::ARTIFACT_BYTES;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use self::ignore::Ignore;
use crate::failure::{Exit, Failure};

/// Next to what `function.toml` says, one pattern a line.
const IGNORE_FILE: &str = ".gatelessignore";

/// A packed bundle, ready to upload.
#[derive(Debug)]
pub(crate) struct Artifact {
    /// Lower-case hex digest of the file.
    pub(crate) sha256: String,
    /// Bytes.
    pub(crate) size: u64,
    /// Positioned at its start.
    pub(crate) file: File,
    executable: Option<String>,
}

impl Artifact {
    /// The API's `bundle` object.
    pub(crate) fn to_json(&self) -> Value {
        let format = if self.executable.is_some() {
            "executable"
        } else {
            "tar.gz"
        };
        json!({"sha256": self.sha256, "format": format, "size": self.size})
    }

    /// The file's name, when the bundle is one executable.
    pub(crate) fn executable_name(&self) -> Option<&str> {
        self.executable.as_deref()
    }
}

/// Packs `path`, leaving out what matches `patterns` or the folder's `.gatelessignore`.
pub(crate) fn pack(path: &Path, patterns: &[String]) -> Result<Artifact, Failure> {
    let meta = fs::metadata(path).map_err(|error| {
        Failure::io(format!("cannot read the bundle {}", path.display()), &error)
            .hint("bundle is relative to function.toml; build the program first if it is built")
    })?;
    let artifact = if meta.is_dir() {
        pack_folder(path, patterns)?
    } else {
        pack_executable(path, &meta)?
    };
    if artifact.size > ARTIFACT_BYTES {
        return Err(Failure::new(
            Exit::Failure,
            "bundle_too_large",
            format!("the bundle {} has {} bytes", path.display(), artifact.size),
        )
        .cause(format!("the server takes at most {ARTIFACT_BYTES}"))
        .hint(format!(
            "leave files out with ignore = [\"...\"] in function.toml or with {IGNORE_FILE}"
        )));
    }
    Ok(artifact)
}

/// Takes the component at `path` as it is; what it exports is the server's to judge.
pub(crate) fn component(path: &Path) -> Result<Artifact, Failure> {
    let unreadable = |e: io::Error| {
        Failure::io(format!("cannot read the component {}", path.display()), &e).hint(
            "component is relative to function.toml; build it first, or name what does in [build]",
        )
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let mut hash = Hashed::new(io::sink());
    io::copy(&mut file, &mut hash).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    Ok(hash.into_artifact(file, None))
}

fn pack_executable(path: &Path, meta: &fs::Metadata) -> Result<Artifact, Failure> {
    let unreadable = |e: io::Error| Failure::io(format!("cannot read {}", path.display()), &e);
    if meta.permissions().mode() & 0o111 == 0 {
        return Err(
            Failure::usage(format!("the bundle {} is not executable", path.display()))
                .hint("chmod +x it, or give its folder as the bundle and a command that runs it"),
        );
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let mut hash = Hashed::new(io::sink());
    io::copy(&mut file, &mut hash).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
    Ok(hash.into_artifact(file, Some(name.unwrap_or_else(|| "function".into()))))
}

fn pack_folder(root: &Path, patterns: &[String]) -> Result<Artifact, Failure> {
    let broken = |e: io::Error| Failure::io(format!("cannot pack {}", root.display()), &e);
    let ignore = ignored(root, patterns).map_err(broken)?;
    let mut entries = Vec::new();
    collect(root, Path::new(""), &ignore, &mut entries).map_err(broken)?;
    entries.sort();

    let mut file = tempfile::tempfile().map_err(broken)?;
    let hash = {
        let hashed = Hashed::new(io::BufWriter::new(&mut file));
        let gzip = GzBuilder::new()
            .mtime(0)
            .write(hashed, Compression::default());
        let mut tar = tar::Builder::new(gzip);
        for entry in &entries {
            append(&mut tar, root, entry)?;
        }
        let mut hash = tar
            .into_inner()
            .and_then(flate2::write::GzEncoder::finish)
            .map_err(broken)?;
        hash.flush().map_err(broken)?;
        hash.without_writer()
    };
    file.rewind().map_err(broken)?;
    Ok(hash.into_artifact(file, None))
}

/// What stays out of a bundle of `root`.
fn ignored(root: &Path, patterns: &[String]) -> io::Result<Ignore> {
    let file = match fs::read_to_string(root.join(IGNORE_FILE)) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(e),
    };
    let patterns = patterns.iter().map(String::as_str);
    Ignore::new(patterns.chain(file.lines()))
}

/// Files and symbolic links below `root/at`, as relative paths. Folders come out of the
/// names; an empty folder is not kept.
fn collect(root: &Path, at: &Path, ignore: &Ignore, out: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(at))? {
        let entry = entry?;
        let path = at.join(entry.file_name());
        let kind = entry.file_type()?;
        if ignore.matches(&path, kind.is_dir()) {
            continue;
        }
        if kind.is_dir() {
            collect(root, &path, ignore, out)?;
        } else {
            out.push(path);
        }
    }
    Ok(())
}

fn append<W: Write>(tar: &mut tar::Builder<W>, root: &Path, path: &Path) -> Result<(), Failure> {
    let full = root.join(path);
    let broken = |e: io::Error| Failure::io(format!("cannot pack {}", full.display()), &e);
    let meta = fs::symlink_metadata(&full).map_err(broken)?;
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    if meta.is_symlink() {
        let target = fs::read_link(&full).map_err(broken)?;
        if !stays_inside(path, &target) {
            return Err(Failure::usage(format!(
                "the link {} points out of the bundle, to {}",
                full.display(),
                target.display()
            ))
            .hint("copy the file into the folder, or leave the link out with ignore"));
        }
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_mode(0o777);
        header.set_size(0);
        return tar.append_link(&mut header, path, target).map_err(broken);
    }
    if !meta.is_file() {
        return Err(
            Failure::usage(format!("{} is neither a file nor a link", full.display()))
                .hint("leave it out with ignore in function.toml"),
        );
    }
    let executable = meta.permissions().mode() & 0o111 != 0;
    header.set_mode(if executable { 0o755 } else { 0o644 });
    header.set_size(meta.len());
    let file = BufReader::new(File::open(&full).map_err(broken)?);
    // A file that grows meanwhile must not break the archive's lengths.
    tar.append_data(&mut header, path, file.take(meta.len()))
        .map_err(broken)
}

/// Whether a link at `path` still points inside the bundle.
fn stays_inside(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count().saturating_sub(1);
    for part in target.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}

/// Counts and digests what passes through.
struct Hashed<W> {
    inner: W,
    digest: Sha256,
    size: u64,
}

impl<W> Hashed<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            digest: Sha256::new(),
            size: 0,
        }
    }

    fn without_writer(self) -> Hashed<io::Sink> {
        Hashed {
            inner: io::sink(),
            digest: self.digest,
            size: self.size,
        }
    }

    fn into_artifact(self, file: File, executable: Option<String>) -> Artifact {
        Artifact {
            sha256: hex::encode(self.digest.finalize()),
            size: self.size,
            file,
            executable,
        }
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buf)?;
        self.digest.update(&buf[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests;
