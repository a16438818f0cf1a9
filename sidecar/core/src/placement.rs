//! On which hosts so many instances of a revision run.
//!
//! Level-triggered: given what every host has, says what every host should have. What runs
//! stays where it is; only the difference moves. The exception is a host with capacity 0, which
//! wants to be rid of its instances: others start as many first. Deliberately no rebalancing (an
//! instance is never moved to make things even) and no memory: the same input gives the same
//! answer.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::name::NodeId;

/// A host as placement sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its id in the cluster.
    pub node: NodeId,
    /// Instances of this revision it would have room for if it ran nothing else, by the part of its
    /// [`Resources`](crate::resources::Resources) that is scarcest; with 0 it gives up those it has, once others are
    /// ready.
    pub capacity: u32,
    /// What all its instances of every revision cost, this one included, in instances of this revision.
    pub instances: u32,
    /// Instances of this revision, ready, starting or told to start.
    pub of_revision: u32,
    /// Of those, taking calls.
    pub ready: u32,
    /// It can't start one now: crash back-off, or it doesn't answer. What runs may stay.
    pub blocked: bool,
    /// Callers there wait for this revision, and would be spared the way to another host.
    pub demanding: bool,
}

/// Where the instances are to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// For every host given, the count it should have.
    pub per_host: BTreeMap<NodeId, u32>,
    /// What found no room.
    pub unplaced: u32,
}

/// Spreads `desired` instances over the hosts.
///
/// A host with capacity 0 keeps only what has no ready instance elsewhere to take its place:
/// all it has while none is ready, and for good where no other host has room. So during a move
/// there are more than `desired`.
#[must_use]
pub fn place(desired: u32, hosts: &[Host]) -> Placement {
    let (leaving, staying): (Vec<_>, Vec<_>) = hosts.iter().partition(|host| host.capacity == 0);
    let mut placement = spread(desired, &staying);
    let count = |host: &Host| placement.per_host.get(&host.node).copied().unwrap_or(0);
    let ready: u32 = staying.iter().map(|host| host.ready.min(count(host))).sum();
    let mut keep = desired.saturating_sub(ready);
    for host in leaving {
        let kept = host.of_revision.min(keep);
        keep -= kept;
        placement.unplaced = placement.unplaced.saturating_sub(kept);
        placement.per_host.insert(host.node.clone(), kept);
    }
    placement
}

/// More: one by one to a host that isn't blocked and has room; the first of all preferably
/// where callers wait, every other where the fewest of this revision are, then where most room
/// is (as a share). Fewer: one by one from hosts above their capacity, then from where most of
/// this revision are, then from the fullest.
fn spread(desired: u32, hosts: &[&Host]) -> Placement {
    let mut spots: Vec<Spot<'_>> = hosts.iter().map(|host| Spot::new(host)).collect();
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
            ready: of_revision,
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

    /// `(capacity, of_revision, ready)`
    fn check_move(desired: u32, list: &[(u32, u32, u32)], expected: &[u32], unplaced: u32) {
        let counts: Vec<_> = list.iter().map(|&(c, n, _)| (c, n, n)).collect();
        let mut hosts = hosts(&counts);
        for (host, (.., ready)) in hosts.iter_mut().zip(list) {
            host.ready = *ready;
        }
        check(desired, &hosts, expected, unplaced);
    }

    #[test]
    fn a_host_is_left_once_others_are_ready() {
        // Others start as many, and only then does it give up its own, one for one.
        check_move(2, &[(0, 2, 2), (10, 0, 0)], &[2, 2], 0);
        check_move(2, &[(0, 2, 2), (10, 2, 0)], &[2, 2], 0);
        check_move(2, &[(0, 2, 2), (10, 2, 1)], &[1, 2], 0);
        check_move(2, &[(0, 2, 2), (10, 2, 2)], &[0, 2], 0);
        // What others have already counts.
        check_move(3, &[(0, 1, 1), (10, 2, 2)], &[1, 3], 0);
        check_move(2, &[(0, 1, 1), (10, 2, 2)], &[0, 2], 0);
        check_move(0, &[(0, 2, 2), (10, 0, 0)], &[0, 0], 0);
    }

    #[test]
    fn the_last_ones_stay_where_no_other_host_has_room() {
        check_move(3, &[(0, 3, 3), (1, 1, 1)], &[2, 1], 0);
        check_move(2, &[(0, 2, 2), (0, 0, 0)], &[2, 0], 0);
        check_move(3, &[(0, 1, 1), (0, 1, 1)], &[1, 1], 1);
    }

    prop_compose! {
        fn any_host()(capacity in 1..20u32, others in 0..20u32, of_revision in 0..8u32,
                      blocked: bool, demanding: bool) -> Host {
            Host {
                node: NodeId::new(""),
                capacity,
                instances: others + of_revision,
                of_revision,
                ready: of_revision,
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
                host.ready = count;
                if placement.unplaced > 0 {
                    prop_assert!(host.blocked || host.instances >= host.capacity);
                }
            }
            // Carrying it out changes nothing more.
            prop_assert_eq!(place(desired, &settled), placement);
        }

        #[test]
        fn a_move_never_leaves_fewer_ready_than_there_were_or_are_wanted(
            desired in 0..30u32,
            mut list in prop::collection::vec((any_host(), 0..8u32, any::<bool>()), 1..6),
        ) {
            for (n, (host, ready, leaves)) in list.iter_mut().enumerate() {
                host.node = NodeId::new(&format!("{n:02}"));
                host.ready = host.of_revision.min(*ready);
                if *leaves {
                    host.capacity = 0;
                    host.ready = host.of_revision;
                }
            }
            let hosts: Vec<_> = list.into_iter().map(|(host, ..)| host).collect();
            let before: u32 = hosts.iter().map(|host| host.ready).sum();
            let placement = place(desired, &hosts);
            let after: u32 = hosts.iter().map(|h| h.ready.min(placement.per_host[&h.node])).sum();
            // Fewer only where fewer are wanted, and those that are left may not be ready yet.
            let starting: u32 = hosts.iter().map(|h| h.of_revision - h.ready).sum();
            prop_assert!(after + starting >= before.min(desired));
            if !hosts.iter().any(|host| host.capacity > 0) {
                prop_assert!(after >= before.min(desired));
            }
        }
    }
}
