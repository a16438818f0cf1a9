//! The management server: the catalogue and how it is changed and pushed. On no request path.

pub mod auth;
pub mod domain;
pub mod service;
pub mod sidecars;
pub mod store;
