//! Files of identities: the authority, which only the server's user can read, and a join token for others.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use gateless_common::io::{PRIVATE, create, private_dir, replace, unix_now};
use gateless_identity::{Authority, JoinToken, TrustDomain};

use super::Error;

fn path(data: &Path) -> PathBuf {
    data.join("identity").join("authority.json")
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::File {
        path: path.to_owned(),
        source,
    }
}

/// The authority of the folder; made when there is none.
pub(super) fn open(data: &Path, domain: Option<TrustDomain>) -> Result<Authority, Error> {
    let path = path(data);
    let failed = failed(&path);
    if !path.try_exists().map_err(&failed)? {
        private_dir(&data.join("identity")).map_err(&failed)?;
        let domain = domain.clone().unwrap_or_else(TrustDomain::random);
        let new = Authority::new(domain, unix_now()).map_err(Error::record)?;
        // Durable before it issues: else a start after a power cut would have another.
        create(&path, &new.to_bytes().map_err(Error::record)?, PRIVATE).map_err(&failed)?;
    }
    let bytes = fs::read(&path).map_err(&failed)?;
    let authority = Authority::from_bytes(&bytes).map_err(Error::record)?;
    match domain {
        Some(domain) if domain != authority.domain => Err(Error::Settings(
            "the trust domain is given at the first start, and stays",
        )),
        _ => Ok(authority),
    }
}

pub(super) fn save(data: &Path, authority: &Authority) -> Result<(), Error> {
    let path = path(data);
    let bytes = authority.to_bytes().map_err(Error::record)?;
    replace(&path, &bytes, PRIVATE).map_err(failed(&path))
}

/// The token that is in a file; none when there is none that can be read.
pub(super) fn read_token(path: &Path) -> Option<JoinToken> {
    fs::read_to_string(path).ok()?.parse().ok()
}

/// Its mode stays that of the file before, so that who shall read it can be chosen; a new one is private.
pub(super) fn write_token(path: &Path, token: &JoinToken) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    let failed = failed(path);
    let mode = match fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode() & 0o777,
        Err(error) if error.kind() == ErrorKind::NotFound => PRIVATE,
        Err(error) => return Err(failed(error)),
    };
    let text = format!("{}\n", token.expose());
    replace(path, text.as_bytes(), mode).map_err(failed)
}
