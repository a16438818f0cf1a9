//! The REST surface of an OpenFaaS gateway, so that `faas-cli` works unchanged: `/system/...`.
//!
//! Reached through any sidecar, or here. Not in our OpenAPI document: it is somebody else's
//! contract. Answers are plain text where theirs are, since `faas-cli` prints them. Calls
//! (`/function/...`, `/async-function/...`) never come here.

mod functions;
mod logs;
mod secrets;

use axum::Json;
use axum::Router;
use axum::extract::{self, Extension, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use gateless_common::name;
use gateless_common::problem::Code;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::problem::Problem;
use crate::auth::Principal;
use crate::auth::policy::{self, Need};
use crate::openfaas::Refused;

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route(
            "/system/functions",
            get(functions::list)
                .post(functions::create)
                .put(functions::update)
                .delete(functions::delete),
        )
        .route("/system/function/{name}", get(functions::describe))
        .route("/system/scale-function/{name}", post(functions::scale))
        .route(
            "/system/secrets",
            get(secrets::list)
                .post(secrets::create)
                .put(secrets::update)
                .delete(secrets::delete),
        )
        .route("/system/logs", get(logs::stream))
        .route("/system/namespaces", get(namespaces))
        // Where `faas-cli namespace create` posts to, name in the body.
        .route("/system/namespace/", any(no_namespace))
        .route(
            "/system/namespace/{name}",
            get(namespace).fallback(no_namespace),
        )
        .route("/system/info", get(info))
        .route("/system/alert", post(no_alert))
}

/// A problem in the plain words `faas-cli` prints.
#[derive(Debug)]
struct Plain(Problem);

impl<T: Into<Problem>> From<T> for Plain {
    fn from(error: T) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Plain {
    fn into_response(self) -> Response {
        let Self(problem) = self;
        // A gateway knows no 422.
        let status = match problem.status {
            422 => Ok(StatusCode::BAD_REQUEST),
            status => StatusCode::from_u16(status),
        };
        let mut text = problem.detail;
        for field in &problem.errors {
            text.push_str(&format!("; {}: {}", field.pointer, field.detail));
        }
        if let Some(hint) = problem.hint {
            text.push_str(&format!(" ({hint})"));
        }
        (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), text).into_response()
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self::new(Code::NoEqual, refused.to_string())
    }
}

/// `?namespace=`, which wins over the body's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Of {
    namespace: String,
}

/// The namespace meant, if the token may do this in it.
fn permit(principal: &Principal, need: Need, query: &str, body: &str) -> Result<String, Plain> {
    let named = [query, body].into_iter().find(|name| !name.is_empty());
    let namespace = match named {
        // What `faas-cli` calls the namespace of what was deployed without one.
        None | Some("openfaas-fn") => "default",
        Some(named) => named,
    };
    name::check_label(namespace).map_err(|reason| Problem::parameter("namespace", reason))?;
    policy::check(&principal.token, need, Some(namespace))?;
    Ok(namespace.to_owned())
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Plain> {
    serde_json::from_slice(body).map_err(|error| {
        Plain(Problem::new(
            Code::InvalidJson,
            format!("the body is not what it must be: {error}"),
        ))
    })
}

async fn namespaces(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
) -> Result<Json<Vec<String>>, Plain> {
    visible(&api, &principal).await.map(Json)
}

async fn namespace(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    extract::Path(name): extract::Path<String>,
) -> Result<Json<Value>, Plain> {
    let namespace = permit(&principal, Need::Read, &name, "")?;
    if !visible(&api, &principal).await?.contains(&namespace) {
        let detail = format!("nothing is in namespace {namespace:?}");
        let problem = Problem::new(Code::NamespaceNotFound, detail);
        return Err(Plain(problem));
    }
    Ok(Json(
        json!({"name": namespace, "annotations": {}, "labels": {}}),
    ))
}

/// Namespaces the token may see.
async fn visible(api: &Api, principal: &Principal) -> Result<Vec<String>, Plain> {
    let mut found = api.service.namespaces().await?;
    found.insert("default".to_owned());
    let own = &principal.token.namespace;
    let visible = |name: &String| own == "*" || own == name;
    Ok(found.into_iter().filter(visible).collect())
}

async fn no_namespace() -> Plain {
    let detail =
        "a namespace is there as soon as something is deployed to it, and gone with the last";
    Plain(Problem::new(Code::NoEqualRoute, detail))
}

async fn no_alert() -> Plain {
    let detail = "scaling follows the calls themselves; no alert is needed or heard";
    Plain(Problem::new(Code::NoEqualRoute, detail))
}

async fn info() -> Json<Value> {
    let version = env!("CARGO_PKG_VERSION");
    Json(json!({
        "arch": std::env::consts::ARCH,
        "provider": {
            "provider": "gateless",
            "orchestration": "gateless",
            "version": {"release": version, "sha": "", "commit_message": ""},
        },
        "version": {"release": version, "sha": "", "commit_message": ""},
    }))
}
