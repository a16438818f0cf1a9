//! Who owns a function, and whose word counts when two think they do.
//!
//! The owner is the first live node in rendezvous order, so that when it dies every caller
//! knows the next without asking anybody, and only that node's functions move. Source of the
//! method: Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (1998),
//! highest random weight. Deliberately no election and no agreement: two owners at once are
//! possible, and [`Term`] lets hosts obey the later one.

use std::fmt;

use gateless_common::stable_hash;

use crate::name::{FunctionName, NodeId};

/// A node's weight for a function, the same on every machine and in every version: [`stable_hash`] over node, a zero
/// byte, namespace, `/` and name.
#[must_use]
pub fn weight(node: &NodeId, function: &FunctionName) -> u64 {
    let parts = [
        node.as_str(),
        "\0",
        function.namespace(),
        "/",
        function.name(),
    ];
    stable_hash(&parts.map(str::as_bytes))
}

/// Every node, the one to own the function first.
#[must_use]
pub fn order<'a>(
    function: &FunctionName,
    nodes: impl IntoIterator<Item = &'a NodeId>,
) -> Vec<NodeId> {
    let mut ranked: Vec<_> = nodes
        .into_iter()
        .map(|node| (rank(node, function), node))
        .collect();
    ranked.sort();
    ranked.into_iter().map(|(_, node)| node.clone()).collect()
}

/// The node to own the function.
#[must_use]
pub fn first<'a>(
    function: &FunctionName,
    nodes: impl IntoIterator<Item = &'a NodeId>,
) -> Option<&'a NodeId> {
    nodes.into_iter().min_by_key(|node| rank(node, function))
}

/// Whether `a` comes before `b`.
#[must_use]
pub fn precedes(function: &FunctionName, a: &NodeId, b: &NodeId) -> bool {
    rank(a, function) < rank(b, function)
}

/// Smaller is earlier. The id settles a tie, so that the order is total.
fn rank<'a>(node: &'a NodeId, function: &FunctionName) -> (std::cmp::Reverse<u64>, &'a NodeId) {
    (std::cmp::Reverse(weight(node, function)), node)
}

/// An owner's authority over one function; a host refuses one lower than it has obeyed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term {
    /// A new owner takes one more than it has seen; 0 is no term at all.
    pub number: u64,
    /// Settles it between two that took the same number.
    pub owner: NodeId,
}

impl Term {
    /// What `owner` takes after having seen this one.
    #[must_use]
    pub fn next(&self, owner: &NodeId) -> Self {
        Self {
            number: self.number.saturating_add(1),
            owner: owner.clone(),
        }
    }

    /// Whether no owner has ever taken it.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.number == 0
    }
}

impl Default for Term {
    /// Lower than any that was taken.
    fn default() -> Self {
        Self {
            number: 0,
            owner: NodeId::default(),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.number, self.owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: u32) -> Vec<NodeId> {
        (0..count)
            .map(|n| NodeId::new(&format!("{n:08x}")))
            .collect()
    }

    fn function(n: u32) -> FunctionName {
        FunctionName::new("default", &format!("fn-{n}")).unwrap()
    }

    #[test]
    fn order_does_not_depend_on_the_order_of_the_list() {
        let mut list = nodes(7);
        let expected = order(&function(3), &list);
        list.reverse();
        assert_eq!(order(&function(3), &list), expected);
        assert_eq!(first(&function(3), &list), expected.first());
        assert!(precedes(&function(3), &expected[0], &expected[1]));
    }

    #[test]
    fn a_death_moves_only_the_functions_of_the_dead() {
        let all = nodes(5);
        let left = &all[1..];
        for n in 0..500 {
            let before = first(&function(n), &all).unwrap();
            let after = first(&function(n), left).unwrap();
            if before == &all[0] {
                assert_eq!(after, &order(&function(n), &all)[1]);
            } else {
                assert_eq!(before, after);
            }
        }
    }

    #[test]
    fn functions_spread_evenly() {
        let all = nodes(5);
        let mut owned = [0_u32; 5];
        for n in 0..5000 {
            let owner = first(&function(n), &all).unwrap();
            owned[all.iter().position(|node| node == owner).unwrap()] += 1;
        }
        assert!(owned.iter().all(|n| (850..1150).contains(n)), "{owned:?}");
    }

    #[test]
    fn the_number_decides_and_then_the_owner() {
        let [a, b]: [NodeId; 2] = nodes(2).try_into().unwrap();
        let none = Term::default();
        assert!(none < none.next(&a) && none.is_none());
        assert!(none.next(&a) < none.next(&b));
        assert!(none.next(&b) < none.next(&b).next(&a));
    }
}
