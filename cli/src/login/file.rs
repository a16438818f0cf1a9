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

/// So many logins may share a name, told apart by a number.
const MAX_SAME_NAME: usize = 32;

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
    /// Whose certificates are believed at that server, PEM; the host's authorities where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<String>,
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

    /// The names of the contexts for `server`, which has passed [`super::check_url`].
    pub(crate) fn of_server(&self, server: &str) -> Vec<&str> {
        let same = |login: &Login| login.server.as_deref().is_some_and(|s| s == server);
        let found = self.contexts.iter().filter(|(_, login)| same(login));
        found.map(|(name, _)| name.as_str()).collect()
    }

    /// The context for `server`: the current one if it is, or the only one. `None`: none is saved.
    pub(crate) fn for_server(&self, server: &str) -> Result<Option<&str>, Failure> {
        let found = self.of_server(server);
        let current = self.current.as_deref();
        match found.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(only)),
            several => match current.filter(|current| several.contains(current)) {
                Some(current) => Ok(Some(current)),
                None => Err(Failure::usage(format!(
                    "{} saved logins are for {server}",
                    several.len()
                ))
                .cause(format!("their contexts are: {}", several.join(", ")))
                .hint("choose one with --context NAME, or give a token with GATELESS_TOKEN")),
            },
        }
    }

    /// Saves a login under `wanted`, or under `wanted-2` and so on where that name has another one:
    /// a login is never replaced by one for another server or with another token. The name it got.
    pub(crate) fn add(&mut self, wanted: &str, login: Login) -> Result<String, Failure> {
        let free = |name: &String| match self.contexts.get(name) {
            None => true,
            Some(old) => {
                old.server == login.server && (old.token.is_none() || old.token == login.token)
            }
        };
        let mut names = std::iter::once(wanted.to_owned())
            .chain((2..=MAX_SAME_NAME).map(|n| format!("{wanted}-{n}")));
        let name = names.find(free).ok_or_else(|| {
            Failure::new(
                Exit::Conflict,
                "too_many_contexts",
                format!("{MAX_SAME_NAME} saved logins are called {wanted}"),
            )
            .hint("remove those you no longer use: gateless context rm NAME")
        })?;
        self.contexts.insert(name.clone(), login);
        Ok(name)
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
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    private_dir(path.parent().unwrap_or(Path::new(".")))?;
    replace(path, bytes, PRIVATE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_new_login_takes_no_others_place() {
        let login = |server: &str, token: &str| Login {
            server: Some(server.into()),
            token: Some(token.into()),
            ..Login::default()
        };
        let mut logins = Logins::default();
        let mut check = |server, token, expected: &str| {
            let name = logins.add("local", login(server, token)).unwrap();
            assert_eq!(name, expected);
            assert_eq!(logins.contexts[&name], login(server, token));
        };
        check("http://h:1", "a", "local");
        check("http://h:1", "a", "local");
        check("http://h:1", "b", "local-2");
        check("http://h:2", "c", "local-3");
        check("http://h:1", "b", "local-2");
        for n in 0..100 {
            logins.add("local", login("http://h", &n.to_string())).ok();
        }
        assert_eq!(logins.contexts.len(), MAX_SAME_NAME);
    }

    #[test]
    fn logins_are_private_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/config.toml");
        assert_eq!(Logins::load(&path).unwrap(), Logins::default());
        let login = Login {
            server: Some("http://127.0.0.1:1".into()),
            token: Some("t".into()),
            ..Login::default()
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
