//! Large immutable values beside the catalogue: uploaded bundles, named by the sha256 of their content.
//!
//! [`Blobs`] is as narrow as an object store's interface: put, get, list, delete. A blob is complete or not there.
//! It does not know who uses one, nor who may read it: that is `service::artifacts`, which also bounds what is
//! uploaded and checks it ([`super::artifacts`]).

#[cfg(test)]
mod conformance;
mod digest;
mod files;
mod memory;

use std::io;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

pub use self::digest::Digest;
pub use self::files::FileBlobs;
pub use self::memory::MemoryBlobs;
use super::Error as StoreError;

/// An operation failed; nothing is left of an upload then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a sha256.
    #[error("an artifact is named by its sha256: 64 lowercase hex digits")]
    InvalidDigest,
    /// The content is not what its name says.
    #[error("the content has sha256 {actual}, not {expected}; upload it again")]
    DigestMismatch {
        /// What the name says.
        expected: Digest,
        /// What the content has.
        actual: Digest,
    },
    /// More than [`gateless_common::limits::ARTIFACT_BYTES`].
    #[error("an artifact has at most {limit_bytes} bytes")]
    TooLarge {
        /// The bound.
        limit_bytes: u64,
    },
    /// The upload broke off.
    #[error("the upload broke off: {reason}")]
    Body {
        /// What the transport said.
        reason: String,
    },
    /// The disk is too full, or an operation failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A blob that is open for reading.
pub struct Blob {
    /// Its length.
    pub size_bytes: u64,
    /// Its content, as it is read.
    pub content: BoxStream<'static, io::Result<Bytes>>,
}

/// A blob in a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub digest: Digest,
    /// Its length.
    pub size_bytes: u64,
    /// When it was last put.
    pub stored_at: SystemTime,
}

/// Blobs by digest. Cheap to share as `Arc<dyn Blobs>`.
pub trait Blobs: Send + Sync + 'static {
    /// Stores what `body` brings, once all of it is there, and answers when it is durable. An error that `body`
    /// brings ends it, and is the answer. Putting what is there already makes it young again.
    fn put<'a>(
        &'a self,
        digest: Digest,
        body: BoxStream<'a, Result<Bytes, Error>>,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// Opens a blob; `None` if there is none.
    fn get(&self, digest: Digest) -> BoxFuture<'_, Result<Option<Blob>, Error>>;

    /// Those after `after`, in the order of their digests, at most `limit`.
    fn list(
        &self,
        after: Option<Digest>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Listed>, Error>>;

    /// Removes a blob that was last put before `before`; `false`: it is not there, or was put since.
    fn delete(&self, digest: Digest, before: SystemTime) -> BoxFuture<'_, Result<bool, Error>>;
}
