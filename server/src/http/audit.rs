//! The audit log: every request that may change something is recorded here, whatever comes of it, and read here.
//!
//! The layer stands outside the gate, so that what is refused there is recorded, too. What was changed says the store, who
//! did it the gate, by [`Who`].

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{ConnectInfo, MatchedPath, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::{Extension, Json};
use gateless_common::header::FORWARDED_FOR;
use gateless_common::problem::Code;
use http::Method;
use http::header::FORWARDED;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::Query;
use super::openapi::Problems;
use super::page::{self, list};
use super::problem::{Problem, Refusal};
use super::tokens::same_namespace;
use crate::audit::chain::{Actor, Broken, Entry};
use crate::audit::{Draft, Filter, Log, Part, files};
use crate::auth::Principal;
use crate::clock;
use crate::store::recorded::Changes;

/// Looks at the files at the same time; each reads one of them into memory.
const MAX_READERS: usize = 2;
static READERS: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(MAX_READERS);

/// Whoever a request turns out to be from.
#[derive(Debug, Clone, Default)]
pub(super) struct Who(Arc<OnceLock<Principal>>);

impl Who {
    /// It is from these; the first that is said counts.
    pub(super) fn is(&self, principal: &Principal) {
        self.0.get_or_init(|| principal.clone());
    }

    fn actor(&self) -> Actor {
        let Some(principal) = self.0.get() else {
            return Actor::default();
        };
        let token = &principal.token;
        Actor {
            token_id: Some(token.id.clone()),
            namespace: Some(token.namespace.clone()),
            role: serde_json::to_value(token.role)
                .ok()
                .and_then(|role| role.as_str().map(str::to_owned)),
            description: Some(token.description.clone()),
            session: principal
                .session
                .as_ref()
                .map(|session| session.short().to_owned()),
        }
    }
}

/// A request that is under way; recorded when it ends, in whatever way.
struct Recording {
    log: Arc<Log>,
    draft: Option<Draft>,
    who: Who,
    changes: Changes,
}

impl Recording {
    /// What is to be appended; `None`: it was already.
    fn finish(&mut self) -> Option<Draft> {
        let mut draft = self.draft.take()?;
        draft.actor = self.who.actor();
        draft.changes = self.changes.take();
        Some(draft)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // Whoever asked has gone away: what was begun may have happened.
        if let Some(draft) = self.finish()
            && !draft.changes.is_empty()
        {
            let log = Arc::clone(&self.log);
            tokio::task::spawn_blocking(move || append(&log, draft));
        }
    }
}

fn append(log: &Log, draft: Draft) {
    tracing::debug!(target: "audit", action = draft.action, path = draft.path, status = draft.status, actor = draft.actor.token_id, "changed");
    if let Err(error) = log.append(draft, clock::now()) {
        tracing::error!(%error, "a change is not in the audit log");
    }
}

/// Records a request that may change something.
pub(super) async fn record(
    State(api): State<Api>,
    path: Option<MatchedPath>,
    connection: Option<Extension<ConnectInfo<SocketAddr>>>,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    let reads = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    // What is no route changes nothing, and anybody can ask for it.
    let Some(path) = path.filter(|_| !reads) else {
        return next.run(request).await;
    };
    let parameters = parameters.as_ref().ok();
    let namespace = parameters.and_then(|all| all.iter().find(|(key, _)| *key == "namespace"));
    let forwarded = [FORWARDED, FORWARDED_FOR]
        .iter()
        .find_map(|name| request.headers().get(name));
    let who = Who::default();
    let mut recording = Recording {
        log: Arc::clone(&api.audit),
        draft: Some(Draft {
            from: connection.map(|Extension(ConnectInfo(address))| address.ip().to_string()),
            forwarded: forwarded
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            action: format!("{} {}", request.method(), path.as_str()),
            path: request.uri().path().to_owned(),
            namespace: namespace.map(|(_, value)| value.to_owned()),
            ..Draft::default()
        }),
        who: who.clone(),
        changes: Changes::default(),
    };
    request.extensions_mut().insert(who);
    let response = recording.changes.clone().of(next.run(request)).await;
    if let Some(mut draft) = recording.finish() {
        draft.status = Some(response.status().as_u16());
        draft.code = response
            .extensions()
            .get::<Refusal>()
            .map(|refusal| refusal.0.to_owned());
        let log = Arc::clone(&recording.log);
        // Answered when it is on the disk.
        if tokio::task::spawn_blocking(move || append(&log, draft))
            .await
            .is_err()
        {
            tracing::error!("a change is not in the audit log");
        }
    }
    response
}

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_audit_entries))
        .routes(routes!(check_audit_log))
}

list!(
    /// Entries, newest first.
    AuditList as AuditList of Entry
);

