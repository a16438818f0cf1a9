//! What several hosts decide alike without asking each other, held by fixed vectors.
//!
//! Sidecars of two versions run side by side while a cluster is updated. A change of a value here makes them disagree:
//! two owners of one function, a sticky caller on two revisions, a schedule fired twice. So a test that fails here asks
//! for another value's name and a way from the old to the new, not for another vector. The vectors were computed apart
//! from this code, from the definitions in the docs. What goes over the wire and to the disk is tested where it is
//! written.

use gateless_common::stable_hash;
use gateless_core::name::{FunctionName, NodeId};
use gateless_core::ownership::{self, Term};
use gateless_core::router::sticky_ticket;
use gateless_core::time::Time;
use gateless_core::trigger::{Cron, TriggerName};

fn nodes(ids: &[&str]) -> Vec<NodeId> {
    ids.iter().map(|id| NodeId::new(id)).collect()
}

#[test]
fn stable_hashes_are_what_they_were() {
    for (text, expected) in [
        ("", 0xf52a_15e9_a9b5_e89b_u64),
        ("a", 0x02c0_bdbf_4814_20f8_u64),
        ("gateless", 0xd6b3_a25e_79ee_f507_u64),
    ] {
        assert_eq!(stable_hash(&[text.as_bytes()]), expected, "{text:?}");
    }
}

#[test]
fn every_version_gives_a_function_the_same_owner() {
    let function = FunctionName::new("default", "fn-1").unwrap();
    let all = nodes(&["0000000a", "0000000b", "0000000c", "deadbeef"]);
    let weights: Vec<u64> = all
        .iter()
        .map(|node| ownership::weight(node, &function))
        .collect();
    let expected = [
        0x8153_a6de_84b8_fe8d,
        0x92dc_4947_30ab_b245,
        0x0741_3447_68fc_eaf3,
        0x898e_fced_0e65_fb82,
    ];
    assert_eq!(weights, expected);
    let order = nodes(&["0000000b", "deadbeef", "0000000a", "0000000c"]);
    assert_eq!(ownership::order(&function, &all), order);
}

#[test]
fn every_version_lets_the_same_sidecar_fire_a_schedule() {
    let trigger = TriggerName::new("ns", "nightly").unwrap();
    let all = nodes(&["0000000a", "0000000b", "0000000c", "deadbeef"]);
    let order = nodes(&["0000000a", "deadbeef", "0000000c", "0000000b"]);
    assert_eq!(ownership::order(trigger.key(), &all), order);
}

#[test]
fn every_version_knows_a_repeated_firing_by_its_key() {
    let at = Time::from_millis(1_764_331_200_000);
    assert_eq!(
        Cron::idempotency_key("0192-uid", at, None),
        "cron:0192-uid:1764331200"
    );
}

#[test]
fn every_version_keeps_a_sticky_caller_with_its_revision() {
    for (key, ticket, percent) in [
        ("user-1", 0xc499_b5f8_a721_df58_u64, 24),
        ("user-2", 0x4fb3_8f41_4590_a87b_u64, 95),
        ("session=4711", 0x4910_3ea4_091e_a8dc_u64, 32),
        ("", 0xf52a_15e9_a9b5_e89b_u64, 3),
    ] {
        assert_eq!(sticky_ticket(key.as_bytes()), ticket, "{key:?}");
        assert_eq!(ticket % 100, percent, "{key:?}");
    }
}

#[test]
fn every_version_obeys_the_same_of_two_owners() {
    let [a, b]: [NodeId; 2] = nodes(&["0000000a", "0000000b"]).try_into().unwrap();
    let term = |number, owner: &NodeId| Term {
        number,
        owner: owner.clone(),
    };
    assert!(term(1, &b) < term(2, &a) && term(2, &a) < term(2, &b));
    assert_eq!(Term::default().number, 0);
}
