//! Records that come to the queue without a connection of their caller's: from triggers, and from sidecars that admitted them.
//!
//! They pass the same policy as any call; who makes them is said by whoever brings them.

use std::net::IpAddr;

use gateless_core::config::Function;
use gateless_core::limit::Buckets;
use gateless_core::policy::{Admitted, Identity, Policy, Proof, Refused, Subject};

use crate::clock;

/// What the policy judges: something that is for a function, and who makes it.
struct Made<'a, T> {
    function: &'a Function,
    what: T,
    identity: Identity,
    source: Option<IpAddr>,
}

impl<T> Subject for Made<'_, T> {
    fn function(&self) -> &Function {
        self.function
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn source(&self) -> Option<IpAddr> {
        self.source
    }

    fn proof(&self) -> Option<&Proof> {
        None
    }

    /// What an operator wrote down, or was counted where it came in, is not counted.
    fn buckets<T2>(&self, _: impl FnOnce(&mut Buckets) -> T2) -> Option<T2> {
        None
    }
}

/// Lets a record through the policy.
///
/// # Errors
/// Which rule refused it.
pub fn admit<T>(
    policy: &Policy,
    function: &Function,
    what: T,
    identity: Identity,
) -> Result<Admitted<T>, Refused> {
    let made = Made {
        function,
        what,
        identity,
        source: None,
    };
    Ok(policy.admit(made, clock::now())?.map(|made| made.what))
}

/// Whether somebody could call the function as they are, without a key.
#[must_use]
pub fn may_call(
    policy: &Policy,
    function: &Function,
    identity: Identity,
    source: Option<IpAddr>,
) -> bool {
    let made = Made {
        function,
        what: (),
        identity,
        source,
    };
    policy.check(&made).is_ok()
}
