//! The management server: the catalogue and how it is changed and pushed. On no request path.

pub mod domain;
pub mod store;
