//! What a spec names must exist: secrets and their keys, and uploaded artifacts; a component must be one.

use super::commit::{ATTEMPTS, keys, parse, put};
use super::secrets::SecretRecord;
use super::{Error, Result, Service};
use crate::clock;
use crate::domain::spec::Spec;
use crate::domain::validate::{Faults, MAX_ENVIRONMENT_BYTES};
use crate::service::artifacts::{ArtifactRecord, GRACE};
use crate::store::{self, Check, Expect};

impl Service {
    /// Checks what the spec names and fills in an artifact's size; answers with what the decision rests on.
    ///
    /// # Errors
    /// [`crate::domain::Error::Invalid`] with each missing thing's pointer.
    pub(super) async fn check_references(
        &self,
        namespace: &str,
        spec: &mut Spec,
        dry_run: bool,
    ) -> Result<Vec<Check>> {
        let mut faults = Faults::default();
        let mut rests_on = Vec::new();
        // With the `=` and the NUL of each.
        let variable = |name: &str, value: &str| name.len() + value.len() + 2;
        let own = spec.env.iter().map(|(name, value)| variable(name, value));
        let mut environment: usize = own.sum();
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
            match secret.data.get(&reference.key) {
                Some(value) => environment += variable(&reference.env, value),
                None => faults.add(
                    format!("/spec/secrets/{index}/key"),
                    format_args!("secret {} has no key {}", reference.secret, reference.key),
                ),
            }
            rests_on.push(Check::new(key, Expect::At(entry.revision)));
        }
        if let Some((secret, key)) = spec.callback_signing() {
            let stored = keys::secret(namespace, secret);
            let pointer = "/spec/async/callback_signing";
            match self.store.get(&stored).await? {
                None => faults.add(
                    pointer,
                    format_args!("there is no secret {secret} in {namespace}"),
                ),
                Some(entry) => {
                    if !parse::<SecretRecord>(&entry)?.value.data.contains_key(key) {
                        faults.add(pointer, format_args!("secret {secret} has no key {key}"));
                    }
                    rests_on.push(Check::new(stored, Expect::At(entry.revision)));
                }
            }
        }
        if environment > MAX_ENVIRONMENT_BYTES {
            let detail = format_args!(
                "with /spec/env they make an environment of {environment} bytes; at most \
                 {MAX_ENVIRONMENT_BYTES} can be given to a program"
            );
            faults.add("/spec/secrets", detail);
        }
        if let Some(bundle) = spec.process.as_mut().and_then(|p| p.bundle.as_mut()) {
            let named = (bundle.sha256.as_str(), &mut bundle.size);
            let found = self.check_artifact(namespace, named, "/spec/process/bundle", &mut faults);
            if let Some(key) = found.await? {
                rests_on.push(self.renew(key, dry_run).await?);
            }
        }
        if let Some(wasm) = &mut spec.wasm {
            let component = &mut wasm.component;
            let named = (component.sha256.as_str(), &mut component.size);
            let found = self.check_artifact(namespace, named, "/spec/wasm/component", &mut faults);
            if let Some(key) = found.await? {
                rests_on.push(self.renew(key, dry_run).await?);
                self.check_component(wasm, &mut faults).await?;
            }
        }
        faults.finish()?;
        // A key may be named more than once.
        rests_on.sort_by(|a: &Check, b| a.key().cmp(b.key()));
        rests_on.dedup();
        Ok(rests_on)
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
                "this artifact was not uploaded to the namespace; upload it first",
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

    /// Sees to it that a claim on an artifact is not collected before what is about to name it does.
    async fn renew(&self, key: String, dry_run: bool) -> Result<Check> {
        for _ in 0..ATTEMPTS {
            let Some(claim) = self.load::<ArtifactRecord>(&key).await? else {
                break;
            };
            let now = clock::now();
            let age = now.duration_since(claim.value.used_at);
            if dry_run || age.unsigned_abs() < GRACE / 2 {
                break;
            }
            let renewed = ArtifactRecord {
                used_at: now,
                ..claim.value
            };
            let renew = put(&key, &renewed, Expect::At(claim.version))?;
            match self.store.write(renew).await {
                Ok(_) => break,
                Err(store::Error::Conflict { .. }) => {}
                Err(error) => return Err(Error::Store(error)),
            }
        }
        Ok(Check::new(key, Expect::Present))
    }
}
