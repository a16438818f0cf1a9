//! Where an idempotency key is at home, and which of two calls of one key yields.
//!
//! A key belongs to a function and a caller. Its home is the first live sidecar in rendezvous order of what it is chosen by,
//! as an owner is of a function; while that one is silent the next in order takes its calls. Whoever takes a call asks the next
//! in order first, since one of them was the home before a sidecar joined, or while one was away. Deliberately no agreement:
//! what is exact and what is not is in docs/adr/0016.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gateless_common::stable_hash;

use crate::name::{FunctionName, NodeId};
use crate::policy::{Maker, Principal};
use crate::time::Time;

/// Sidecars that are passed over before a call is taken where it came in.
pub const MAX_PASSED: usize = 2;
/// Sidecars that are asked whether they know a key.
pub const MAX_ASKED: usize = 2;

/// So long a sidecar that left is missed as the home of its keys: callers repeat a call sooner than that, or not at all.
pub const MISSED_FOR: Duration = Duration::from_secs(3_600);
/// Sidecars that left and are missed; beyond it the one that left first is not.
pub const MAX_MISSED: usize = 256;

/// Who used a key: callers with different scopes use different keys.
///
/// One that proved a key of the function is its name. Of others no more is known than where they came in.
#[must_use]
pub fn scope(principal: &Principal) -> String {
    match (&principal.key, &principal.maker) {
        (Some(key), _) => format!("key:{key}"),
        (None, Maker::Unknown) => "unknown".to_owned(),
        (None, Maker::Anonymous) => "anonymous".to_owned(),
        (None, Maker::Function(_)) => "function".to_owned(),
        (None, Maker::Trigger) => "trigger".to_owned(),
    }
}

/// What the home of a caller's key is chosen by.
#[must_use]
pub fn home(function: &FunctionName, scope: &str, key: &str) -> Vec<u8> {
    let parts = [function.namespace(), function.name(), scope, key];
    parts.join("\0").into_bytes()
}

/// Every sidecar, the home first: [`stable_hash`] over node, a zero byte and what the home is chosen by.
#[must_use]
pub fn order<'a>(home: &[u8], nodes: impl IntoIterator<Item = &'a NodeId>) -> Vec<NodeId> {
    let ranked = nodes.into_iter();
    let mut ranked: Vec<_> = ranked.map(|node| (rank(home, node), node)).collect();
    ranked.sort();
    ranked.into_iter().map(|(_, node)| node.clone()).collect()
}

/// The lowest is first in order.
fn rank(home: &[u8], node: &NodeId) -> Reverse<u64> {
    Reverse(stable_hash(&[node.as_str().as_bytes(), b"\0", home]))
}

/// The sidecars that were seen to leave: what they know of keys can be asked of nobody.
#[derive(Debug, Default)]
pub struct Missed {
    live: BTreeSet<NodeId>,
    left: BTreeMap<NodeId, Time>,
}

impl Missed {
    /// These live, `now`.
    pub fn look(&mut self, live: impl IntoIterator<Item = NodeId>, now: Time) {
        let live: BTreeSet<NodeId> = live.into_iter().collect();
        for gone in self.live.difference(&live) {
            self.left.insert(gone.clone(), now);
        }
        self.left
            .retain(|node, since| !live.contains(node) && now.since(*since) < MISSED_FOR);
        while self.left.len() > MAX_MISSED {
            let first = self.left.iter().min_by_key(|(_, since)| **since);
            let Some(first) = first.map(|(node, _)| node.clone()) else {
                break;
            };
            self.left.remove(&first);
        }
        self.live = live;
    }

    /// Whether one of them comes before `this` in order, so that it may have taken a call that `this` takes now.
    #[must_use]
    pub fn is_ahead(&self, home: &[u8], this: &NodeId) -> bool {
        let own = (rank(home, this), this);
        self.left.keys().any(|node| (rank(home, node), node) < own)
    }
}

/// Where a call with a key goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It is taken here.
    Here,
    /// It is for another sidecar.
    Forward(NodeId),
}

/// Where a call goes that came in at `this`, after `passed` did not answer.
#[must_use]
pub fn next(order: &[NodeId], this: &NodeId, passed: &[NodeId]) -> Next {
    if passed.len() >= MAX_PASSED {
        return Next::Here;
    }
    let first = order.iter().find(|node| !passed.contains(node));
    match first {
        Some(node) if node != this => Next::Forward(node.clone()),
        _ => Next::Here,
    }
}

/// Whom `this` asks before it takes a call: who comes next in order, without those that did not answer.
#[must_use]
pub fn to_ask(order: &[NodeId], this: &NodeId, passed: &[NodeId]) -> Vec<NodeId> {
    let others = order.iter().filter(|node| *node != this);
    let others = others.filter(|node| !passed.contains(node));
    others.take(MAX_ASKED).cloned().collect()
}

/// One of two calls of the same key and body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing<'a> {
    /// Its id, which begins with the time it was made.
    pub id: &'a str,
    /// A function may have seen it, or it is over.
    pub begun: bool,
}

