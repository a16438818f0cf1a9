//! A plan of faults from a seed.
//!
//! At most two at once, on different hosts, so that half of the hosts is always whole. Every fourth seed has
//! only what may harm no call, so that nothing excuses a failure. Deliberately short ones: what lasts is what
//! `scenario` is for.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::SIDECARS;
use super::fault::Fault;

/// Faults of a plan.
const STEPS: usize = 7;

/// One fault and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// From the start of the run.
    pub at: Duration,
    /// Until it is undone.
    pub lasts: Duration,
    pub fault: Fault,
}

/// What a seed comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In the order they begin.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Always the same for the same seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut steps = Vec::<Step>::new();
        let mut at = 1_000;
        while steps.len() < STEPS {
            let fault = any(&mut random, seed.is_multiple_of(4));
            let lasts = random.random_range(200..2_500);
            let now = Duration::from_millis(at);
            let going: Vec<&Step> = steps
                .iter()
                .filter(|step| step.at + step.lasts > now)
                .collect();
            let mut busy = going.iter().flat_map(|step| step.fault.hosts());
            let conflicts = busy.any(|host| fault.hosts().contains(&host))
                || going
                    .iter()
                    .any(|step| step.fault == fault || is_alone(step.fault, fault));
            if going.len() < 2 && !conflicts {
                let lasts = Duration::from_millis(lasts);
                steps.push(Step {
                    at: now,
                    lasts,
                    fault,
                });
            }
            at += random.random_range(100..1_500);
        }
        Self { steps }
    }
}

/// A rollout waits for the server and for every sidecar to hear of it.
fn is_alone(one: Fault, other: Fault) -> bool {
    one == Fault::Rollout || other == Fault::Rollout
}

fn any(random: &mut StdRng, harmless: bool) -> Fault {
    let host = random.random_range(0..SIDECARS);
    let other = (host + random.random_range(1..SIDECARS)) % SIDECARS;
    match random.random_range(0..if harmless { 9 } else { 21 }) {
        0 => Fault::Restart(host),
        1 => Fault::Rollout,
        2 => Fault::Flood,
        3 => Fault::KillServer,
        4 => Fault::CutServer(host),
        5 => Fault::ClockForward(host),
        6 => Fault::ClockBack(host),
        7 => Fault::ServerClockForward,
        8 => Fault::ServerClockBack,
        9 => Fault::KillSidecar(host),
        10 => Fault::KillInstances(host),
        11 => Fault::PowerOff(host),
        12 => Fault::Silence(host),
        13 => Fault::Freeze(host),
        14 => Fault::FreezeInstance(host),
        15 => Fault::CutFrom(host),
        16 => Fault::CutTo(host),
        17 => Fault::CutOff(host),
        18 => Fault::CutPair(host, other),
        19 => Fault::Loss(host),
        _ => Fault::FullDisk(host),
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.steps.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            let (at, lasts) = (step.at.as_secs_f64(), step.lasts.as_secs_f64());
            write!(f, "{comma}{at:.1}s {} for {lasts:.1}s", step.fault)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::history::Harm;

    #[test]
    fn same_seed_gives_the_same_plan_and_another_another() {
        assert_eq!(Plan::from_seed(7), Plan::from_seed(7));
        assert_ne!(Plan::from_seed(7), Plan::from_seed(8));
    }

    #[test]
    fn every_fourth_seed_has_nothing_that_may_harm_a_call() {
        let harms = |seed| {
            let steps = Plan::from_seed(seed).steps;
            steps.iter().any(|step| step.fault.harm() == Harm::Fault)
        };
        assert!((0..200).step_by(4).all(|seed| !harms(seed)));
        assert!((1..200).step_by(4).any(harms));
    }

    #[test]
    fn half_of_the_hosts_is_always_whole() {
        for seed in 0..500 {
            let plan = Plan::from_seed(seed);
            for step in &plan.steps {
                let during =
                    |other: &&Step| other.at <= step.at && step.at < other.at + other.lasts;
                let going: Vec<_> = plan.steps.iter().filter(during).collect();
                assert!(going.len() <= 2, "seed {seed}: {plan}");
                let hosts: Vec<_> = going.iter().flat_map(|step| step.fault.hosts()).collect();
                let different: BTreeSet<_> = hosts.iter().collect();
                assert_eq!(different.len(), hosts.len(), "seed {seed}: {plan}");
            }
        }
    }
}
