//! On which hosts so many instances of a revision run.
//!
//! Level-triggered: given what every host has, says what every host should have. What runs
//! stays where it is; only the difference moves. Deliberately no rebalancing (an instance is
//! never moved to make things even) and no memory: the same input gives the same answer.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::name::NodeId;

/// A host as placement sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Which.
    pub node: NodeId,
    /// Instances it is willing to run.
    pub capacity: u32,
    /// Instances of every revision, this one included.
    pub instances: u32,
    /// Instances of this revision, ready, starting or told to start.
    pub of_revision: u32,
    /// It can't start one now: crash back-off, or it doesn't answer. What runs may stay.
    pub blocked: bool,
    /// Callers there wait for this revision, and would be spared the way to another host.
    pub demanding: bool,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// For every host given, the count it should have.
    pub per_host: BTreeMap<NodeId, u32>,
    /// What found no room.
    pub unplaced: u32,
}

/// Spreads `desired` instances over the hosts.
///
/// More: one by one to a host that isn't blocked and has room; the first of all preferably
/// where callers wait, every other where the fewest of this revision are, then where most room
/// is (as a share). Fewer: one by one from hosts above their capacity, then from where most of
/// this revision are, then from the fullest.
#[must_use]
pub fn place(desired: u32, hosts: &[Host]) -> Placement {
    let mut spots: Vec<Spot<'_>> = hosts.iter().map(Spot::new).collect();
    let mut placed: u32 = spots.iter().map(|spot| spot.count).sum();
    while placed < desired {
        let first = placed == 0;
        let best = spots
            .iter_mut()
            .filter(|spot| spot.has_room())
            .min_by_key(|spot| spot.cost(first));
        let Some(spot) = best else { break };
        spot.count += 1;
        spot.total += 1;
        placed += 1;
    }
    while placed > desired {
        let worst = spots
            .iter_mut()
            .filter(|spot| spot.count > 0)
            .max_by_key(|spot| spot.burden());
        let Some(spot) = worst else { break };
        spot.count -= 1;
        spot.total = spot.total.saturating_sub(1);
        placed -= 1;
    }
    Placement {
        per_host: spots
            .iter()
            .map(|spot| (spot.host.node.clone(), spot.count))
            .collect(),
        unplaced: desired.saturating_sub(placed),
    }
}

/// A host while its count is being changed.
struct Spot<'a> {
    host: &'a Host,
    count: u32,
    total: u32,
}

impl<'a> Spot<'a> {
    fn new(host: &'a Host) -> Self {
        Self {
            host,
            count: host.of_revision,
            total: host.instances.max(host.of_revision),
        }
    }

    fn has_room(&self) -> bool {
        !self.host.blocked && self.total < self.host.capacity
    }

    /// Parts of a million.
    fn fullness(&self) -> u64 {
        u64::from(self.total) * 1_000_000 / u64::from(self.host.capacity.max(1))
    }

    fn cost(&self, first: bool) -> impl Ord + use<'a> {
        let far = !self.host.demanding;
        (
            first && far,
            self.count,
            self.fullness(),
            far,
            &self.host.node,
        )
    }

    fn burden(&self) -> impl Ord + use<'a> {
        (
            self.total > self.host.capacity,
            self.count,
            self.fullness(),
            !self.host.demanding,
            Reverse(&self.host.node),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `(capacity, instances, of_revision)`
    fn hosts(list: &[(u32, u32, u32)]) -> Vec<Host> {
        let host = |(n, &(capacity, instances, of_revision))| Host {
            node: NodeId::new(&format!("{n:02}")),
            capacity,
            instances,
            of_revision,
            blocked: false,
            demanding: false,
        };
        list.iter().enumerate().map(host).collect()
    }

    fn check(desired: u32, hosts: &[Host], expected: &[u32], unplaced: u32) {
        let placement = place(desired, hosts);
        let counts: Vec<u32> = placement.per_host.into_values().collect();
        assert_eq!(
            (counts.as_slice(), placement.unplaced),
            (expected, unplaced)
        );
    }

    #[test]
    fn first_instance_goes_where_callers_wait_and_the_rest_spread() {
        let mut list = hosts(&[(10, 0, 0), (10, 3, 0), (10, 5, 0)]);
        list[2].demanding = true;
        check(1, &list, &[0, 0, 1], 0);
        check(2, &list, &[1, 0, 1], 0);
        check(3, &list, &[1, 1, 1], 0);
    }

    #[test]
    fn what_runs_stays_where_it_is() {
        check(5, &hosts(&[(10, 4, 4), (10, 0, 0)]), &[4, 1], 0);
        check(4, &hosts(&[(10, 4, 4), (10, 0, 0)]), &[4, 0], 0);
    }

    #[test]
    fn fewer_come_from_overfull_hosts_and_then_from_where_most_are() {
        check(2, &hosts(&[(10, 3, 3), (10, 1, 1)]), &[1, 1], 0);
        check(3, &hosts(&[(10, 3, 3), (1, 2, 1)]), &[3, 0], 0);
        check(0, &hosts(&[(10, 3, 3), (1, 2, 1)]), &[0, 0], 0);
    }

    #[test]
    fn blocked_hosts_keep_what_they_have_and_get_no_more() {
        let mut list = hosts(&[(10, 2, 2), (2, 0, 0)]);
        list[0].blocked = true;
        check(6, &list, &[2, 2], 2);
    }

    prop_compose! {
        fn any_host()(capacity in 0..20u32, others in 0..20u32, of_revision in 0..8u32,
                      blocked: bool, demanding: bool) -> Host {
            Host {
                node: NodeId::new(""),
                capacity,
                instances: others + of_revision,
                of_revision,
                blocked,
                demanding,
            }
        }
    }

    proptest! {
        #[test]
        fn placement_is_bounded_complete_and_stable(
            desired in 0..60u32,
            mut list in prop::collection::vec(any_host(), 0..6),
        ) {
            for (n, host) in list.iter_mut().enumerate() {
                host.node = NodeId::new(&format!("{n:02}"));
            }
            let before: u32 = list.iter().map(|host| host.of_revision).sum();
            let placement = place(desired, &list);
            let after: u32 = placement.per_host.values().sum();
            prop_assert_eq!(after + placement.unplaced, desired);
            let mut settled = list.clone();
            for host in &mut settled {
                let count = placement.per_host[&host.node];
                // Only one direction at a time, and never past capacity or a block.
                let more = count.cmp(&host.of_revision);
                prop_assert!(more.is_eq() || more == desired.cmp(&before));
                let others = host.instances - host.of_revision;
                if count > host.of_revision {
                    prop_assert!(!host.blocked && others + count <= host.capacity);
                }
                host.instances = others + count;
                host.of_revision = count;
                if placement.unplaced > 0 {
                    prop_assert!(host.blocked || host.instances >= host.capacity);
                }
            }
            // Carrying it out changes nothing more.
            prop_assert_eq!(place(desired, &settled), placement);
        }
    }
}
