//! A function of ours as OpenFaaS shows it.

use std::collections::BTreeMap;

use super::{ANNOTATION, FunctionStatus, IMAGE_LABEL, SECRET_KEY};
use crate::domain::function::Function;
use crate::domain::spec::Runtime;

/// With instances as the sidecars report them.
#[must_use]
pub fn status(function: &Function, ready: u64, alive: u64) -> FunctionStatus {
    let mut labels = BTreeMap::new();
    let mut annotations = BTreeMap::new();
    let mut image = None;
    for (key, value) in &function.labels {
        if key == IMAGE_LABEL {
            image = Some(value.clone());
        } else if let Some(key) = key.strip_prefix(ANNOTATION) {
            annotations.insert(key.to_owned(), value.clone());
        } else {
            labels.insert(key.clone(), value.clone());
        }
    }
    // One that was not deployed this way has no image; its digest or command says what runs.
    let image = image.unwrap_or_else(|| match function.spec.runtime() {
        Some(Runtime::Wasm(wasm)) => format!("sha256:{}", wasm.component.sha256),
        Some(Runtime::Process(process)) => process.command.join(" "),
        Some(Runtime::Container(container)) => container.image.clone(),
        None => String::new(),
    });
    let secrets = function.spec.secrets.iter();
    let secrets = secrets.filter(|secret| secret.key == SECRET_KEY);
    FunctionStatus {
        name: function.name.clone(),
        image,
        namespace: function.namespace.clone(),
        env_vars: function.spec.env.clone(),
        secrets: secrets.map(|secret| secret.secret.clone()).collect(),
        labels,
        annotations,
        replicas: alive,
        available_replicas: ready,
        created_at: function.created_at,
    }
}
