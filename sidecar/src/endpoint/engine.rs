//! The engine of components, under one name: the real one, or, without the cargo feature `wasm`, one that runs none and says so.

#[cfg(not(feature = "wasm"))]
mod absent;

#[cfg(not(feature = "wasm"))]
pub use self::absent::{Engine, Error};
#[cfg(feature = "wasm")]
pub use gateless_wasm::{Engine, Error};
