//! Messages as a released version sent them, read by this one: sidecars of two versions run side by side in an update.
//!
//! What is read must be written again to the byte: a field that was removed, renumbered or given another type is lost
//! or changed on the way. What is in `released/` stays; a release adds the frames of what it changed. Files on disk are
//! tested where they are read, those of a sidecar from `sidecar/tests/released`, the catalogue's from `server/tests/fixtures`;
//! values that hosts must agree on in `sidecar/core/tests/version_skew.rs`.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use gateless_proto::v1;
use prost::Message;

/// The message as it was when it was kept.
#[track_caller]
fn kept<M: Message + Default>(name: &str) -> M {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/released");
    let bytes = std::fs::read(folder.join(name).with_extension("bin")).unwrap();
    let message = M::decode(&*bytes).unwrap();
    assert_eq!(message.encode_to_vec(), bytes, "{name} is not what it was");
    message
}

fn term() -> v1::Term {
    v1::Term {
        number: 7,
        owner: "0000000b".to_owned(),
    }
}

#[test]
fn a_function_of_a_released_server_is_read() {
    let message = kept::<v1::Resource>("function");
    let Some(v1::resource::Kind::Function(function)) = message.kind else {
        unreachable!("{message:?}")
    };
    let revision = &function.revisions[0];
    let runtime = revision.runtime.as_ref().unwrap().kind.as_ref();
    let Some(v1::runtime::Kind::Process(process)) = runtime else {
        unreachable!("{runtime:?}")
    };
    assert_eq!(process.command, ["serve", "--port"]);
    assert_eq!(revision.env["A"], "b");
    assert_eq!(revision.secrets[0].secret, "s");
    assert_eq!(revision.limits.as_ref().unwrap().timeout_ms, 300_000);
    assert_eq!(revision.scaling.as_ref().unwrap().target, 100.0);
    assert_eq!(function.traffic[0].tag, "stable");
}

#[test]
fn a_secret_of_a_released_server_is_read() {
    let message = kept::<v1::Resource>("secret");
    let Some(v1::resource::Kind::Secret(secret)) = message.kind else {
        unreachable!("{message:?}")
    };
    assert_eq!(
        (secret.data["k"].as_slice(), secret.generation),
        (&b"v"[..], 3)
    );
}

#[test]
fn what_a_released_sidecar_tells_an_owner_is_read() {
    let message = kept::<v1::LinkUp>("instances");
    let Some(v1::link_up::Kind::Instances(instances)) = message.kind else {
        unreachable!("{message:?}")
    };
    assert_eq!((instances.ready, instances.host_capacity), (2, 10));
    assert_eq!(instances.term, Some(term()));
}

#[test]
fn what_a_released_owner_tells_hosts_and_callers_is_read() {
    let assignment = kept::<v1::LinkDown>("assignment");
    let Some(v1::link_down::Kind::Assignment(assignment)) = assignment.kind else {
        unreachable!("{assignment:?}")
    };
    assert_eq!((assignment.desired, assignment.term), (3, Some(term())));
    let endpoints = kept::<v1::LinkDown>("endpoints");
    let Some(v1::link_down::Kind::Endpoints(endpoints)) = endpoints.kind else {
        unreachable!("{endpoints:?}")
    };
    assert_eq!(endpoints.hosts[0].ready, 2);
    assert_eq!((endpoints.desired, endpoints.sequence), (3, 9));
}

#[test]
fn a_call_that_a_released_sidecar_forwards_to_its_keys_home_is_read() {
    let request = kept::<v1::AcceptCallsRequest>("accept-calls");
    let call = &request.calls[0];
    assert_eq!(request.home, b"default\0hello\0key:ann\0k1");
    assert_eq!(request.passed, ["0000000b"]);
    assert_eq!((&*call.path, &*call.body), ("/work?x=1", &b"body"[..]));
    assert_eq!((&*call.idempotency_key, call.digest[31]), ("k1", 31));
    assert_eq!((call.maker, &*call.caller_key), (1, "ann"));
    assert_eq!(
        (&*call.source, &*call.callback_url),
        ("192.0.2.1", "/function/other")
    );
}

#[test]
fn what_a_released_sidecar_knows_of_keys_is_read() {
    let known = kept::<v1::FindKeysResponse>("known-calls");
    let [call, none] = &known.calls[..] else {
        unreachable!("{known:?}")
    };
    assert_eq!(call.id, "0190f5f0c0de7000800000000000abcd-0badcafe");
    assert_eq!(
        (call.begun, call.digest[31], call.token.len()),
        (true, 31, 48)
    );
    assert_eq!(none.id, "");
}

#[test]
fn what_a_released_server_says_is_trusted_is_read() {
    let signed = kept::<v1::SignedTrust>("trust");
    assert_eq!(signed.signatures[0].authority, [7; 32]);
    let trust = v1::Trust::decode(&*signed.trust).unwrap();
    assert_eq!(trust.encode_to_vec(), signed.trust);
    assert_eq!(trust.trust_domain, "test.example");
    assert_eq!(trust.authorities.len(), 1);
    assert_eq!(trust.revoked[0].node_id, "0badcafe");
    assert_eq!(trust.revoked[0].until_ms, 1_763_999_999_000);
    assert_eq!(
        (trust.gossip_keys[0].id, trust.gossip_keys[0].key[31]),
        (7, 31)
    );
    assert_eq!(trust.grace_ms, 604_800_000);
}
