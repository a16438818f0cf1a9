//! What a spec names must exist: secrets and their keys, and uploaded artifacts.

use super::commit::{keys, parse};
use super::secrets::SecretRecord;
use super::{Result, Service};
use crate::domain::spec::Spec;
use crate::domain::validate::Faults;
use crate::service::artifacts::ArtifactRecord;
use crate::store::Commit;

impl Service {
    /// Checks what the spec names and fills in a bundle's size; the commit requires that it is all
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
            let key = keys::artifact(namespace, &bundle.sha256);
            match self.load::<ArtifactRecord>(&key).await? {
                None => faults.add(
                    "/spec/process/bundle/sha256",
                    "this artifact was not uploaded to the namespace; PUT it to \
                     /v1/namespaces/{namespace}/artifacts/{sha256} first",
                ),
                Some(artifact) => {
                    let size = artifact.value.size;
                    if bundle.size != 0 && bundle.size != size {
                        faults.add(
                            "/spec/process/bundle/size",
                            format_args!("the artifact has {size} bytes"),
                        );
                    }
                    bundle.size = size;
                    commit = commit.present(key);
                }
            }
        }
        faults.finish()?;
        Ok(commit)
    }
}
