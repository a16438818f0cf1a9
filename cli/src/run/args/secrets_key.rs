//! Where a server finds the keys that its catalogue's secrets are sealed by, and what is done with them.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use gateless_server::SecretsKeySource;

use super::RecoverArgs;
use crate::args::{Nothing, Scoped};

/// Where the keys come from that the catalogue's secrets are sealed by.
#[derive(Debug, Args)]
pub(crate) struct SecretsKeyArgs {
    /// File with the keys that secrets are sealed by, one a line, 32 bytes in base64 or hex; the first seals [default: the
    /// systemd credential gateless-secrets-key, else secrets-key in the data folder, which the server makes].
    #[arg(
        long,
        env = "GATELESS_SECRETS_KEY_FILE",
        value_name = "FILE",
        conflicts_with = "secrets_key_command"
    )]
    secrets_key_file: Option<PathBuf>,
    /// Command that prints them, run by sh -c at the start and at a rotation; it has 30 seconds.
    #[arg(long, env = "GATELESS_SECRETS_KEY_COMMAND", value_name = "COMMAND")]
    secrets_key_command: Option<String>,
}

impl SecretsKeyArgs {
    /// For the server of a data folder.
    pub(crate) fn source(&self, data: &Path) -> SecretsKeySource {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let (file, command) = (
            self.secrets_key_file.clone(),
            self.secrets_key_command.clone(),
        );
        SecretsKeySource::choose(data, file, command, credentials)
    }
}

/// `gateless server secrets-key`
#[derive(Debug, Subcommand)]
pub(crate) enum SecretsKeyCommand {
    /// Show where the keys come from, whether all secrets are sealed, and how many data keys each key wraps.
    Show(Scoped<Nothing>),
    /// Seal by another key; those there were are kept until they are retired.
    ///
    /// Where the server keeps the file, it makes the key. Where you do, put the new key in a line before the others first.
    Rotate(Scoped<Nothing>),
    /// Forget the keys before the current one; refused while something in the catalogue needs one.
    ///
    /// An export that was made before needs its key: keep that with it.
    Retire(Scoped<Nothing>),
    /// Seal what an earlier version wrote, now and while the server is stopped.
    ///
    /// Without it the first start after seven days does: until then the version before can be gone back to.
    Seal(RecoverArgs),
    /// Make all secrets plain, to go back to the version before, while the server is stopped.
    Unseal(RecoverArgs),
}
