//! The secret a cluster shares: read from its file, made at the first start.
//!
//! Deliberately a file and no flag: arguments show in process lists.

use std::fs;
use std::io;
use std::path::Path;

use gateless_common::io::{PRIVATE, create, private_dir};
use gateless_common::secret::ClusterSecret;

use crate::failure::Failure;

/// The secret in `path`, made at random first when `make` says so.
pub(crate) fn secret_file(path: &Path, make: bool) -> Result<ClusterSecret, Failure> {
    let broken =
        |e: io::Error| Failure::io(format!("cannot use the secret {}", path.display()), &e);
    if make && !path.exists() {
        private_dir(path.parent().unwrap_or(Path::new("."))).map_err(broken)?;
        let secret = format!(
            "{}{}",
            uuid::Uuid::new_v4().simple(),
            uuid::Uuid::new_v4().simple()
        );
        // If somebody else was faster, theirs is the secret.
        create(path, secret.as_bytes(), PRIVATE).map_err(broken)?;
    }
    let secret = fs::read_to_string(path).map_err(|e| {
        broken(e).hint(
            "copy the server's DATA/cluster-secret here, or name it with --cluster-secret-file",
        )
    })?;
    ClusterSecret::new(&secret).map_err(|bad| {
        Failure::usage(format!("{} holds no cluster secret", path.display()))
            .cause(bad)
            .hint("delete the server's file to have one made, and copy it to the sidecars")
    })
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
        assert_eq!(secret.expose().len(), 64);
        let again = secret_file(&path, true).unwrap();
        assert_eq!(again.expose(), secret.expose());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
