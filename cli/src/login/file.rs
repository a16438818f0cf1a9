//! The saved logins: one small file with mode 0600, a context for each server.
//!
//! Deliberately no token in any message, also not when the file is damaged.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gateless_common::io::{PRIVATE, private_dir, replace};
use serde::{Deserialize, Serialize};

use super::user_folder;
use crate::failure::{Exit, Failure};

/// The context when none was named.
pub(crate) const DEFAULT_CONTEXT: &str = "default";

/// One server, and as whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Logins {
    /// The context used when none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    #[serde(default)]
    pub(crate) contexts: BTreeMap<String, Login>,
}

impl Logins {
    /// `$GATELESS_CONFIG`, or `gateless/config.toml` in the user's configuration folder.
    pub(crate) fn path() -> Result<PathBuf, Failure> {
        if let Some(path) = std::env::var_os("GATELESS_CONFIG").filter(|p| !p.is_empty()) {
            return Ok(path.into());
        }
        user_folder("XDG_CONFIG_HOME", ".config").map(|dir| dir.join("gateless/config.toml"))
    }

    /// The logins at `path`; none when there is no file.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(Failure::io(format!("cannot read {}", path.display()), &e)),
        };
        toml::from_str(&text).map_err(|error| {
            Failure::new(
                Exit::Usage,
                "bad_login",
                format!("the login {} is damaged", path.display()),
            )
            // Never the toml error itself: it quotes the line, which may hold the token.
            .cause(error.message())
            .hint("remove the file and run `gateless login` again")
        })
    }

    /// The context called `name`, or the current one; an empty login when nothing is saved.
    pub(crate) fn get(&self, name: Option<&str>) -> Result<Login, Failure> {
        let known = || {
            let names: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
            names.join(", ")
        };
        match (name, self.current.as_deref()) {
            (Some(name), _) => self.contexts.get(name).cloned().ok_or_else(|| {
                Failure::new(
                    Exit::NotFound,
                    "no_context",
                    format!("there is no context {name}"),
                )
                .cause(format!("the saved ones are: {}", known()))
                .hint(format!("gateless login --context {name} --server URL"))
            }),
            (None, Some(name)) => Ok(self.contexts.get(name).cloned().unwrap_or_default()),
            (None, None) => Ok(Login::default()),
        }
    }

    /// Replaces the logins at `path`, readable by their user only.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Failure> {
        let broken = |e: io::Error| Failure::io(format!("cannot write {}", path.display()), &e);
        let text = toml::to_string(self)
            .map_err(|e| broken(io::Error::new(io::ErrorKind::InvalidData, e)))?;
        write_private(path, text.as_bytes()).map_err(broken)
    }
}

/// Replaces a file that only its user reads, in a folder that is made private if it is missing.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    private_dir(path.parent().unwrap_or(Path::new(".")))?;
    replace(path, bytes, PRIVATE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn logins_are_private_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/config.toml");
        assert_eq!(Logins::load(&path).unwrap(), Logins::default());
        let login = Login {
            server: Some("http://127.0.0.1:1".into()),
            token: Some("t".into()),
            namespace: None,
        };
        let logins = Logins {
            current: Some("a".into()),
            contexts: BTreeMap::from([("a".into(), login.clone())]),
        };
        logins.save(&path).unwrap();
        assert_eq!(Logins::load(&path).unwrap(), logins);
        assert_eq!(logins.get(None).unwrap(), login);
        assert_eq!(logins.get(Some("b")).unwrap_err().exit(), Exit::NotFound);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
