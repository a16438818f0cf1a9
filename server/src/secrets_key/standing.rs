//! Whether a catalogue is sealed, and when it becomes so: the decision, and the file that remembers since when it is plain.
//!
//! The version before reads no sealed record. So a catalogue that it made stays plain for a while, in which an operator may
//! go back to it; afterwards, or when an operator says so, it is sealed, and going back takes `gateless server secrets-key
//! unseal`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateless_common::io::{PRIVATE, replace};
use gateless_common::time::UnixMillis;
use serde::{Deserialize, Serialize};

use super::Error;

/// For how long a catalogue of the version before stays plain, counted from the first start of this one.
pub const PLAIN_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
const NAME: &str = "sealing.json";

/// What is remembered; a field that is not there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Standing {
    /// It was sealed, and is to be.
    #[serde(default)]
    pub(super) sealed: bool,
    /// Since when this version has it plain, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) plain_since: Option<u64>,
}

/// What is in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Nothing was ever written to it.
    pub(super) is_new: bool,
    /// There are data keys.
    pub(super) data_keys: bool,
    /// There are secrets that are not sealed.
    pub(super) plain: bool,
}

/// What to do at a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Go on, and seal all that is written.
    Sealed,
    /// Seal what is there first.
    Rewrite,
    /// Go on as it is; a start after that time seals it.
    Plain {
        /// Since when it is.
        since: UnixMillis,
        /// When it is over.
        until: UnixMillis,
    },
}

impl Standing {
    pub(super) const SEALED: Self = Self {
        sealed: true,
        plain_since: None,
    };

    pub(super) const fn plain(since: UnixMillis) -> Self {
        Self {
            sealed: false,
            plain_since: Some(since.0),
        }
    }

    pub(super) fn decide(self, found: Found, now: UnixMillis) -> Step {
        if found.is_new {
            return Step::Sealed;
        }
        if self.sealed || found.data_keys {
            return match found.plain {
                true => Step::Rewrite,
                false => Step::Sealed,
            };
        }
        // A clock that was set back makes it no longer.
        let since = UnixMillis(self.plain_since.map_or(now.0, |since| since.min(now.0)));
        let until = UnixMillis::from_epoch(since.since_epoch() + PLAIN_FOR);
        match until <= now {
            true => Step::Rewrite,
            false => Step::Plain { since, until },
        }
    }

    /// What is remembered of a data folder; nothing where nothing is.
    pub(super) fn load(data: &Path) -> Result<Self, Error> {
        let path = path(data);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| Error::File {
                path,
                source: error.into(),
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(Error::File { path, source }),
        }
    }

    /// Remembers it, if it is another.
    pub(super) fn save(self, data: &Path) -> Result<(), Error> {
        if Self::load(data).is_ok_and(|known| known == self) {
            return Ok(());
        }
        let path = path(data);
        let bytes = serde_json::to_vec(&self).map_err(|error| Error::File {
            path: path.clone(),
            source: error.into(),
        })?;
        replace(&path, &bytes, PRIVATE).map_err(Error::file(&path))
    }
}

fn path(data: &Path) -> PathBuf {
    data.join(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    const fn found(is_new: bool, data_keys: bool, plain: bool) -> Found {
        Found {
            is_new,
            data_keys,
            plain,
        }
    }

    fn ago(time: Duration) -> UnixMillis {
        UnixMillis::from_epoch(NOW.since_epoch() - time)
    }

    #[test]
    fn a_new_catalogue_is_sealed_and_a_sealed_one_stays_so() {
        let unknown = Standing::default();
        let new = unknown.decide(found(true, false, false), NOW);
        assert_eq!(new, Step::Sealed);
        for standing in [unknown, Standing::SEALED] {
            let whole = standing.decide(found(false, true, false), NOW);
            assert_eq!(whole, Step::Sealed);
            // Restored from an older export, or a rewrite that broke off.
            let mixed = standing.decide(found(false, true, true), NOW);
            assert_eq!(mixed, Step::Rewrite);
        }
        let restored = Standing::SEALED.decide(found(false, false, true), NOW);
        assert_eq!(restored, Step::Rewrite);
    }

    #[test]
    fn a_catalogue_of_the_version_before_is_plain_for_a_week() {
        let made = found(false, false, true);
        let first = Standing::default().decide(made, NOW);
        let until = UnixMillis::from_epoch(NOW.since_epoch() + PLAIN_FOR);
        assert_eq!(first, Step::Plain { since: NOW, until });
        let since = ago(PLAIN_FOR - Duration::from_millis(1));
        let later = Standing::plain(since).decide(made, NOW);
        assert!(matches!(later, Step::Plain { since: s, .. } if s == since));
        let over = Standing::plain(ago(PLAIN_FOR)).decide(made, NOW);
        assert_eq!(over, Step::Rewrite);
        // The clock was set back meanwhile.
        let ahead = UnixMillis::from_epoch(NOW.since_epoch() + 9 * PLAIN_FOR);
        let back = Standing::plain(ahead).decide(made, NOW);
        assert_eq!(back, Step::Plain { since: NOW, until });
    }

    #[test]
    fn what_is_remembered_is_read_again() {
        let data = tempfile::tempdir().unwrap();
        let nothing = Standing::load(data.path()).unwrap();
        assert_eq!(nothing, Standing::default());
        for standing in [Standing::plain(NOW), Standing::SEALED] {
            standing.save(data.path()).unwrap();
            assert_eq!(Standing::load(data.path()).unwrap(), standing);
        }
    }
}
