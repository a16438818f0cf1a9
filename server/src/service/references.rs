//! What a spec names must exist: secrets and their keys, and uploaded artifacts; a component must be one.

use super::commit::{keys, parse};
use super::secrets::SecretRecord;
use super::{Result, Service};
use crate::domain::spec::Spec;
use crate::domain::validate::Faults;
use crate::service::artifacts::ArtifactRecord;
use crate::store::Commit;

impl Service {
    /// Checks what the spec names and fills in an artifact's size; the commit requires that it is all
    /// still there.
    ///
    /// # Errors
    /// [`crate::domain::Error::Invalid`] with each missing thing's pointer.
    pub(super) async fn check_references(
        &self,
        namespace: &str,
        spec: &mut Spec,
    ) -> Result<Commit> {
        let mut faults = Faults::default();
        let mut commit = Commit::new();
        for (index, reference) in spec.secrets.iter().enumerate() {
            let key = keys::secret(namespace, &reference.secret);
            let Some(entry) = self.store.get(&key).await? else {
                faults.add(
                    format!("/spec/secrets/{index}/secret"),
                    format_args!("there is no secret {} in {namespace}", reference.secret),
                );
                continue;
            };
            let secret = parse::<SecretRecord>(&entry)?.value;
            if !secret.data.contains_key(&reference.key) {
                faults.add(
                    format!("/spec/secrets/{index}/key"),
                    format_args!("secret {} has no key {}", reference.secret, reference.key),
                );
            }
            commit = commit.unchanged(&entry);
        }
        if let Some(bundle) = spec.process.as_mut().and_then(|p| p.bundle.as_mut()) {
            let named = (bundle.sha256.as_str(), &mut bundle.size);
            let found = self.check_artifact(namespace, named, "/spec/process/bundle", &mut faults);
            if let Some(key) = found.await? {
                commit = commit.present(key);
            }
        }
        if let Some(wasm) = &mut spec.wasm {
            let component = &mut wasm.component;
            let named = (component.sha256.as_str(), &mut component.size);
            let found = self.check_artifact(namespace, named, "/spec/wasm/component", &mut faults);
            if let Some(key) = found.await? {
                commit = commit.present(key);
                self.check_component(wasm, &mut faults).await?;
            }
        }
        faults.finish()?;
        Ok(commit)
    }

    /// Fills in the artifact's size; the key of the namespace's claim on it, if it has one.
    async fn check_artifact(
        &self,
        namespace: &str,
        (sha256, size): (&str, &mut u64),
        pointer: &str,
        faults: &mut Faults,
    ) -> Result<Option<String>> {
        let key = keys::artifact(namespace, sha256);
        let Some(artifact) = self.load::<ArtifactRecord>(&key).await? else {
            faults.add(
                format!("{pointer}/sha256"),
                "this artifact was not uploaded to the namespace; PUT it to \
                 /v1/namespaces/{namespace}/artifacts/{sha256} first",
            );
            return Ok(None);
        };
        let actual = artifact.value.size;
        if *size != 0 && *size != actual {
            faults.add(
                format!("{pointer}/size"),
                format_args!("the artifact has {actual} bytes"),
            );
        }
        *size = actual;
        Ok(Some(key))
    }
}
