//! Every identity against every visibility, and the limits against who is counted.

use std::cell::RefCell;
use std::time::Duration;

use super::*;
use crate::access::{Access, Issuer};
use crate::allow::Allowed;
use crate::config::Scaling;
use crate::fixture;
use crate::limit::Rate;

struct Call<'a> {
    function: Function,
    identity: Identity,
    client: Option<IpAddr>,
    proof: Option<Proof>,
    buckets: Option<&'a RefCell<Buckets>>,
}

impl Subject for Call<'_> {
    fn function(&self) -> &Function {
        &self.function
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn source(&self) -> Option<IpAddr> {
        self.client
    }

    fn proof(&self) -> Option<&Proof> {
        self.proof.as_ref()
    }

    fn buckets<T>(&self, take: impl FnOnce(&mut Buckets) -> T) -> Option<T> {
        self.buckets.map(|buckets| take(&mut buckets.borrow_mut()))
    }
}

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn every_identity() -> Vec<Identity> {
    vec![
        Identity::Anonymous,
        Identity::Function(None),
        Identity::Sidecar(None),
        Identity::Sidecar(Some(NodeId::new("a"))),
        Identity::Queue(Maker::Anonymous),
        Identity::Queue(Maker::Function(None)),
        Identity::Queue(Maker::Trigger),
        Identity::Queue(Maker::Unknown),
        Identity::Trigger,
    ]
}

#[track_caller]
fn check(visibility: Visibility, identity: Identity, expected: Result<(), Refused>) {
    let function = Function {
        visibility,
        ..fixture::function("hello", Scaling::default())
    };
    let call = Call {
        function,
        identity,
        client: None,
        proof: None,
        buckets: None,
    };
    let admitted = Policy::default().admit(call, Time::ZERO);
    assert_eq!(admitted.map(|_| ()), expected);
}

#[test]
fn anyone_may_call_a_public_function() {
    for identity in every_identity() {
        check(Visibility::Public, identity, Ok(()));
    }
}

#[test]
fn cluster_only_function_is_out_of_reach_from_outside_alone() {
    for outside in [Identity::Anonymous, Identity::Queue(Maker::Anonymous)] {
        check(Visibility::ClusterOnly, outside, Err(Refused::ClusterOnly));
    }
    for identity in [
        Identity::Function(None),
        Identity::Sidecar(Some(NodeId::new("a"))),
        Identity::Queue(Maker::Function(None)),
        Identity::Queue(Maker::Unknown),
        Identity::Trigger,
    ] {
        check(Visibility::ClusterOnly, identity, Ok(()));
    }
}

#[test]
fn what_is_done_on_a_callers_behalf_has_that_callers_rights() {
    for identity in [Identity::Anonymous, Identity::Sidecar(None)] {
        assert_eq!(identity.maker().acts_as(), Identity::Anonymous);
        let kept = Identity::Queue(identity.maker());
        assert_eq!(kept.maker().acts_as(), Identity::Anonymous);
    }
    for identity in [Identity::Function(None), Identity::Trigger] {
        assert_eq!(identity.maker().acts_as(), identity);
    }
    assert_eq!(Maker::Unknown.acts_as(), Identity::Anonymous);
}

#[test]
fn call_from_outside_comes_from_a_network_that_is_allowed() {
    for identity in every_identity() {
        let call = |network: &str, client: Option<IpAddr>| {
            let access = Access {
                networks: vec![network.parse().unwrap()],
                ..Access::default()
            };
            let function = Function {
                access,
                ..fixture::function("hello", Scaling::default())
            };
            let call = Call {
                function,
                identity: identity.clone(),
                client,
                proof: None,
                buckets: None,
            };
            Policy::default().admit(call, Time::ZERO).map(|_| ())
        };
        assert_eq!(call("192.0.2.0/24", Some(CLIENT)), Ok(()));
        let (elsewhere, unknown) = match identity {
            Identity::Anonymous => (Err(Refused::Network(CLIENT)), Err(Refused::NoNetwork)),
            // Queued by a version that did not write down where it came from.
            Identity::Queue(Maker::Anonymous) => (Err(Refused::Network(CLIENT)), Ok(())),
            _ => (Ok(()), Ok(())),
        };
        let called = call("198.51.100.0/24", Some(CLIENT));
        assert_eq!(called, elsewhere, "{identity:?}");
        assert_eq!(call("198.51.100.0/24", None), unknown, "{identity:?}");
    }
}

