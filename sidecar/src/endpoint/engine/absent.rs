//! What a sidecar has in place of the engine when it was built without the feature `wasm`.
//!
//! Deliberately no way to load anything: no driver of components is registered then, and a start of one fails with that.

use std::path::Path;

/// Why nothing can be asked of the engine.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("this sidecar was built without the cargo feature `wasm` and runs no components")]
pub struct Error;

/// Nothing to start, to share or to count. No `Copy`: the real one is cloned where it is shared.
#[derive(Debug, Clone)]
pub struct Engine;

impl Engine {
    /// There is never anything left to compile.
    #[must_use]
    pub const fn is_compiled(&self, _sha256: &str) -> bool {
        true
    }

    /// Fails.
    ///
    /// # Errors
    /// [`Error`].
    pub const fn compile_ahead(&self, _path: &Path, _sha256: &str) -> Result<(), Error> {
        Err(Error)
    }
}