/// Whether the call `ours` yields to `theirs`, which another sidecar took while this one was away. Of two that were not
/// begun the later one stays, whoever asks, so that never both yield.
#[must_use]
pub fn yields(ours: Standing<'_>, theirs: Standing<'_>) -> bool {
    !ours.begun && (theirs.begun || theirs.id > ours.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: u32) -> Vec<NodeId> {
        let node = |n| NodeId::new(&format!("{n:08x}"));
        (0..count).map(node).collect()
    }

    fn key(n: u32) -> Vec<u8> {
        let function = FunctionName::new("default", "hello").unwrap();
        home(&function, "anonymous", &n.to_string())
    }

    #[test]
    fn who_left_is_missed_where_it_was_first_until_it_is_back_or_long_gone() {
        let all = nodes(4);
        let home = key(1);
        let order = order(&home, &all);
        let mut missed = Missed::default();
        let (start, hour) = (Time::from_millis(0), MISSED_FOR);
        let without = |gone: &NodeId| {
            let gone = gone.clone();
            all.clone().into_iter().filter(move |node| *node != gone)
        };
        missed.look(all.clone(), start);
        assert!(order.iter().all(|node| !missed.is_ahead(&home, node)));
        // Seen twice without it, it left the first time.
        missed.look(without(&order[1]), start);
        missed.look(without(&order[1]), start + hour / 2);
        let found: Vec<bool> = order
            .iter()
            .map(|node| missed.is_ahead(&home, node))
            .collect();
        assert_eq!(found, [false, false, true, true]);
        missed.look(without(&order[1]), start + hour);
        assert!(!missed.is_ahead(&home, &order[3]));
        // Back, and gone again.
        missed.look(all.clone(), start + hour);
        missed.look(without(&order[0]), start + hour * 2);
        assert!(missed.is_ahead(&home, &order[1]));
        missed.look(all.clone(), start + hour * 2);
        assert!(!missed.is_ahead(&home, &order[1]));
    }

    #[test]
    fn no_more_are_missed_than_may_be() {
        let mut missed = Missed::default();
        let all = nodes(u32::try_from(MAX_MISSED).unwrap() + 2);
        missed.look(all.clone(), Time::from_millis(0));
        missed.look(all[1..].to_vec(), Time::from_millis(1));
        missed.look([], Time::from_millis(2));
        assert_eq!(missed.left.len(), MAX_MISSED);
        assert!(!missed.left.contains_key(&all[0]));
    }

    #[test]
    fn order_is_the_same_everywhere_and_spreads_keys() {
        let all = nodes(5);
        let mut homes = [0_u32; 5];
        for n in 0..5000 {
            let mut reversed = all.clone();
            reversed.reverse();
            let found = order(&key(n), &all);
            assert_eq!(found, order(&key(n), &reversed));
            homes[all.iter().position(|node| *node == found[0]).unwrap()] += 1;
        }
        assert!(homes.iter().all(|n| (850..1150).contains(n)), "{homes:?}");
        // What hosts of every version must agree on.
        let first = order(&key(1), &all).remove(0);
        assert_eq!(first.as_str(), "00000002");
    }

    #[test]
    fn a_caller_has_keys_of_its_own() {
        let of = |maker, key: Option<&str>| {
            scope(&Principal {
                maker,
                key: key.map(Into::into),
                source: Some("192.0.2.1".parse().unwrap()),
            })
        };
        let mut scopes = vec![
            of(Maker::Unknown, None),
            of(Maker::Anonymous, None),
            of(Maker::Function(None), None),
            of(Maker::Trigger, None),
            of(Maker::Anonymous, Some("ann")),
            of(Maker::Anonymous, Some("bob")),
        ];
        // Whoever has the key is the same caller, wherever it calls from.
        assert_eq!(scopes[4], of(Maker::Function(None), Some("ann")));
        scopes.sort();
        scopes.dedup();
        assert_eq!(scopes.len(), 6);
    }

    #[test]
    fn a_silent_home_is_passed_over_and_the_old_home_is_asked() {
        let all = nodes(4);
        let order = order(&key(7), &all);
        let [first, second, third, fourth] = &order[..] else {
            unreachable!()
        };
        let forward = |node: &NodeId| Next::Forward(node.clone());
        assert_eq!(next(&order, fourth, &[]), forward(first));
        assert_eq!(next(&order, first, &[]), Next::Here);
        let passed = [first.clone()];
        assert_eq!(next(&order, fourth, &passed), forward(second));
        assert_eq!(next(&order, second, &passed), Next::Here);
        let passed = [first.clone(), second.clone()];
        assert_eq!(next(&order, fourth, &passed), Next::Here);
        assert_eq!(next(&[], fourth, &[]), Next::Here);
        // Before `first` joined, `second` was the home; while it was away, too.
        assert_eq!(to_ask(&order, first, &[]), [second.clone(), third.clone()]);
        let asked = to_ask(&order, second, std::slice::from_ref(first));
        assert_eq!(asked, [third.clone(), fourth.clone()]);
        assert!(to_ask(&order[..1], first, &[]).is_empty());
    }

    #[test]
    fn of_two_calls_one_stays_whoever_asks() {
        for (a_begun, b_begun) in [(false, false), (false, true), (true, false), (true, true)] {
            let a = Standing {
                id: "a",
                begun: a_begun,
            };
            let b = Standing {
                id: "b",
                begun: b_begun,
            };
            assert!(!(yields(a, b) && yields(b, a)), "{a:?} {b:?}");
            // What a function may have seen is not taken back; all else gives way to it.
            assert_eq!(yields(a, b), !a_begun);
            assert_eq!(yields(b, a), !b_begun && a_begun);
        }
    }
}
