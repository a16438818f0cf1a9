//! Secrets as this sidecar keeps them and passes them on: sealed to a key of its own, in memory but for what is in force, and on
//! its disk. A copied catalogue tells nothing of them without that key, which is in another file.
//!
//! From a server that knows the key they come so; what comes plain, from the version before, is sealed here.

use std::sync::Arc;

use gateless_identity::{OpeningKey, Recipient, Unopened, wipe};
use gateless_proto::v1::resource::Kind;
use gateless_proto::v1::{Change, Resource};

/// The key of this sidecar. Cheap to clone.
#[derive(Clone)]
pub(super) struct Own(Arc<OpeningKey>);

/// A resource that was opened, which is wiped when it is dropped.
pub(super) struct Opened(Resource);

impl Opened {
    pub(super) fn resource(&self) -> &Resource {
        &self.0
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl Own {
    pub(super) fn new(key: OpeningKey) -> Self {
        Self(Arc::new(key))
    }

    /// What is told to whom secrets come from.
    pub(super) fn recipient(&self) -> Vec<u8> {
        self.0.recipient().to_bytes()
    }

    /// What is in a sealed resource; `None`: it is not sealed.
    pub(super) fn open(&self, name: &str, resource: &Resource) -> Result<Option<Opened>, Unopened> {
        Ok(self.0.open(name, resource)?.map(Opened))
    }

    /// A resource as it is kept; `None`: as it came.
    pub(super) fn kept(&self, name: &str, came: &Resource) -> Result<Option<Resource>, Unopened> {
        match &came.kind {
            Some(Kind::Secret(_)) => self.0.recipient().seal(name, came).map(Some),
            _ => Ok(None),
        }
    }

    /// A change as it is passed on: a secret sealed to who asked, or plain where they told no key, on a connection that is
    /// proven. One that does not open is left out.
    pub(super) fn passed_on(&self, change: Change, to: Option<&Recipient>) -> Option<Change> {
        let Some(resource) = &change.resource else {
            return Some(change);
        };
        let opened = match self.open(&change.name, resource) {
            Ok(Some(opened)) => opened,
            Ok(None) => return Some(change),
            Err(_) => return None,
        };
        let resource = match to {
            Some(to) => to.seal(&change.name, opened.resource()).ok()?,
            None => opened.resource().clone(),
        };
        let name = change.name;
        Some(Change {
            name,
            resource: Some(resource),
        })
    }
}
