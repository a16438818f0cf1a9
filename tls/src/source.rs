//! Where certificates are: pairs of files that are named, and those of a folder.
//!
//! A folder has `NAME.crt` and `NAME.key`, or folders with `tls.crt` and `tls.key`, as cert-manager and Kubernetes make them.
//! Deliberately no state: what is kept of what was read before is [`crate::certificates`]'.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::pair::{Fault, MAX_PEM_BYTES, Pair};

/// Pairs that are taken, those of the files named and of the folder together.
pub const MAX_CERTIFICATES: usize = 1_000;

/// Of a folder's pairs, the one that is shown to who asks for no name, or for one that no pair is for; else the first.
const DEFAULT: &str = "default";

/// Why a pair is refused, or the folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be read.
    #[error("{path}: {cause}")]
    Read {
        /// Which.
        path: String,
        /// What the system says.
        cause: String,
    },
    /// A file is no PEM of a sensible size.
    #[error("{0} is larger than {MAX_PEM_BYTES} bytes")]
    TooLarge(String),
    /// A file is not what it should be, or does not belong to the other.
    #[error("{path}: {fault}")]
    Bad {
        /// Which.
        path: String,
        /// What is wrong with it.
        fault: Fault,
    },
    /// Nothing to show.
    #[error("{0} has no pair NAME.crt and NAME.key, and no folder with tls.crt and tls.key")]
    Empty(String),
    /// There are more pairs than may be.
    #[error("there are more than {MAX_CERTIFICATES} certificates")]
    TooMany,
    /// Neither files nor a folder were named.
    #[error("no certificate is named")]
    Nothing,
    /// The library speaks none of the protocols.
    #[error("this build speaks neither TLS 1.2 nor 1.3")]
    NoProtocol,
}

/// The two files of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The certificate with its chain, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

/// Where an operator keeps the certificates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Each by its name; the first is the default.
    pub pairs: Vec<Files>,
    /// And all that are in it.
    pub folder: Option<PathBuf>,
}

/// What a pair is called in logs, metrics and reports.
pub(crate) type Name = String;

/// A pair that was read, and whether others than its owner may read its key.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) pair: Pair,
    pub(crate) key_is_open: bool,
}

/// Every pair by its name, good or refused; or why nothing could be looked at.
pub(crate) type Read = Result<Vec<(Name, Result<Found, Error>)>, Error>;

impl Settings {
    /// Every pair there is, in order. Blocking.
    ///
    /// # Errors
    /// When the folder as a whole is no good; else a pair is refused by itself.
    pub(crate) fn read(&self) -> Read {
        let all = self.list()?;
        let read = |(name, files): (Name, Files)| (name, files.read());
        Ok(all.into_iter().map(read).collect())
    }

    fn list(&self) -> Result<Vec<(Name, Files)>, Error> {
        let named = self.pairs.iter();
        let named = named.map(|files| (shown(&files.certificate), files.clone()));
        let mut all: Vec<(Name, Files)> = named.collect();
        if let Some(folder) = &self.folder {
            let inside = in_folder(folder)?;
            if inside.is_empty() {
                return Err(Error::Empty(shown(folder)));
            }
            all.extend(inside);
        }
        match all.len() {
            0 => Err(Error::Nothing),
            1..=MAX_CERTIFICATES => Ok(all),
            _ => Err(Error::TooMany),
        }
    }

    /// Folders in which something happens when one of the files becomes another: those of the files, and of what links to them
    /// lead to. Blocking.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        let mut add = |file: &Path| {
            let parent = |path: &Path| match path.parent() {
                Some(parent) if parent.as_os_str().is_empty() => Some(PathBuf::from(".")),
                parent => parent.map(Path::to_owned),
            };
            folders.extend(parent(file));
            folders.extend(fs::canonicalize(file).ok().as_deref().and_then(parent));
        };
        for files in &self.pairs {
            add(&files.certificate);
            add(&files.key);
        }
        for (_, files) in self.list().unwrap_or_default() {
            add(&files.certificate);
            add(&files.key);
        }
        if let Some(folder) = &self.folder {
            add(folder);
            folders.push(folder.clone());
        }
        folders.sort();
        folders.dedup();
        folders
    }
}

/// The pairs of a folder by name, the default first.
fn in_folder(folder: &Path) -> Result<Vec<(Name, Files)>, Error> {
    let fail = |cause| unreadable(folder, &cause);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What Kubernetes swaps a volume by begins so, and is linked to under the names that count.
        if name.starts_with('.') {
            continue;
        }
        let is_certificate = path.extension().is_some_and(|extension| extension == "crt");
        let (certificate, key, called) = if is_certificate {
            let called = path.file_stem().unwrap_or_default().to_string_lossy();
            (
                path.clone(),
                path.with_extension("key"),
                called.into_owned(),
            )
        } else if path.join("tls.crt").exists() || path.join("tls.key").exists() {
            (
                path.join("tls.crt"),
                path.join("tls.key"),
                name.into_owned(),
            )
        } else {
            continue;
        };
        found.push((called, Files { certificate, key }));
        if found.len() > MAX_CERTIFICATES {
            return Err(Error::TooMany);
        }
    }
    found.sort_by(|(a, _), (b, _)| (a != DEFAULT, a).cmp(&(b != DEFAULT, b)));
    Ok(found)
}

impl Files {
    fn read(&self) -> Result<Found, Error> {
        let (chain, _) = contents(&self.certificate)?;
        let (key, mode) = contents(&self.key)?;
        let pair = Pair::parse(&chain, &key).map_err(|fault| {
            let path = match fault {
                Fault::NoCertificate | Fault::BadCertificate => &self.certificate,
                Fault::NoKey | Fault::BadKey | Fault::Mismatch => &self.key,
            };
            let path = shown(path);
            Error::Bad { path, fault }
        })?;
        Ok(Found {
            pair,
            key_is_open: mode & 0o007 != 0,
        })
    }
}

/// The whole of a file of a sensible size, and its mode.
fn contents(path: &Path) -> Result<(Vec<u8>, u32), Error> {
    let fail = |cause| unreadable(path, &cause);
    let file = File::open(path).map_err(fail)?;
    let mode = file.metadata().map_err(fail)?.mode();
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_PEM_BYTES).unwrap_or(u64::MAX);
    let read = file.take(most + 1).read_to_end(&mut bytes);
    match read.map_err(fail)? {
        read if read > MAX_PEM_BYTES => Err(Error::TooLarge(shown(path))),
        _ => Ok((bytes, mode)),
    }
}

fn unreadable(path: &Path, cause: &io::Error) -> Error {
    Error::Read {
        path: shown(path),
        cause: cause.to_string(),
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