#[test]
fn call_is_counted_where_it_comes_in_and_nowhere_else() {
    for identity in every_identity() {
        let rate = Rate::new(1.0, 1);
        let buckets = RefCell::new(Buckets::new(None, rate).unwrap());
        let call = || Call {
            function: fixture::function("hello", Scaling::default()),
            identity: identity.clone(),
            client: Some(CLIENT),
            proof: None,
            buckets: Some(&buckets),
        };
        let policy = Policy::default();
        let now = Time::from_millis(1);
        let first = policy.admit(call(), now).unwrap();
        // Asked again, while it waits, it is not counted again.
        policy.check(first.get()).unwrap();
        let second = policy.admit(call(), now);
        match identity {
            Identity::Anonymous | Identity::Function(_) => {
                assert_eq!(first.left().unwrap().calls, 0);
                let refused = Refused::Rate(Left {
                    limit: 1,
                    calls: 0,
                    window: Duration::from_secs(1),
                    reset: Duration::from_secs(1),
                });
                assert_eq!(second.map(|_| ()), Err(refused));
            }
            _ => assert!(second.unwrap().left().is_none(), "{identity:?}"),
        }
    }
}

#[test]
fn function_with_keys_is_called_by_who_proved_one() {
    for identity in every_identity() {
        let call = |proof: Option<&str>| {
            let access = Access {
                auth: Auth::Key(Vec::new()),
                ..Access::default()
            };
            let function = Function {
                access,
                ..fixture::function("hello", Scaling::default())
            };
            let call = Call {
                function,
                identity: identity.clone(),
                client: Some(CLIENT),
                proof: proof.map(|key| Proof {
                    key: key.into(),
                    digest: None,
                }),
                buckets: None,
            };
            Policy::default().admit(call, Time::ZERO).map(|_| ())
        };
        assert_eq!(call(Some("ann")), Ok(()), "{identity:?}");
        let expected = match identity {
            Identity::Trigger | Identity::Sidecar(_) | Identity::Queue(Maker::Trigger) => Ok(()),
            _ => Err(Refused::Unproven),
        };
        assert_eq!(call(None), expected, "{identity:?}");
    }
}

#[test]
fn callers_with_keys_are_counted_by_key_and_not_by_address() {
    let buckets = RefCell::new(Buckets::new(None, Rate::new(1.0, 1)).unwrap());
    let call = |key: &str, client: [u8; 4]| Call {
        function: fixture::function("hello", Scaling::default()),
        identity: Identity::Anonymous,
        client: Some(client.into()),
        proof: Some(Proof {
            key: key.into(),
            digest: None,
        }),
        buckets: Some(&buckets),
    };
    let policy = Policy::default();
    let passes = |key, client| policy.admit(call(key, client), Time::ZERO).is_ok();
    assert!(passes("ann", [192, 0, 2, 1]));
    assert!(passes("bob", [192, 0, 2, 1]));
    assert!(!passes("ann", [192, 0, 2, 2]));
}

