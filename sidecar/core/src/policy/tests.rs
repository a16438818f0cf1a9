//! Every identity against every visibility.

use super::*;
use crate::config::Scaling;
use crate::fixture;

struct Call {
    function: Function,
    identity: Identity,
}

impl Subject for Call {
    fn function(&self) -> &Function {
        &self.function
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }
}

#[track_caller]
fn check(visibility: Visibility, identity: Identity, expected: Result<(), Refused>) {
    let function = Function {
        visibility,
        ..fixture::function("hello", Scaling::default())
    };
    let call = Call { function, identity };
    let admitted = Policy::default().admit(call, Time::ZERO);
    assert_eq!(admitted.map(|_| ()), expected);
}

#[test]
fn anyone_may_call_a_public_function() {
    for identity in [
        Identity::Anonymous,
        Identity::Function,
        Identity::Sidecar(None),
        Identity::Queue(Principal::Anonymous),
        Identity::Queue(Principal::Unknown),
        Identity::Trigger,
    ] {
        check(Visibility::Public, identity, Ok(()));
    }
}

#[test]
fn cluster_only_function_is_out_of_reach_from_outside_alone() {
    for outside in [Identity::Anonymous, Identity::Queue(Principal::Anonymous)] {
        check(Visibility::ClusterOnly, outside, Err(Refused::ClusterOnly));
    }
    for identity in [
        Identity::Function,
        Identity::Sidecar(Some(NodeId::new("a"))),
        Identity::Queue(Principal::Function),
        Identity::Queue(Principal::Unknown),
        Identity::Trigger,
    ] {
        check(Visibility::ClusterOnly, identity, Ok(()));
    }
}

#[test]
fn what_is_done_on_a_callers_behalf_has_that_callers_rights() {
    for identity in [Identity::Anonymous, Identity::Sidecar(None)] {
        assert_eq!(identity.principal().acts_as(), Identity::Anonymous);
        let kept = Identity::Queue(identity.principal());
        assert_eq!(kept.principal().acts_as(), Identity::Anonymous);
    }
    for identity in [Identity::Function, Identity::Trigger] {
        assert_eq!(identity.principal().acts_as(), identity);
    }
    assert_eq!(Principal::Unknown.acts_as(), Identity::Anonymous);
}
