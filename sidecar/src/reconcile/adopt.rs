//! What an earlier sidecar left running is taken over, before anything is decided.

use std::time::Duration;

use gateless_common::io::unix_now;
use gateless_core::host;

use super::Reconciler;
use crate::catalogue::Catalogue;
use crate::clock;

impl Reconciler {
    /// The host's side learns the catalogue and takes over what runs; nothing is done about it yet.
    pub(super) async fn adopt(&mut self) {
        let catalogue = self.parts.catalogue.borrow().clone();
        let functions: Vec<_> = catalogue.functions.values().cloned().collect();
        self.parts.registry.change(functions.iter().cloned(), []);
        let now = clock::now();
        for function in &functions {
            self.machines
                .host(now, host::Event::Config(function.clone()));
        }
        self.tell_secrets(now, &Catalogue::default(), &catalogue, &functions);
        let drivers = self.parts.drivers.clone();
        for adopted in drivers.adopt().await {
            let now = clock::now();
            let (id, name) = (adopted.id.clone(), adopted.revision.clone());
            tracing::info!(instance = %id, revision = %name, "adopted a running instance");
            self.status.started(&id, adopted.started_at_ms);
            if adopted.ready {
                self.status.ready(&id, unix_now(), adopted.target.address());
                let target = adopted.target;
                self.parts
                    .registry
                    .add_local(&name, &id, target, Duration::ZERO);
            }
            self.machines.host(
                now,
                host::Event::Adopted {
                    id: id.clone(),
                    revision: name,
                    uid: adopted.revision_uid,
                    ready: adopted.ready,
                    secrets: adopted.secrets_version,
                },
            );
            if adopted.ready {
                self.watch(&id);
            }
        }
    }
}