#[test]
fn what_a_key_opened_ends_with_the_key_and_what_a_token_opened_with_its_issuer() {
    let key = |name: &str, digest, expires_at_ms| Key {
        name: name.into(),
        digest: [digest; 32],
        expires_at_ms,
    };
    let of = |key: &str, digest: Option<u8>| Proof {
        key: key.into(),
        digest: digest.map(|digest| [digest; 32]),
    };
    let check = |auth: &Auth, proof: &Proof, expected| {
        assert_eq!(proof.validity(auth, 100), expected, "{proof:?}");
    };
    let keys = Auth::Key(vec![key("ann", 1, None), key("bob", 2, Some(101))]);
    check(&keys, &of("ann", Some(1)), Validity::Valid);
    check(&keys, &of("bob", Some(2)), Validity::Until(101));
    check(&keys, &of("eve", Some(3)), Validity::Ended);
    // Another key of the same name is another key.
    check(&keys, &of("ann", Some(4)), Validity::Ended);
    check(&keys, &of("ann", None), Validity::Valid);
    let expired = Auth::Key(vec![key("bob", 2, Some(100))]);
    check(&expired, &of("bob", Some(2)), Validity::Ended);
    check(&Auth::None, &of("ann", Some(1)), Validity::Valid);

    let issuer = |name: &str| {
        Auth::Jwt(Arc::new(Issuer {
            issuer: name.into(),
            jwks_uri: None,
            audiences: Vec::new(),
            claims: Vec::new(),
            forwarded_claims: Vec::new(),
            forward_token: false,
        }))
    };
    let token = of("https://a.example ann", None);
    check(&issuer("https://a.example"), &token, Validity::Valid);
    check(&issuer("https://b.example"), &token, Validity::Ended);
    check(&keys, &token, Validity::Ended);
}

#[test]
fn function_for_some_functions_is_called_by_these_and_by_none_that_is_not_known() {
    let name = |text: &str| text.parse::<FunctionName>().unwrap();
    let check = |identity: Identity, expected: Result<(), Refused>| {
        let access = Access {
            allow: vec![
                Allowed::parse("orders", "shop").unwrap(),
                Allowed::parse("*.billing", "shop").unwrap(),
            ],
            ..Access::default()
        };
        let function = Function {
            access,
            visibility: Visibility::ClusterOnly,
            ..fixture::function("hello", Scaling::default())
        };
        let call = Call {
            function,
            identity: identity.clone(),
            client: None,
            proof: None,
            buckets: None,
        };
        let admitted = Policy::default().admit(call, Time::ZERO).map(|_| ());
        assert_eq!(admitted, expected, "{identity:?}");
    };
    let refused = |text| Err(Refused::Function(name(text)));
    for (caller, expected) in [
        ("shop/orders", Ok(())),
        ("billing/any", Ok(())),
        ("billing/orders", Ok(())),
        ("default/orders", refused("default/orders")),
        ("shop/orders-2", refused("shop/orders-2")),
    ] {
        check(Identity::Function(Some(name(caller))), expected.clone());
        // It is the same for a call of it that waited in the queue.
        check(
            Identity::Queue(Maker::Function(Some(name(caller)))),
            expected,
        );
    }
    check(Identity::Function(None), Err(Refused::UnknownFunction));
    check(
        Identity::Queue(Maker::Function(None)),
        Err(Refused::UnknownFunction),
    );
    check(Identity::Anonymous, Err(Refused::ClusterOnly));
    // Whoever wrote the trigger, and the sidecar that the call came to, have said so.
    check(Identity::Trigger, Ok(()));
    check(Identity::Sidecar(None), Ok(()));
}

#[test]
fn known_functions_are_counted_each_for_itself() {
    let buckets = RefCell::new(Buckets::new(None, Rate::new(1.0, 1)).unwrap());
    let call = |caller: &str| Call {
        function: fixture::function("hello", Scaling::default()),
        identity: Identity::Function(Some(caller.parse().unwrap())),
        client: Some(CLIENT),
        proof: None,
        buckets: Some(&buckets),
    };
    let policy = Policy::default();
    let passes = |caller| policy.admit(call(caller), Time::ZERO).is_ok();
    assert!(passes("shop/orders"));
    assert!(passes("shop/billing"));
    assert!(!passes("shop/orders"));
}
