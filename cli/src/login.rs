//! Which server, as whom, in which namespace: flags, then environment, then the saved login.
//!
//! The login is one small file with mode 0600. Deliberately one login, no contexts: an
//! environment variable is the way to another server.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::output::Output;

const DEFAULT_SERVER: &str = "http://127.0.0.1:7780";

/// Flags every client command has.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Remote {
    /// Management API [default: the login's, or http://127.0.0.1:7780].
    #[arg(long, env = "GATELESS_SERVER", value_name = "URL", global = true)]
    server: Option<String>,
    /// Token [default: the login's]; prefer GATELESS_TOKEN, arguments show in process lists.
    #[arg(
        long,
        env = "GATELESS_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true,
        global = true
    )]
    token: Option<String>,
    /// Namespace [default: the login's, or "default"].
    #[arg(
        short,
        long,
        env = "GATELESS_NAMESPACE",
        value_name = "NAME",
        global = true
    )]
    namespace: Option<String>,
}

/// What [`Remote`] comes to.
#[derive(Debug)]
pub(crate) struct Target {
    /// Without a trailing slash.
    pub(crate) server: String,
    pub(crate) server_source: &'static str,
    pub(crate) token: Option<String>,
    pub(crate) token_source: &'static str,
    pub(crate) namespace: String,
    pub(crate) namespace_is_explicit: bool,
}

/// The saved login.
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

impl Remote {
    /// Flags and environment over the saved login over the defaults.
    pub(crate) fn resolve(&self) -> Result<Target, Failure> {
        let login = Login::load(&Login::path()?)?.unwrap_or_default();
        let given = "from --server or GATELESS_SERVER";
        let (server, server_source) = match (&self.server, login.server) {
            (Some(server), _) => (server.clone(), given),
            (None, Some(server)) => (server, "from the saved login"),
            (None, None) => (DEFAULT_SERVER.into(), "the default"),
        };
        let (token, token_source) = match (&self.token, login.token) {
            (Some(token), _) => (Some(token.clone()), "--token or GATELESS_TOKEN"),
            // A saved token is for the saved server only: no other gets to see it.
            (None, Some(token)) if server_source != given => (Some(token), "the saved login"),
            _ => (None, "nowhere: there is none"),
        };
        Ok(Target {
            server: check_url(&server)?,
            server_source,
            token,
            token_source,
            namespace_is_explicit: self.namespace.is_some(),
            namespace: self
                .namespace
                .clone()
                .or(login.namespace)
                .unwrap_or_else(|| "default".into()),
        })
    }
}

/// An `http://` address without its trailing slash.
pub(crate) fn check_url(url: &str) -> Result<String, Failure> {
    let url = url.trim_end_matches('/');
    if url.starts_with("https://") {
        return Err(Failure::usage(format!("{url} is not an http:// address"))
            .cause("this build speaks plain HTTP only")
            .hint("use the server's own http:// address, or a TLS tunnel on this host"));
    }
    match reqwest::Url::parse(url) {
        Ok(parsed) if parsed.scheme() == "http" && parsed.has_host() => Ok(url.to_owned()),
        _ => Err(Failure::usage(format!("{url:?} is not an http:// address"))
            .hint("write it like http://127.0.0.1:7780")),
    }
}

impl Login {
    /// `$GATELESS_CONFIG`, or `gateless/config.toml` in the user's configuration folder.
    pub(crate) fn path() -> Result<PathBuf, Failure> {
        if let Some(path) = std::env::var_os("GATELESS_CONFIG").filter(|p| !p.is_empty()) {
            return Ok(path.into());
        }
        user_folder("XDG_CONFIG_HOME", ".config").map(|dir| dir.join("gateless/config.toml"))
    }

    /// The login at `path`, if there is one.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>, Failure> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Failure::io(format!("cannot read {}", path.display()), &e)),
        };
        toml::from_str(&text).map(Some).map_err(|error| {
            Failure::new(
                Exit::Usage,
                "bad_login",
                format!("the login {} is damaged", path.display()),
            )
            // Never the toml error itself: it quotes the line, which may hold the token.
            .cause(error.message())
            .hint("run `gateless login` again")
        })
    }

    /// Replaces the login at `path`, readable by its user only.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Failure> {
        let broken = |e: io::Error| Failure::io(format!("cannot write {}", path.display()), &e);
        let text = toml::to_string(self)
            .map_err(|e| broken(io::Error::new(io::ErrorKind::InvalidData, e)))?;
        write_private(path, text.as_bytes()).map_err(broken)
    }
}

/// Writes a file with mode 0600 that is never seen half-written.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".gateless-")
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

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

/// `$variable`, or `~/fallback`.
pub(crate) fn user_folder(variable: &str, fallback: &str) -> Result<PathBuf, Failure> {
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|p| !p.is_empty())
            .map(PathBuf::from)
    };
    from(variable)
        .or_else(|| from("HOME").map(|home| home.join(fallback)))
        .ok_or_else(|| {
            Failure::usage(format!("neither {variable} nor HOME is set"))
                .hint("set one of them, or name the folder with --data or GATELESS_CONFIG")
        })
}

/// `gateless login`
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    #[command(flatten)]
    remote: Remote,
    /// Save without asking the server whether the token is good.
    #[arg(long)]
    no_check: bool,
}

/// Checks the token and saves it with the server's address.
pub(crate) async fn login(args: &LoginArgs, out: &mut Output) -> Result<(), Failure> {
    let mut remote = args.remote.clone();
    let path = Login::path()?;
    if remote.token.is_none() {
        out.note("token (from `gateless up` or `gateless token create`), then Enter:");
        let mut line = String::new();
        io::stdin()
            .read_line(&mut line)
            .map_err(|e| Failure::io("cannot read the token from stdin", &e))?;
        remote.token = Some(line.trim().to_owned()).filter(|t| !t.is_empty());
    }
    let target = remote.resolve()?;
    let Some(token) = target.token else {
        return Err(
            Failure::usage("no token given").hint("pass --token, set GATELESS_TOKEN or pipe it in")
        );
    };
    if !args.no_check {
        let client = crate::client::Client::new(&remote)?;
        client
            .get(&client.path(&["functions"]), &[("limit", "1".into())])
            .await?;
    }
    let login = Login {
        server: Some(target.server.clone()),
        token: Some(token),
        namespace: Some(target.namespace.clone()),
    };
    login.save(&path)?;
    out.note(format!("saved in {}", path.display()));
    let saved = json!({"server": target.server, "namespace": target.namespace, "file": path});
    out.item(&saved, |v| {
        format!("logged in to {}", v["server"].as_str().unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_login_is_private_and_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/config.toml");
        assert_eq!(Login::load(&path).unwrap(), None);
        let login = Login {
            server: Some("http://127.0.0.1:1".into()),
            token: Some("t".into()),
            namespace: None,
        };
        login.save(&path).unwrap();
        assert_eq!(Login::load(&path).unwrap(), Some(login));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

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

    #[test]
    fn only_plain_http_addresses_are_taken() {
        assert_eq!(check_url("http://h:1/").unwrap(), "http://h:1");
        for bad in ["https://h", "h:1", "ftp://h", ""] {
            assert_eq!(check_url(bad).unwrap_err().exit(), Exit::Usage, "{bad}");
        }
    }
}
