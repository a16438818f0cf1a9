//! What a token is: whom it names, what its holder may do, and how long.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::sessions::Session;

// The one list of roles: clients have theirs from the OpenAPI document.
/// What a token's holder may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything in its namespace; with namespace `*` also tokens, keys and sidecars.
    Admin,
    /// Functions, secrets, artifacts and their calls.
    Deployer,
    /// Reads functions; reads, cancels and replays their calls.
    Invoker,
    /// Reads.
    Viewer,
}

/// A token's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenInfo {
    /// Names it for revocation.
    pub id: String,
    /// The one namespace it is good for; `*`: all.
    #[schema(example = "default")]
    pub namespace: String,
    /// What its holder may do.
    pub role: Role,
    /// For people.
    pub description: String,
    /// The signing key.
    pub key_id: String,
    /// When it was issued.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it stops being valid.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// What is asked of a new token.
#[derive(Debug, Clone)]
pub struct Grant {
    /// A namespace or `*`.
    pub namespace: String,
    /// What its holder may do.
    pub role: Role,
    /// How long.
    pub ttl_seconds: u64,
    /// For people.
    pub description: String,
}

impl Grant {
    /// Everything, everywhere, as long as a token may be.
    pub(super) fn admin(description: &str) -> Self {
        Self {
            namespace: "*".to_owned(),
            role: Role::Admin,
            ttl_seconds: super::MAX_TTL_SECONDS,
            description: description.to_owned(),
        }
    }
}

/// Who asks, once the token or session was checked.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The metadata of the token, or of that which the session acts for.
    pub token: Arc<TokenInfo>,
    /// The session; `None`: the token itself was shown.
    pub session: Option<Arc<Session>>,
}

impl Principal {
    /// When what it may do ends at the latest.
    pub fn expires_at(&self) -> Timestamp {
        let session = self.session.as_ref().map(|session| session.expires_at());
        session.map_or(self.token.expires_at, |at| at.min(self.token.expires_at))
    }
}

impl Principal {
    /// Whom what is bounded counts for: its namespace, however many tokens that has; the token itself, where it is for
    /// all namespaces.
    #[must_use]
    pub fn tenant(&self) -> String {
        match self.token.namespace.as_str() {
            "*" => format!("token {}", self.token.id),
            namespace => format!("namespace {namespace}"),
        }
    }
}
