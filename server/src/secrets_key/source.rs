//! Where the keys come from: a file that the server makes, a file or systemd credential of the operator's, or a command.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use gateless_common::io::{PRIVATE, create, private_dir, replace};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use zeroize::Zeroizing;

use super::Error;
use crate::store::sealed::Keyring;

/// The file that the server makes in its data folder where nothing else is named.
const NAME: &str = "secrets-key";
/// The credential's name, in the folder that systemd gives a unit.
const CREDENTIAL: &str = "gateless-secrets-key";
/// A command has printed its keys by then.
pub const COMMAND_WITHIN: Duration = Duration::from_secs(30);
/// The most that is read of a file, or of what a command prints.
pub const MAX_TEXT_BYTES: u64 = 64 * 1024;

/// Where the keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file that the server makes, and changes.
    Own(PathBuf),
    /// A file of the operator's, which is only read.
    File(PathBuf),
    /// What this command prints, run by `sh -c`.
    Command(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(path) | Self::File(path) => write!(f, "file {}", path.display()),
            Self::Command(command) => write!(f, "command {command:?}"),
        }
    }
}

impl Source {
    /// What is asked for, else the credential that systemd gave this process, else a file of the server's own.
    #[must_use]
    pub fn choose(
        data: &Path,
        file: Option<PathBuf>,
        command: Option<String>,
        credentials: Option<PathBuf>,
    ) -> Self {
        let credential = credentials.map(|folder| folder.join(CREDENTIAL));
        match (file, command, credential.filter(|path| path.exists())) {
            (Some(file), _, _) | (None, None, Some(file)) => Self::File(file),
            (None, Some(command), _) => Self::Command(command),
            (None, None, None) => Self::own_in(data),
        }
    }

    /// The file of the server's own in a data folder.
    #[must_use]
    pub fn own_in(data: &Path) -> Self {
        Self::Own(data.join(NAME))
    }

    /// The file, if it is the server's own.
    pub(super) fn own(&self) -> Option<&Path> {
        match self {
            Self::Own(path) => Some(path),
            Self::File(_) | Self::Command(_) => None,
        }
    }

    /// The keys; of the server's own file made when it is not there and nothing is sealed that `needed` it.
    pub(super) async fn open(&self, needed: Vec<String>) -> Result<Keyring, Error> {
        let Some(path) = self.own() else {
            return self.read().await;
        };
        let failed = Error::file(path);
        if !path.try_exists().map_err(&failed)? {
            if !needed.is_empty() {
                let path = path.to_owned();
                return Err(Error::Gone { path, needed });
            }
            private_dir(path.parent().unwrap_or(path)).map_err(&failed)?;
            let text = Keyring::generate().to_text();
            // Durable before anything is sealed by it.
            create(path, text.as_bytes(), PRIVATE).map_err(&failed)?;
        }
        self.read().await
    }

    /// The keys that are there now.
    pub(super) async fn read(&self) -> Result<Keyring, Error> {
        let text = match self {
            Self::Own(path) | Self::File(path) => read(path).map_err(Error::file(path))?,
            Self::Command(command) => {
                let printed = printed(command).await;
                printed.map_err(|reason| Error::Command {
                    from: self.to_string(),
                    reason,
                })?
            }
        };
        Keyring::parse(&text).map_err(|source| Error::Malformed {
            from: self.to_string(),
            source,
        })
    }
}

/// Replaces the server's own file.
pub(super) fn write(path: &Path, keyring: &Keyring) -> Result<(), Error> {
    replace(path, keyring.to_text().as_bytes(), PRIVATE).map_err(Error::file(path))
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    use std::io::Read as _;
    let file = fs::File::open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others than its owner may read the secrets key: chmod 600");
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_TEXT_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// What a command prints, in time. What it started ends with it.
async fn printed(command: &str) -> Result<Zeroizing<String>, String> {
    let mut process = Command::new("sh");
    process.args(["-c", command]).process_group(0);
    process.stdin(Stdio::null());
    process.stdout(Stdio::piped()).stderr(Stdio::piped());
    let spawned = process.kill_on_drop(true).spawn();
    let mut child = spawned.map_err(|error| format!("cannot be run: {error}"))?;
    let group = child.id().and_then(|id| i32::try_from(id).ok());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let all = async { tokio::join!(text(out), text(err), child.wait()) };
    let ended = tokio::time::timeout(COMMAND_WITHIN, all).await;
    if ended.is_err() {
        // Not waited for yet, so the number is still its own.
        if let Some(group) = group.and_then(Pid::from_raw) {
            kill_process_group(group, Signal::KILL).ok();
        }
    }
    let Ok((printed, told, status)) = ended else {
        let seconds = COMMAND_WITHIN.as_secs();
        return Err(format!(
            "has printed no key within {seconds} s and was ended"
        ));
    };
    if status.as_ref().is_ok_and(ExitStatus::success) {
        return printed.map_err(|error| format!("printed what is no text: {error}"));
    }
    let told = told.map(|told| told.lines().last().unwrap_or_default().to_owned());
    let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    Err(format!("failed: {how}: {}", told.unwrap_or_default()))
}

async fn text(from: Option<impl AsyncRead + Unpin>) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    if let Some(from) = from {
        from.take(MAX_TEXT_BYTES).read_to_string(&mut text).await?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(of: u8) -> String {
        hex::encode([of; 32])
    }

    #[tokio::test]
    async fn the_servers_own_file_is_made_once_and_private() {
        let data = tempfile::tempdir().unwrap();
        let source = Source::choose(data.path(), None, None, None);
        let made = source.open(Vec::new()).await.unwrap();
        let path = data.path().join(NAME);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let needed = vec![made.current().id().to_owned()];
        assert_eq!(source.open(needed.clone()).await.unwrap(), made);
        fs::remove_file(&path).unwrap();
        // Another one would open nothing of what is sealed.
        let gone = source.open(needed).await.unwrap_err().to_string();
        assert!(gone.contains(made.current().id()), "{gone}");
        assert!(gone.contains("--secrets-key-file"), "{gone}");
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn files_credentials_and_commands_bring_keys() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("mounted");
        fs::write(&file, key(1)).unwrap();
        fs::write(data.path().join(CREDENTIAL), key(2)).unwrap();
        let folder = Some(data.path().to_owned());
        let choose = |file, command: Option<&str>| {
            let command = command.map(str::to_owned);
            Source::choose(data.path(), file, command, folder.clone())
        };
        let first = async |source: Source| source.read().await.unwrap().current().expose()[0];
        assert_eq!(first(choose(Some(file), None)).await, 1);
        assert_eq!(first(choose(None, None)).await, 2);
        let command = format!("echo '# made'; echo {}", key(3));
        assert_eq!(first(choose(None, Some(&command))).await, 3);
    }

    #[tokio::test]
    async fn a_command_that_brings_none_is_named_with_what_it_says() {
        for (command, expected) in [
            ("echo locked >&2; exit 3", "locked"),
            ("true", "there is no key in it"),
            ("echo secret-that-is-no-key", "line 1 is no key"),
            ("no-such-command-anywhere", "not found"),
        ] {
            let source = Source::Command(command.to_owned());
            let error = source.read().await.unwrap_err().to_string();
            let named = error.contains(command) && error.contains(expected);
            assert!(named, "{error}");
        }
    }
}