/// Which entries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// Items per page, 1 to 1000; default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// From the page before.
    page_token: Option<String>,
    /// Only what concerns this namespace; an admin of one namespace sees no other in any case.
    namespace: Option<String>,
    /// Only what was done with the token of this id.
    token_id: Option<String>,
    /// Only actions (method and route) with this text in them.
    action: Option<String>,
    /// `true`: only what was refused; `false`: only what was done.
    refused: Option<bool>,
    /// Only what was answered at this time or later (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
}

#[utoipa::path(
    get, path = "/v1/audit", tag = "audit",
    operation_id = "listAuditEntries", summary = "Who changed what",
    description = "Every change and every one that was refused at this server, newest first, as far back as the log is \
        kept (128 MiB of changes, 48 MiB of what changed nothing). An admin of one namespace sees what concerns that namespace.",
    params(AuditQuery),
    responses((status = 200, description = "A page of entries.", body = AuditList), Problems),
)]
async fn list_audit_entries(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<AuditList>, Problem> {
    let limit = page::limit(query.limit)?;
    let before = page::decode(query.page_token.as_deref())?;
    let before = before
        .map(|text| text.parse().map_err(|_| not_a_token()))
        .transpose()?;
    let own = Some(principal.token.namespace.clone()).filter(|namespace| namespace != "*");
    if let Some(asked) = &query.namespace {
        same_namespace(&principal, asked)?;
    }
    let filter = Filter {
        namespace: own.or(query.namespace),
        token_id: query.token_id,
        action: query.action,
        refused: query.refused,
        since: query.since,
        before,
    };
    let (items, more) = reading(&api, move |log| log.read(&filter, limit)).await?;
    let last = items.last().filter(|_| more);
    let next_page_token = last.map(|entry| page::encode(&entry.sequence.to_string()));
    Ok(Json(AuditList {
        items,
        next_page_token,
    }))
}

fn not_a_token() -> Problem {
    Problem::parameter(
        "page_token",
        "is not a token of this list; start without one",
    )
}

/// Whether the log is as it was written.
#[derive(Debug, Serialize, ToSchema)]
struct AuditVerdict {
    /// Whether every entry that is kept follows the one before it unaltered, to the one that was written last.
    intact: bool,
    /// Where it does not.
    #[schema(example = "audit-00000000000000000001.jsonl:17 was altered")]
    broken: Option<String>,
    /// Each chain by itself: changes, requests that changed nothing, and those of whoever had no good token.
    chains: Vec<AuditChain>,
}

/// One of the chains of the log.
#[derive(Debug, Serialize, ToSchema)]
struct AuditChain {
    /// `changes`, `requests` or `strangers`.
    #[schema(example = "changes")]
    name: &'static str,
    /// The first entry that is kept.
    first_sequence: Option<u64>,
    /// The last one.
    last_sequence: Option<u64>,
    /// The hash of the last one: keep it elsewhere to find out when the end is cut off, or all of it is written anew.
    head: String,
}

impl AuditChain {
    fn new(part: Part, verdict: &files::Verdict) -> Self {
        Self {
            name: part.as_str(),
            first_sequence: verdict.range.map(|(first, _)| first),
            last_sequence: verdict.range.map(|(_, last)| last),
            head: verdict.head.clone(),
        }
    }
}

#[utoipa::path(
    get, path = "/v1/audit/verify", tag = "audit",
    operation_id = "checkAuditLog", summary = "Follow the chains of the audit log",
    description = "Each entry has the digest of the one before, so an entry that was changed, left out or added shows. It is looked for \
        over all that is kept.",
    responses((status = 200, description = "What was found.", body = AuditVerdict), Problems),
)]
async fn check_audit_log(State(api): State<Api>) -> Result<Json<AuditVerdict>, Problem> {
    let found = reading(&api, |log| log.verify()).await?;
    let first = found
        .iter()
        .find_map(|(_, verdict)| verdict.broken.as_ref());
    let broken = first.map(|(place, why)| {
        let why = match why {
            Broken::Unreadable => "is no entry",
            Broken::Altered => "was altered",
            Broken::OutOfPlace => "does not follow the entry before",
            Broken::Cut => "is the end, and not what was written last",
        };
        format!("{place} {why}")
    });
    let chains = found.iter();
    Ok(Json(AuditVerdict {
        intact: broken.is_none(),
        broken,
        chains: chains
            .map(|(part, verdict)| AuditChain::new(*part, verdict))
            .collect(),
    }))
}

/// Reads files where it may block.
async fn reading<T: Send + 'static>(
    api: &Api,
    read: impl FnOnce(&Log) -> std::io::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "the audit log cannot be read");
        Problem::new(
            Code::Internal,
            "the audit log cannot be read; the server's log says why",
        )
    };
    let _turn = READERS.acquire().await.map_err(|error| failed(&error))?;
    let log = Arc::clone(&api.audit);
    let done = tokio::task::spawn_blocking(move || read(&log)).await;
    done.map_err(|error| failed(&error))?
        .map_err(|error| failed(&error))
}
