//! The management server: the catalogue and how it is changed and pushed. On no request path.
//!
//! `http` and `grpc` call `service`, which loads, asks `domain` for a decision, stores it in `store` and
//! so publishes it to `sidecars`. Calls of functions never come through here.

pub mod audit;
pub mod auth;
pub mod changes;
mod clock;
pub mod domain;
mod etag;
pub mod events;
pub mod grpc;
pub mod http;
pub mod identity;
pub mod metrics;
mod observer;
pub mod openfaas;
mod pace;
mod recover;
mod run;
pub mod secrets_key;
pub mod service;
pub mod sidecars;
pub mod store;
mod token_file;
pub mod web;

pub use self::http::openapi;
pub use self::identity::Settings as IdentitySettings;
pub use self::recover::{Error as RecoverError, recover};
pub use self::run::{Config, Error, Running, prepare, run};
pub use self::secrets_key::{Error as SecretsKeyError, Source as SecretsKeySource};
pub use self::token_file::{AdminToken, Error as TokenFileError};
pub use gateless_identity::TrustDomain;
