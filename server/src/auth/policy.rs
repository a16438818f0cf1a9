//! Which role may use which route: one table, closed by default.
//!
//! A route nobody thought of needs an admin of all namespaces. A test walks every route of the
//! OpenAPI document with every role.

use http::Method;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Role, TokenInfo};

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Any valid token.
    Token,
    /// Any role, for all namespaces.
    Cluster,
    /// Admin, of the namespace concerned (the handler compares it).
    Admin,
    /// Admin of all namespaces.
    ClusterAdmin,
    /// Any role in the path's namespace.
    Read,
    /// Reading what an invoker has no business with: secrets' names, artifacts.
    ReadInternals,
    /// Handling calls: cancel, replay, purge.
    Invoke,
    /// Changing the catalogue.
    Deploy,
}

/// What `method` on the route `path` (as written in the router) needs; `None`: open to everyone.
pub fn need(method: &Method, path: &str) -> Option<Need> {
    let read = method == Method::GET || method == Method::HEAD;
    if path == "/livez" || path == "/readyz" {
        return None;
    }
    // Namespaces are in query or body there: the handlers check them.
    if path.starts_with("/system/") {
        return Some(Need::Token);
    }
    // Beginning a session shows the token itself; ending one needs none.
    if path == "/v1/session" {
        return read.then_some(Need::Token);
    }
    if path == "/v1/session/link" {
        return Some(Need::Token);
    }
    // Sidecars: clients find out where to call; what concerns other namespaces is left out there, and
    // so it is of events.
    let open = matches!(
        path,
        "/v1/version" | "/v1/openapi.json" | "/v1/sidecars" | "/v1/events"
    );
    if read && open {
        return Some(Need::Token);
    }
    if read && path == "/metrics" {
        return Some(Need::Cluster);
    }
    if read && path == "/v1/audit" {
        return Some(Need::Admin);
    }
    if path == "/v1/tokens" || path.starts_with("/v1/tokens/") {
        return Some(Need::Admin);
    }
    let Some(rest) = path.strip_prefix("/v1/namespaces/{namespace}/") else {
        return Some(Need::ClusterAdmin);
    };
    // Nobody bounds themselves.
    if rest == "quota" && !read {
        return Some(Need::ClusterAdmin);
    }
    let mut parts = rest.split('/');
    let (collection, child) = (parts.next().unwrap_or_default(), parts.nth(1));
    Some(match (collection, child) {
        ("functions", Some("invocations" | "dead-letters" | "invoke")) if !read => Need::Invoke,
        ("secrets" | "artifacts", _) if read => Need::ReadInternals,
        _ if read => Need::Read,
        _ => Need::Deploy,
    })
}

/// What a holder of a token may do at all, for programs that offer people nothing in vain; each route is decided by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// See functions, calls and logs.
    Read,
    /// See the names of secrets, and artifacts.
    Internals,
    /// Call functions, and cancel, replay and purge calls.
    Invoke,
    /// Change functions, secrets and triggers.
    Deploy,
    /// Make and revoke tokens, and read the audit log.
    Admin,
    /// Change what concerns all namespaces: sidecars, identities, quotas.
    Cluster,
}

impl Right {
    const ALL: [(Self, Need); 6] = [
        (Self::Read, Need::Read),
        (Self::Internals, Need::ReadInternals),
        (Self::Invoke, Need::Invoke),
        (Self::Deploy, Need::Deploy),
        (Self::Admin, Need::Admin),
        (Self::Cluster, Need::ClusterAdmin),
    ];

    /// Those of a token, in the namespaces it is good for.
    pub fn of(token: &TokenInfo) -> Vec<Self> {
        let all = Self::ALL.into_iter();
        let enough = all.filter(|(_, need)| check(token, *need, None).is_ok());
        enough.map(|(right, _)| right).collect()
    }
}

/// Why a valid token is not enough.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The token is for another namespace.
    #[error("the token is for namespace {has}, not {needs}")]
    Namespace {
        /// The token's.
        has: String,
        /// The request's.
        needs: String,
    },
    /// The role is not enough.
    #[error("role {has:?} may not do this; it needs {needs}")]
    Role {
        /// The token's.
        has: Role,
        /// The roles that may.
        needs: &'static str,
    },
}

/// Whether the token suffices. `namespace`: of the path, if it has one.
///
/// # Errors
/// [`Denied`].
pub fn check(token: &TokenInfo, need: Need, namespace: Option<&str>) -> Result<(), Denied> {
    use Role::{Admin, Deployer, Invoker, Viewer};
    let all = token.namespace == "*";
    let other = |needs: &str| Denied::Namespace {
        has: token.namespace.clone(),
        needs: needs.chars().take(63).collect(),
    };
    if matches!(need, Need::Cluster | Need::ClusterAdmin) && !all {
        return Err(other("* (all)"));
    }
    if let Some(namespace) = namespace
        && !all
        && token.namespace != namespace
    {
        return Err(other(namespace));
    }
    let (enough, needs) = match (need, token.role) {
        (Need::Token | Need::Cluster | Need::Read, _) => (true, ""),
        (Need::Admin | Need::ClusterAdmin, role) => (role == Admin, "admin"),
        (Need::ReadInternals, role) => (
            matches!(role, Admin | Deployer | Viewer),
            "viewer, deployer or admin",
        ),
        (Need::Invoke, role) => (
            matches!(role, Admin | Deployer | Invoker),
            "invoker, deployer or admin",
        ),
        (Need::Deploy, role) => (matches!(role, Admin | Deployer), "deployer or admin"),
    };
    if enough {
        return Ok(());
    }
    Err(Denied::Role {
        has: token.role,
        needs,
    })
}
