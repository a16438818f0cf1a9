//! What an instance costs its host, and how many of a kind a host has room for.
//!
//! A driver says the cost of a revision, since it alone knows what an instance is: a process, a pod, a component.
//! Deliberately no measuring: these are reservations, known before the first start.

use std::fmt::Debug;

use crate::config::{Revision, Runtime};

/// Loaded components a host runs for each process it could run: one is a small struct beside
/// code that is shared and evicted, the other a program with memory of its own.
pub const COMPONENTS_PER_PROCESS: u32 = 128;

/// Parts of a host: what it has, what is taken, or what one instance takes. A cost of 0 reserves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resources {
    /// Thousandths of a CPU; [`u64::MAX`]: not bounded.
    pub cpu_millicores: u64,
    /// Bytes of memory; [`u64::MAX`]: not bounded.
    pub memory_bytes: u64,
    /// Instances that are programs of their own: processes, containers, pods.
    pub slots: u64,
    /// Components loaded into the sidecar's own engine.
    pub components: u64,
    /// Instances that need a container engine; a host without one has none.
    pub containers: u64,
}

/// A host's room, counted in instances of one revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// As many as the host's instances of every revision amount to.
    pub taken: u32,
    /// As many as the host would have room for with nothing else on it.
    pub capacity: u32,
}

impl Room {
    /// How many more can be started.
    #[must_use]
    pub const fn free(self) -> u32 {
        self.capacity.saturating_sub(self.taken)
    }
}

impl Resources {
    /// One program of its own, with no reservation of CPU or memory.
    pub const SLOT: Self = Self {
        cpu_millicores: 0,
        memory_bytes: 0,
        slots: 1,
        components: 0,
        containers: 0,
    };

    /// One loaded component.
    pub const COMPONENT: Self = Self {
        slots: 0,
        components: 1,
        ..Self::SLOT
    };

    /// One program of its own that a container engine runs.
    pub const CONTAINER: Self = Self {
        containers: 1,
        ..Self::SLOT
    };

    /// A host that is bounded only by how many instances it may run. It has no container engine.
    #[must_use]
    pub const fn of_host(instances: u32) -> Self {
        Self {
            cpu_millicores: u64::MAX,
            memory_bytes: u64::MAX,
            slots: instances as u64,
            components: instances as u64 * COMPONENTS_PER_PROCESS as u64,
            containers: 0,
        }
    }

    /// The same host with a container engine.
    #[must_use]
    pub const fn with_container_engine(self) -> Self {
        Self {
            containers: self.slots,
            ..self
        }
    }

    const fn parts(self) -> [u64; 5] {
        let Self {
            cpu_millicores,
            memory_bytes,
            slots,
            components,
            containers,
        } = self;
        [cpu_millicores, memory_bytes, slots, components, containers]
    }

    fn combine(self, other: Self, with: fn(u64, u64) -> u64) -> Self {
        Self {
            cpu_millicores: with(self.cpu_millicores, other.cpu_millicores),
            memory_bytes: with(self.memory_bytes, other.memory_bytes),
            slots: with(self.slots, other.slots),
            components: with(self.components, other.components),
            containers: with(self.containers, other.containers),
        }
    }

    /// What both take together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.combine(other, u64::saturating_add)
    }

    /// What is left without the other; never below 0.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.combine(other, u64::saturating_sub)
    }

    /// The room of a host that has this, of which `used` is taken, in instances of `cost` each: that of the part
    /// which is scarcest. An instance that costs nothing always fits.
    #[must_use]
    pub fn room(self, used: Self, cost: Self) -> Room {
        let count = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let all = self.parts().into_iter().zip(used.parts()).zip(cost.parts());
        let bounded = all.filter(|((has, _), each)| *each > 0 && *has < u64::MAX);
        let rooms = bounded.map(|((has, used), each)| Room {
            taken: count(used.div_ceil(each)),
            capacity: count(has / each),
        });
        let scarcest = rooms.min_by_key(|room| (room.free(), room.capacity));
        scarcest.unwrap_or(Room {
            taken: 0,
            capacity: u32::MAX,
        })
    }
}

/// Says what an instance of a revision costs: the drivers do, by its kind. The same revision always costs the same.
pub trait Costs: Debug + Send + Sync {
    /// What one instance of the revision takes from its host for as long as it is there.
    fn cost(&self, revision: &Revision) -> Resources;
}

/// The cost by kind alone: a slot for a program, a place in the engine for a component.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByKind;

impl Costs for ByKind {
    fn cost(&self, revision: &Revision) -> Resources {
        match revision.runtime {
            Runtime::Process(_) => Resources::SLOT,
            Runtime::Wasm(_) => Resources::COMPONENT,
            Runtime::Container(_) => Resources::CONTAINER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOST: Resources = Resources {
        cpu_millicores: 4_000,
        memory_bytes: 1_000,
        slots: 10,
        components: 1_280,
        containers: 0,
    };

    #[track_caller]
    fn check(used: Resources, cost: Resources, taken: u32, capacity: u32) {
        assert_eq!(HOST.room(used, cost), Room { taken, capacity });
    }

    #[test]
    fn the_scarcest_part_decides() {
        let none = Resources::default();
        check(none, Resources::SLOT, 0, 10);
        check(none, Resources::COMPONENT, 0, 1_280);
        // Slots alone run no container.
        check(none, Resources::CONTAINER, 0, 0);
        let large = Resources {
            memory_bytes: 300,
            cpu_millicores: 500,
            ..Resources::SLOT
        };
        check(none, large, 0, 3);
        check(large, large, 1, 3);
        // What others took is counted in instances of this one, rounded up.
        check(large, Resources::SLOT, 1, 10);
        let used = large.plus(large).plus(large).minus(Resources::SLOT);
        check(used, large, 3, 3);
        check(none, none, 0, u32::MAX);
    }

    #[test]
    fn what_a_host_does_not_bound_never_decides() {
        let host = Resources::of_host(2);
        let cost = Resources {
            memory_bytes: u64::MAX,
            ..Resources::SLOT
        };
        assert_eq!(host.room(cost, cost).free(), 1);
        assert_eq!(Resources::of_host(0).room(cost, cost).free(), 0);
    }

    #[test]
    fn a_container_needs_an_engine_and_a_slot() {
        let (none, one) = (Resources::default(), Resources::CONTAINER);
        let host = Resources::of_host(2);
        assert_eq!(host.room(none, one).capacity, 0);
        assert_eq!(host.with_container_engine().room(none, one).capacity, 2);
        let used = Resources::SLOT.plus(one);
        assert_eq!(host.with_container_engine().room(used, one).free(), 0);
    }

    proptest! {
        #[test]
        fn as_many_fit_as_room_says_and_not_one_more(
            has in prop::array::uniform5(0..1_000u64),
            cost in prop::array::uniform5(0..50u64),
        ) {
            let of = |[cpu_millicores, memory_bytes, slots, components, containers]: [u64; 5]| Resources {
                cpu_millicores, memory_bytes, slots, components, containers,
            };
            let (has, cost) = (of(has), of(cost));
            prop_assume!(cost != Resources::default());
            let free = has.room(Resources::default(), cost).free();
            let mut used = Resources::default();
            for _ in 0..free {
                used = used.plus(cost);
            }
            let fits = |used: Resources| used.parts().iter().zip(has.parts()).all(|(used, has)| *used <= has);
            prop_assert!(fits(used) && !fits(used.plus(cost)));
            prop_assert_eq!(has.room(used, cost).free(), 0);
        }
    }
}
