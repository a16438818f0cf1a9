//! Fetches artifacts, and compiles components, when the catalogue first names them, not when a
//! call waits for them.
//!
//! So a cold start needs no server, no download and no compiler. One at a time, in the
//! background; what cannot be had is tried again when the catalogue changes or the server is
//! back. It starts nothing, and a start that comes first does the same for itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use gateless_core::config::Runtime;
use gateless_wasm::Engine;

use crate::control::{Catalogue, Handle};

/// Runs until the catalogue's source ends.
pub(crate) async fn run(control: Arc<Handle>, engine: Engine) {
    let (mut catalogue, mut connected) = (control.catalogue(), control.connected());
    loop {
        let wanted = artifacts(&catalogue.borrow_and_update());
        connected.mark_unchanged();
        for (sha256, is_component) in wanted {
            prepare(&control, &engine, &sha256, is_component).await;
            if catalogue.has_changed().unwrap_or(true) {
                break;
            }
        }
        let changed = tokio::select! {
            changed = catalogue.changed() => changed,
            changed = connected.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

async fn prepare(control: &Handle, engine: &Engine, sha256: &str, is_component: bool) {
    if is_component && engine.is_compiled(sha256) && control.artifact_here(sha256).is_some() {
        return;
    }
    let path = match control.fetch_artifact(sha256).await {
        Ok(path) => path,
        Err(error) => {
            tracing::debug!(sha256, %error, "artifact not fetched ahead");
            return;
        }
    };
    if !is_component || engine.is_compiled(sha256) {
        return;
    }
    let (engine, digest) = (engine.clone(), sha256.to_owned());
    let compiling = tokio::task::spawn_blocking(move || engine.compile_ahead(&path, &digest));
    if let Ok(Err(error)) = compiling.await {
        // Whoever starts it gets the same error, and its function's status shows it.
        tracing::debug!(sha256, %error, "component not compiled ahead");
    }
}

/// Artifacts of every revision that can be called, and whether each is a component.
fn artifacts(catalogue: &Catalogue) -> BTreeMap<String, bool> {
    let revisions = catalogue
        .functions
        .values()
        .flat_map(|function| &function.revisions);
    let artifact = |runtime: &Runtime| {
        let sha256 = runtime.artifact()?.to_owned();
        Some((sha256, runtime.wasm().is_some()))
    };
    revisions
        .filter_map(|revision| artifact(&revision.runtime))
        .collect()
}
