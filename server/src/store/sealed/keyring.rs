//! The keys that data keys are wrapped by: the first wraps, all unwrap.
//!
//! A text with a key in each line, 32 bytes in base64 or hex, as `openssl rand -base64 32` prints one; lines that are
//! empty or begin with `#` do not count. Where the text comes from is not known here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateless_identity::SealingKey;
use zeroize::Zeroizing;

/// The most keys at a time: the one that wraps, and those that were replaced and not yet retired.
pub const MAX_WRAPPING_KEYS: usize = 8;

/// Why a text has no keys that can be used. It tells nothing of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// There is none.
    #[error("there is no key in it")]
    Empty,
    /// There are too many.
    #[error("there are more than {MAX_WRAPPING_KEYS} keys in it")]
    TooMany,
    /// One cannot be read.
    #[error("line {0} is no key: 32 bytes in base64 or hex")]
    Line(usize),
    /// One is there again.
    #[error("line {0} has a key that is there already")]
    Twice(usize),
}

/// At least one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyring(Vec<SealingKey>);

impl Keyring {
    /// With a new key, and no other.
    #[must_use]
    pub fn generate() -> Self {
        Self(vec![SealingKey::generate()])
    }

    /// As [`Keyring::to_text`] or a person wrote it.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut keys: Vec<SealingKey> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let decoded = hex::decode(line).ok();
            let decoded = decoded.or_else(|| STANDARD.decode(line).ok());
            let decoded = Zeroizing::new(decoded.unwrap_or_default());
            let key = SealingKey::from_bytes(&decoded).ok_or(Malformed::Line(number + 1))?;
            if keys.iter().any(|known| known.id() == key.id()) {
                return Err(Malformed::Twice(number + 1));
            }
            keys.push(key);
        }
        match keys.len() {
            0 => Err(Malformed::Empty),
            n if n > MAX_WRAPPING_KEYS => Err(Malformed::TooMany),
            _ => Ok(Self(keys)),
        }
    }

    /// For a file that only its owner reads.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let lines = self.0.iter().map(|key| {
            let line = Zeroizing::new(STANDARD.encode(key.expose()));
            format!("# key {}\n{}\n", key.id(), *line)
        });
        Zeroizing::new(lines.collect())
    }

    /// The key that wraps.
    #[must_use]
    pub fn current(&self) -> &SealingKey {
        &self.0[0]
    }

    /// The key of this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&SealingKey> {
        self.0.iter().find(|key| key.id() == id)
    }

    /// The ids of all; the one that wraps first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(SealingKey::id)
    }

    /// With a new key that wraps, and all there are; `None`: there are as many as there may be.
    #[must_use]
    pub fn rotated(&self) -> Option<Self> {
        (self.0.len() < MAX_WRAPPING_KEYS).then(|| {
            let all = [SealingKey::generate()].into_iter().chain(self.0.clone());
            Self(all.collect())
        })
    }

    /// With the key that wraps alone.
    #[must_use]
    pub fn retired(&self) -> Self {
        Self(vec![self.current().clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_were_written_and_as_people_make_them() {
        let ring = Keyring::generate().rotated().unwrap();
        assert_eq!(Keyring::parse(&ring.to_text()).unwrap(), ring);
        let made = format!(
            "\n# by hand\n{}\n  {}\n",
            "ab".repeat(32),
            STANDARD.encode([1; 32])
        );
        let ring = Keyring::parse(&made).unwrap();
        assert_eq!(ring.ids().count(), 2);
        assert_eq!(ring.current().expose(), &[0xab; 32]);
        let retired = ring.retired();
        assert_eq!(retired.ids().collect::<Vec<_>>(), [ring.current().id()]);
    }

    #[test]
    fn what_is_no_key_is_named_by_its_line() {
        let key = "ab".repeat(32);
        let check = |text: &str, expected| assert_eq!(Keyring::parse(text), Err(expected));
        check("# nothing\n", Malformed::Empty);
        check(&format!("{key}\nabcd"), Malformed::Line(2));
        check(&format!("{key}\n\n{key}"), Malformed::Twice(3));
        let mut ring = Keyring::generate();
        while let Some(more) = ring.rotated() {
            ring = more;
        }
        assert_eq!(ring.ids().count(), MAX_WRAPPING_KEYS);
        check(&format!("{}{key}\n", *ring.to_text()), Malformed::TooMany);
    }
}
