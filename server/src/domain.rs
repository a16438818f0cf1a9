//! The catalogue's rules: what a function is, which specs are valid, how revisions and traffic move.
//!
//! Pure: no store, no HTTP, no clock. Times come in as arguments, decisions go out as values.

pub mod component;
pub mod conditions;
pub mod document;
pub mod error;
pub mod function;
pub mod quota;
pub mod rollout;
pub mod spec;
pub mod traffic;
pub mod trigger;
pub mod validate;

pub use self::error::{Error, FieldError};
