//! What is asked of a store: a write of one key, or a transaction of several. Each is within the bounds of every
//! store from the moment it exists: nobody can make one that a store has to refuse for its size.
//!
//! The bounds are etcd's defaults (`--max-txn-ops`, `--max-request-bytes`) and stand here alone.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{Error, Result, Revision};

/// The longest key, in bytes. A key is not empty.
pub const MAX_KEY_BYTES: usize = 1024;
/// The largest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;
/// The most checks, and the most writes, in one transaction.
pub const MAX_TRANSACTION_OPERATIONS: usize = 128;
/// The most bytes of one request: its keys, its values, and [`OPERATION_BYTES`] around each of them.
pub const MAX_REQUEST_BYTES: usize = 1536 * 1024;
/// What an engine may need around a key and its value.
const OPERATION_BYTES: usize = 64;

/// How a key must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// However it is.
    Anything,
    /// It does not exist.
    Absent,
    /// It exists.
    Present,
    /// It exists, as this revision wrote it.
    At(Revision),
}

impl Expect {
    /// Whether it holds for a key that was last written at `actual`, or is not there.
    pub fn holds(self, actual: Option<Revision>) -> bool {
        match self {
            Self::Anything => true,
            Self::Absent => actual.is_none(),
            Self::Present => actual.is_some(),
            Self::At(revision) => actual == Some(revision),
        }
    }
}

/// A condition on a key that is not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub(super) key: String,
    pub(super) expect: Expect,
}

impl Check {
    /// Of this key.
    pub fn new(key: impl Into<String>, expect: Expect) -> Self {
        Self {
            key: key.into(),
            expect,
        }
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// One change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    pub(super) key: String,
    pub(super) expect: Expect,
    /// `None`: the key is removed.
    pub(super) value: Option<Bytes>,
}

impl Write {
    /// Creates or replaces a key.
    ///
    /// # Errors
    /// [`Error::Invalid`] when key or value are too large.
    pub fn put(key: impl Into<String>, value: impl Into<Bytes>) -> Result<Self> {
        Self::new(key.into(), Some(value.into()))
    }

    /// Removes a key.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the key is too long.
    pub fn delete(key: impl Into<String>) -> Result<Self> {
        Self::new(key.into(), None)
    }

    fn new(key: String, value: Option<Bytes>) -> Result<Self> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return invalid(format!("a key has 1 to {MAX_KEY_BYTES} bytes"));
        }
        let size = value.as_ref().map_or(0, Bytes::len);
        if size > MAX_VALUE_BYTES {
            return invalid(format!(
                "the value of {key} has {size} bytes, the most is {MAX_VALUE_BYTES}"
            ));
        }
        Ok(Self {
            key,
            expect: Expect::Anything,
            value,
        })
    }

    /// Only if the key is like this.
    #[must_use]
    pub fn expecting(self, expect: Expect) -> Self {
        Self { expect, ..self }
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    fn bytes(&self) -> usize {
        OPERATION_BYTES + self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// Checks and writes that happen together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    pub(super) checks: Vec<Check>,
    pub(super) writes: Vec<Write>,
}

impl Transaction {
    /// With at least one write; each key is written once.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is past a bound: the caller writes in parts, or one by one.
    pub fn new(checks: Vec<Check>, writes: Vec<Write>) -> Result<Self> {
        if checks.len().max(writes.len()) > MAX_TRANSACTION_OPERATIONS {
            return invalid(format!(
                "a transaction has at most {MAX_TRANSACTION_OPERATIONS} checks and as many writes"
            ));
        }
        if writes.is_empty() {
            return invalid("a transaction writes something".to_owned());
        }
        let mut written = BTreeSet::new();
        if let Some(twice) = writes.iter().find(|write| !written.insert(&write.key)) {
            return invalid(format!("{} is written twice in one transaction", twice.key));
        }
        let checked = checks.iter().map(|check| OPERATION_BYTES + check.key.len());
        let bytes = checked
            .chain(writes.iter().map(Write::bytes))
            .sum::<usize>();
        if bytes > MAX_REQUEST_BYTES {
            return invalid(format!(
                "the transaction has {bytes} bytes, the most is {MAX_REQUEST_BYTES}"
            ));
        }
        Ok(Self { checks, writes })
    }

    /// Of its values.
    pub(super) fn value_bytes(&self) -> usize {
        let values = self.writes.iter().filter_map(|write| write.value.as_ref());
        values.map(Bytes::len).sum()
    }
}

impl From<Write> for Transaction {
    fn from(write: Write) -> Self {
        Self {
            checks: Vec::new(),
            writes: vec![write],
        }
    }
}

fn invalid<T>(reason: String) -> Result<T> {
    Err(Error::Invalid { reason })
}
