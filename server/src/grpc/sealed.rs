//! The one way of a secret out of the server to a sidecar.

use gateless_identity::{Recipient, wipe};
use gateless_proto::v1::{Change, resource};

/// A change as it is sent: a secret only sealed to the sidecar, if that has told a key; one of the version before tells
/// none. `None`: the key that was told seals nothing, and the secret stays here.
pub(super) fn seal(to: Option<&Recipient>, mut change: Change) -> Option<Change> {
    let (Some(to), Some(resource)) = (to, &mut change.resource) else {
        return Some(change);
    };
    if !matches!(resource.kind, Some(resource::Kind::Secret(_))) {
        return Some(change);
    }
    let sealed = to.seal(&change.name, resource);
    wipe(resource);
    match sealed {
        Ok(sealed) => {
            *resource = sealed;
            Some(change)
        }
        Err(_) => {
            tracing::error!(name = change.name, "a sidecar's key seals nothing");
            None
        }
    }
}
