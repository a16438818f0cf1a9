//! The REST API: one file per resource, the route's description beside its handler.
//!
//! Handlers parse, call the service and shape the answer; they decide nothing. Every error becomes a
//! [`problem::Problem`], also those of routes and methods that are not there.

mod access;
mod artifacts;
mod audit;
mod bulk;
mod calls;
mod catalogue;
mod conditional;
mod credential;
mod events;
mod extract;
mod functions;
mod health;
mod idempotency;
mod identity;
mod instances;
mod invocations;
mod invoke;
mod join_tokens;
mod keys;
mod logs;
mod openapi;
mod openfaas;
mod page;
pub mod problem;
mod propagation;
mod queues;
mod quotas;
mod revisions;
mod secrets;
mod secrets_key;
mod session;
mod sidecars;
mod stats;
mod tokens;
mod traffic;
mod triggers;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use gateless_common::problem::Code;
use http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Method, Uri};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

use self::problem::Problem;
pub(crate) use self::session::is_https;
use crate::audit::Log;
use crate::auth::Auth;
use crate::identity::Identities;
use crate::metrics::{self, Metrics};
use crate::openfaas::images::Images;
use crate::secrets_key::SecretsKey;
use crate::service::Service;
use crate::web;

/// What handlers share.
#[derive(Clone)]
pub struct Api {
    service: Arc<Service>,
    auth: Arc<Auth>,
    identities: Arc<Identities>,
    secrets_key: Arc<SecretsKey>,
    metrics: Arc<Metrics>,
    answers: Arc<idempotency::Answers>,
    document: bytes::Bytes,
    images: Arc<Images>,
    audit: Arc<Log>,
    shutdown: CancellationToken,
}

fn collected() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::base())
        .merge(functions::routes())
        .merge(revisions::routes())
        .merge(traffic::routes())
        .merge(keys::routes())
        .merge(instances::routes())
        .merge(logs::routes())
        .merge(invocations::routes())
        .merge(calls::routes())
        .merge(bulk::routes())
        .merge(invoke::routes())
        .merge(queues::routes())
        .merge(artifacts::routes())
        .merge(secrets::routes())
        .merge(triggers::routes())
        .merge(sidecars::routes())
        .merge(catalogue::routes())
        .merge(join_tokens::routes())
        .merge(identity::routes())
        .merge(secrets_key::routes())
        .merge(events::routes())
        .merge(stats::routes())
        .merge(session::routes())
        .merge(tokens::routes())
        .merge(audit::routes())
        .merge(quotas::routes())
        .merge(health::routes())
}

/// The OpenAPI document of all routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = collected().into_openapi();
    openapi::describe_settings(&mut document);
    document
}

/// What the routes are of.
pub struct Parts {
    /// The server's operations.
    pub service: Arc<Service>,
    /// Tokens and sessions.
    pub auth: Arc<Auth>,
    /// Who belongs to the cluster.
    pub identities: Arc<Identities>,
    /// What secrets are sealed with.
    pub secrets_key: Arc<SecretsKey>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What images are run as.
    pub images: Arc<Images>,
    /// Where changes are recorded.
    pub audit: Arc<Log>,
    /// Ends what would otherwise go on: followed logs, waits.
    pub shutdown: CancellationToken,
}

/// All routes.
pub fn router(parts: Parts) -> Router {
    let Parts {
        service,
        auth,
        identities,
        secrets_key,
        metrics,
        images,
        audit,
        shutdown,
    } = parts;
    let (routes, mut document) = collected().split_for_parts();
    openapi::describe_settings(&mut document);
    let api = Api {
        service,
        auth,
        identities,
        secrets_key,
        metrics: Arc::clone(&metrics),
        answers: Arc::default(),
        document: document.to_json().unwrap_or_default().into(),
        images,
        audit,
        shutdown,
    };
    routes
        .merge(openfaas::router())
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_method)
        .layer(from_fn_with_state(api.clone(), propagation::wait))
        .layer(from_fn_with_state(api.clone(), idempotency::replay))
        .layer(from_fn_with_state(api.clone(), access::check))
        .layer(from_fn_with_state(api.clone(), audit::record))
        .layer(map_response(as_data))
        .layer(from_fn(move |request: Request, next| {
            metrics::observe(Arc::clone(&metrics), request, next)
        }))
        .with_state(api)
}

/// What every answer has: it is kept nowhere, unless it says otherwise as the dashboard's files do, and it is what its
/// content-type says.
async fn as_data(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let set = HeaderValue::from_static;
    headers
        .entry(CACHE_CONTROL)
        .or_insert_with(|| set("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, set("nosniff"));
    response
}

async fn unknown_route(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if let Some(page) = web::serve(&method, uri.path(), &headers) {
        return page;
    }
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(Code::RouteNotFound, format!("there is no route {path}"))
        .hint("/v1/openapi.json describes the routes there are")
        .into_response()
}

async fn unknown_method(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    let detail = format!("{path} has no {method:.16}");
    Problem::new(Code::MethodNotAllowed, detail).hint("the allow header names those it has")
}
