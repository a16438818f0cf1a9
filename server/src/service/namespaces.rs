//! Which namespaces there are: those something is in. Nobody makes or deletes one.

use std::collections::BTreeSet;

use super::{Result, Service};

/// More are not listed.
const MOST: usize = 1_000;

impl Service {
    /// Namespaces with a function or a secret, at most 1,000.
    ///
    /// # Errors
    /// The store's.
    pub async fn namespaces(&self) -> Result<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        for kind in ["functions/", "secrets/"] {
            let mut after: Option<String> = None;
            while found.len() < MOST {
                let page = self.store.scan(kind, after.as_deref(), 1).await?;
                let Some(entry) = page.entries.first() else {
                    break;
                };
                let rest = entry.key.strip_prefix(kind).unwrap_or_default();
                let namespace = rest.split('/').next().unwrap_or_default();
                // The next character after a slash: past everything in this namespace.
                after = Some(format!("{kind}{namespace}0"));
                found.insert(namespace.to_owned());
            }
        }
        Ok(found)
    }
}
