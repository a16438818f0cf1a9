//! The secret a cluster shares: read from its file, made at the first start.
//!
//! Deliberately a file and no flag: arguments show in process lists.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::failure::Failure;

/// The secret in `path`, made at random first when `create` says so.
pub(crate) fn secret_file(path: &Path, create: bool) -> Result<String, Failure> {
    let broken =
        |e: io::Error| Failure::io(format!("cannot use the secret {}", path.display()), &e);
    if create && !path.exists() {
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(broken)?;
        let secret = format!(
            "{}{}",
            uuid::Uuid::new_v4().simple(),
            uuid::Uuid::new_v4().simple()
        );
        let made = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| {
                file.write_all(secret.as_bytes())?;
                file.sync_all()
            });
        match made {
            // Somebody else was faster: theirs is the secret.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            other => other.map_err(broken)?,
        }
    }
    let secret = fs::read_to_string(path).map_err(|e| {
        broken(e).hint(
            "copy the server's DATA/cluster-secret here, or name it with --cluster-secret-file",
        )
    })?;
    let secret = secret.trim().to_owned();
    if secret.len() < 16 {
        return Err(Failure::usage(format!(
            "the cluster secret in {} is too short",
            path.display()
        ))
        .cause("it needs at least 16 characters")
        .hint("delete the server's file to have one made, and copy it to the sidecars"));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_cluster_secret_is_made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data/cluster-secret");
        assert!(secret_file(&path, false).is_err());
        let secret = secret_file(&path, true).unwrap();
        assert_eq!(secret.len(), 64);
        assert_eq!(secret_file(&path, true).unwrap(), secret);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
