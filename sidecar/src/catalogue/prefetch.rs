//! Fetches artifacts, and compiles components, when the catalogue first names them, not when a
//! call waits for them.
//!
//! So a cold start needs no server, no download and no compiler. One at a time, in the
//! background; what cannot be had is tried again when the catalogue changes or the server is
//! back. It starts nothing, and a start that comes first does the same for itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use gateless_core::config::{Function, Revision};
use gateless_core::name::FunctionName;
use imbl::ordmap::DiffItem;
use tokio::sync::watch;

use crate::catalogue::{Catalogue, Handle};
use crate::endpoint::engine::Engine;

/// What is got ready by somebody else, once it is here.
pub(crate) struct Ahead {
    /// Compiles components.
    pub(crate) engine: Engine,
    /// Whether nothing more is to be got for a revision than its artifact; what is, is then on its way.
    pub(crate) prepare: Arc<Prepare>,
}

/// Says whether nothing more is to be got for a revision.
pub(crate) type Prepare = dyn Fn(&Arc<Revision>) -> bool + Send + Sync;

/// Runs until the catalogue's source ends; what could not be had is tried again when `again` says so, too.
pub(crate) async fn run(control: Arc<Handle>, ahead: Ahead, mut again: watch::Receiver<()>) {
    let (mut catalogue, mut connected) = (control.catalogue(), control.connected());
    let mut todo = Todo::default();
    loop {
        todo.update(catalogue.borrow_and_update().clone());
        connected.mark_unchanged();
        for function in todo.functions() {
            if prepare(&control, &ahead, &function).await {
                todo.done(&function);
            }
            if catalogue.has_changed().unwrap_or(true) {
                break;
            }
        }
        let changed = tokio::select! {
            changed = catalogue.changed() => changed,
            changed = connected.changed() => changed,
            Ok(()) = again.changed() => Ok(()),
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Functions whose artifacts were not at hand yet, as they are in the newest catalogue.
#[derive(Default)]
struct Todo {
    catalogue: Arc<Catalogue>,
    functions: BTreeMap<FunctionName, Arc<Function>>,
}

impl Todo {
    /// Takes in what is new; of the rest nothing is looked at.
    fn update(&mut self, catalogue: Arc<Catalogue>) {
        for difference in self.catalogue.functions.diff(&catalogue.functions) {
            match difference {
                DiffItem::Add(name, function)
                | DiffItem::Update {
                    new: (name, function),
                    ..
                } => {
                    self.functions.insert(name.clone(), function.clone());
                }
                DiffItem::Remove(name, _) => {
                    self.functions.remove(name);
                }
            }
        }
        self.catalogue = catalogue;
    }

    fn functions(&self) -> Vec<Arc<Function>> {
        self.functions.values().cloned().collect()
    }

    fn done(&mut self, function: &Function) {
        self.functions.remove(&function.name);
    }
}

/// Whether every artifact of the function is at hand.
async fn prepare(control: &Handle, ahead: &Ahead, function: &Function) -> bool {
    let mut here = true;
    for revision in &function.revisions {
        if let Some(sha256) = revision.runtime.artifact() {
            let is_component = revision.runtime.wasm().is_some();
            here &= fetch(control, &ahead.engine, sha256, is_component).await;
        }
        here &= (ahead.prepare)(revision);
    }
    here
}

async fn fetch(control: &Handle, engine: &Engine, sha256: &str, is_component: bool) -> bool {
    if is_component && engine.is_compiled(sha256) && control.artifact_here(sha256).is_some() {
        return true;
    }
    let path = match control.fetch_artifact(sha256).await {
        Ok(path) => path,
        Err(error) => {
            tracing::debug!(sha256, %error, "artifact not fetched ahead");
            return false;
        }
    };
    if is_component && !engine.is_compiled(sha256) {
        let (engine, digest) = (engine.clone(), sha256.to_owned());
        let compiling = tokio::task::spawn_blocking(move || engine.compile_ahead(&path, &digest));
        if let Ok(Err(error)) = compiling.await {
            // Whoever starts it gets the same error, and its function's status shows it.
            tracing::debug!(sha256, %error, "component not compiled ahead");
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::config;
    use crate::catalogue::config::tests::sample;

    fn catalogue(names: &[&str]) -> Arc<Catalogue> {
        let functions = names.iter().map(|name| {
            let function = Arc::new(config::function(&sample(name)).unwrap());
            (function.name.clone(), function)
        });
        let functions = functions.collect();
        Arc::new(Catalogue {
            functions,
            ..Catalogue::default()
        })
    }

    #[test]
    fn only_what_is_new_or_failed_is_prepared_and_nothing_that_is_gone() {
        let mut todo = Todo::default();
        let names = |todo: &Todo| {
            let functions = todo.functions.keys();
            functions
                .map(|name| name.name().to_owned())
                .collect::<Vec<_>>()
        };
        todo.update(catalogue(&["a", "b", "c"]));
        assert_eq!(names(&todo), ["a", "b", "c"]);
        let [a, ..] = &todo.functions()[..] else {
            unreachable!()
        };
        todo.done(a);
        todo.update(catalogue(&["a", "b", "d"]));
        assert_eq!(names(&todo), ["b", "d"]);
    }
}
