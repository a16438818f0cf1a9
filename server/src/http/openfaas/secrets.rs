//! Secrets: one value each, kept under the key `value` of a secret of ours.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Extension, Query, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gateless_common::name;
use gateless_common::problem::Code;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Of, Plain, parse, permit};
use crate::auth::Principal;
use crate::auth::policy::Need;
use crate::http::Api;
use crate::http::problem::Problem;
use crate::openfaas::{SECRET_KEY, Secret};
use crate::service::functions::How;

const PAGE: usize = 500;

pub(super) async fn list(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    Query(of): Query<Of>,
) -> Result<Json<Vec<Value>>, Plain> {
    let namespace = permit(&principal, Need::ReadInternals, &of.namespace, "")?;
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = api.service.list_secrets(&namespace, after.as_deref(), PAGE);
        let (secrets, more) = page.await?;
        after = secrets.last().map(|(name, _)| name.clone());
        let shown = secrets
            .into_iter()
            .map(|(name, _)| json!({"name": name, "namespace": namespace}));
        found.extend(shown);
        if !more {
            return Ok(Json(found));
        }
    }
}

pub(super) async fn create(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    Query(of): Query<Of>,
    body: Bytes,
) -> Result<StatusCode, Plain> {
    let secret: Secret = parse(&body)?;
    let namespace = permit(&principal, Need::Deploy, &of.namespace, &secret.namespace)?;
    if api.service.secret((&namespace, &secret.name)).await.is_ok() {
        let detail = format!("secret {:?} is there already; update it", secret.name);
        return Err(Problem::new(Code::Exists, detail).into());
    }
    put(&api, &namespace, &secret).await?;
    Ok(StatusCode::CREATED)
}

pub(super) async fn update(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    Query(of): Query<Of>,
    body: Bytes,
) -> Result<StatusCode, Plain> {
    let secret: Secret = parse(&body)?;
    let namespace = permit(&principal, Need::Deploy, &of.namespace, &secret.namespace)?;
    api.service.secret((&namespace, &secret.name)).await?;
    put(&api, &namespace, &secret).await?;
    Ok(StatusCode::ACCEPTED)
}

async fn put(api: &Api, namespace: &str, secret: &Secret) -> Result<(), Plain> {
    name::check_label(&secret.name).map_err(|reason| Problem::parameter("name", reason))?;
    let value = if secret.raw_value.is_empty() {
        Some(secret.value.clone())
    } else {
        let bytes = STANDARD.decode(&secret.raw_value).ok();
        bytes.and_then(|bytes| String::from_utf8(bytes).ok())
    };
    let value = value.ok_or_else(|| {
        Problem::parameter(
            "rawValue",
            "must be base64 of text: it becomes an environment variable",
        )
    })?;
    let data = BTreeMap::from([(SECRET_KEY.to_owned(), value)]);
    let name = (namespace, secret.name.as_str());
    api.service.put_secret(name, &data, &How::default()).await?;
    Ok(())
}

pub(super) async fn delete(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    Query(of): Query<Of>,
    body: Bytes,
) -> Result<StatusCode, Plain> {
    let secret: Secret = parse(&body)?;
    let namespace = permit(&principal, Need::Deploy, &of.namespace, &secret.namespace)?;
    let name = (namespace.as_str(), secret.name.as_str());
    api.service.delete_secret(name, &How::default()).await?;
    Ok(StatusCode::ACCEPTED)
}
