//! Functions: list, describe, deploy, update, remove, scale.

use std::collections::BTreeMap;
use std::path::Path;

use axum::Json;
use axum::extract::{self, Extension, Query, State};
use bytes::Bytes;
use gateless_common::name;
use gateless_common::problem::Code;
use http::StatusCode;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Of, Plain, parse, permit};
use crate::auth::Principal;
use crate::auth::policy::Need;
use crate::http::Api;
use crate::http::problem::Problem;
use crate::openfaas::{self, Deployment, FunctionStatus};
use crate::service::functions::{How, View};

/// Of one page; a listing is put together from as many as it takes.
const PAGE: usize = 500;

fn status(api: &Api, view: &View) -> FunctionStatus {
    let function = &view.function.value;
    let instances = api.service.registry().instances(&function.full_name());
    let in_state = |state: &str| instances.iter().filter(|(_, i)| i.state == state).count() as u64;
    let (ready, starting) = (in_state("ready"), in_state("starting"));
    openfaas::status(function, ready, ready + starting)
}

pub(super) async fn list(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    Query(of): Query<Of>,
) -> Result<Json<Vec<FunctionStatus>>, Plain> {
    let namespace = permit(&principal, Need::Read, &of.namespace, "")?;
    let mut found: Vec<FunctionStatus> = Vec::new();
    let mut after: Option<String> = None;
    let none = BTreeMap::new();
    loop {
        let page = api
            .service
            .list_functions(&namespace, after.as_deref(), PAGE, &none);
        let (views, more) = page.await?;
        after = views.last().map(|view| view.function.value.name.clone());
        found.extend(views.iter().map(|view| status(&api, view)));
        if !more {
            return Ok(Json(found));
        }
    }
}

pub(super) async fn describe(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    extract::Path(name): extract::Path<String>,
    Query(of): Query<Of>,
) -> Result<Json<FunctionStatus>, Plain> {
    let namespace = permit(&principal, Need::Read, &of.namespace, "")?;
    let view = api.service.function((&namespace, &name)).await?;
    Ok(Json(status(&api, &view)))
}

pub(super) async fn create(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    Query(of): Query<Of>,
    body: Bytes,
) -> Result<StatusCode, Plain> {
    deploy(&api, &principal, &of, &body, false).await
}

pub(super) async fn update(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    Query(of): Query<Of>,
    body: Bytes,
) -> Result<StatusCode, Plain> {
    deploy(&api, &principal, &of, &body, true).await
}

async fn deploy(
    api: &Api,
    principal: &Principal,
    of: &Of,
    body: &[u8],
    must_exist: bool,
) -> Result<StatusCode, Plain> {
    let deployment: Deployment = parse(body)?;
    let namespace = permit(
        principal,
        Need::Deploy,
        &of.namespace,
        &deployment.namespace,
    )?;
    let name = (namespace.as_str(), deployment.service.as_str());
    name::check_function(name.1).map_err(|reason| Problem::parameter("service", reason))?;
    if must_exist {
        api.service.function(name).await?;
    }
    let image = api.images.get(&deployment.image);
    let artifact = match image.file() {
        Some(file) => Some(upload(api, &namespace, file).await?),
        None => None,
    };
    let apply = openfaas::apply(&deployment, &image, artifact.as_deref())?;
    api.service.apply(name, apply, &How::default()).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Puts the image's file among the namespace's artifacts.
async fn upload(api: &Api, namespace: &str, file: &Path) -> Result<String, Plain> {
    let path = file.to_owned();
    let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
    let unreadable = |cause: String| {
        let detail = format!(
            "the image's file {} cannot be read: {cause}",
            file.display()
        );
        Problem::new(Code::ImageFile, detail)
    };
    let content = read.map_err(|error| unreadable(error.to_string()))?;
    let content = Bytes::from(content.map_err(|error| unreadable(error.to_string()))?);
    let sha256 = hex::encode(Sha256::digest(&content));
    let body = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(content)]);
    api.service.put_artifact(namespace, &sha256, body).await?;
    Ok(sha256)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Delete {
    function_name: String,
    namespace: String,
}

pub(super) async fn delete(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    Query(of): Query<Of>,
    body: Bytes,
) -> Result<StatusCode, Plain> {
    let asked: Delete = parse(&body)?;
    let namespace = permit(&principal, Need::Deploy, &of.namespace, &asked.namespace)?;
    let name = (namespace.as_str(), asked.function_name.as_str());
    api.service.delete_function(name, &How::default()).await?;
    Ok(StatusCode::ACCEPTED)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Scale {
    replicas: u32,
    namespace: String,
}

/// So many at least from now on; what the autoscaler adds to them follows the calls.
pub(super) async fn scale(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    extract::Path(name): extract::Path<String>,
    Query(of): Query<Of>,
    body: Bytes,
) -> Result<StatusCode, Plain> {
    let asked: Scale = parse(&body)?;
    let namespace = permit(&principal, Need::Deploy, &of.namespace, &asked.namespace)?;
    let full = (namespace.as_str(), name.as_str());
    let view = api.service.function(full).await?;
    let function = view.function.value;
    let mut spec = function.spec;
    let most = spec.scaling.max_scale;
    if most > 0 && asked.replicas > most {
        let detail = format!(
            "{} replicas are more than the {most} it may have",
            asked.replicas
        );
        let problem = Problem::new(Code::BeyondMaxScale, detail);
        return Err(Plain(problem.hint(
            "deploy it again with a higher label com.openfaas.scale.max",
        )));
    }
    spec.scaling.min_scale = asked.replicas;
    let apply = crate::domain::rollout::Apply {
        spec,
        labels: function.labels,
    };
    api.service.apply(full, apply, &How::default()).await?;
    Ok(StatusCode::ACCEPTED)
}
