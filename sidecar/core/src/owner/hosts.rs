//! What an owner knows of one revision on one host: what it was told, and what it said.
//!
//! A host that took an assignment keeps that count by itself, restarts included, so from then
//! on it counts as having it: counting only what it reports would start the same instance again
//! elsewhere while the first is on its way. A host that says it can't, or says nothing, counts
//! with what it last reported.

use std::sync::Arc;
use std::time::Duration;

use super::authority::Authority;
use crate::message::RevisionInstances;
use crate::name::NodeId;
use crate::ownership::{self, Term};
use crate::placement;
use crate::time::Time;

/// A host that hasn't answered an assignment by then gets no more until it does.
const ANSWER: Duration = Duration::from_millis(500);
/// So long after an assignment, reports may still be from before it.
const IN_FLIGHT: Duration = Duration::from_secs(1);
/// Hosts repeat reports of interest well within this.
const REPORT_TTL: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
struct Assigned {
    desired: u32,
    at: Time,
    term: Term,
}

#[derive(Debug, Clone, Default)]
pub(super) struct HostView {
    assigned: Option<Assigned>,
    reported: Option<(Time, RevisionInstances)>,
}

impl HostView {
    pub(super) fn reported(&mut self, now: Time, report: &RevisionInstances) {
        self.reported = Some((now, report.clone()));
        if self.is_silent(now) {
            // It lives, and the assignment it never answered was lost.
            self.assigned = None;
        }
    }

    pub(super) fn assigned(&mut self, now: Time, desired: u32, term: &Term) {
        // A silent host stays silent, however often it is told.
        let at = match &self.assigned {
            Some(assigned) if !self.answered(assigned) => assigned.at,
            _ => now,
        };
        let term = term.clone();
        self.assigned = Some(Assigned { desired, at, term });
    }

    pub(super) fn ready(&self) -> u32 {
        self.reported.as_ref().map_or(0, |(_, report)| report.ready)
    }

    pub(super) fn alive(&self) -> u32 {
        self.reported
            .as_ref()
            .map_or(0, |(_, report)| report.alive())
    }

    pub(super) fn failure(&self) -> Option<Arc<str>> {
        self.reported.as_ref()?.1.failure.clone()
    }

    /// Nothing runs there, nothing is to, and it isn't failing to.
    pub(super) fn is_empty(&self) -> bool {
        let nothing = |(_, r): &(Time, RevisionInstances)| r.alive() == 0 && r.draining == 0;
        self.assigned
            .as_ref()
            .is_none_or(|assigned| assigned.desired == 0)
            && self.reported.as_ref().is_none_or(nothing)
    }

    /// Instances it has or is about to have.
    pub(super) fn count(&self, now: Time) -> u32 {
        let Some(assigned) = &self.assigned else {
            return self.alive();
        };
        if !self.answered(assigned) {
            let waiting = now < assigned.at + ANSWER;
            return if waiting {
                assigned.desired
            } else {
                self.alive()
            };
        }
        match &self.reported {
            Some((_, reported)) if reported.failure.is_some() || reported.term > assigned.term => {
                reported.alive()
            }
            Some((_, reported)) if now >= assigned.at + IN_FLIGHT => {
                reported.alive().max(assigned.desired)
            }
            _ => assigned.desired,
        }
    }

    /// For placement. `capacity` is the membership's; the host's own word is newer.
    pub(super) fn spot(
        &self,
        now: Time,
        node: &NodeId,
        capacity: u32,
        demanding: bool,
    ) -> placement::Host {
        let of_revision = self.count(now);
        let reported = self
            .reported
            .as_ref()
            .filter(|(at, _)| now < *at + REPORT_TTL);
        let (capacity, others) = reported.map_or((capacity, 0), |(_, report)| {
            let others = report.host_instances.saturating_sub(report.alive());
            (report.host_capacity, others)
        });
        placement::Host {
            node: node.clone(),
            capacity,
            instances: others.saturating_add(of_revision),
            of_revision,
            ready: self.ready(),
            blocked: self.is_silent(now) || self.backs_off(now, Duration::ZERO),
            demanding,
        }
    }

    /// It waits after failed starts, and the wait was at least `least`.
    pub(super) fn backs_off(&self, now: Time, least: Duration) -> bool {
        self.reported
            .as_ref()
            .is_some_and(|(at, reported)| reported.backoff >= least && *at + reported.backoff > now)
    }

    /// How many it runs that this owner knew nothing of: it was told to run none, or wasn't
    /// told at all.
    pub(super) fn surplus(&self, now: Time, report: &RevisionInstances) -> u32 {
        match &self.assigned {
            Some(assigned) if assigned.desired > 0 || now < assigned.at + IN_FLIGHT => 0,
            _ => report.alive().saturating_sub(self.count(now)),
        }
    }

    /// Whether an assignment of `count` is due.
    pub(super) fn must_assign(
        &self,
        now: Time,
        count: u32,
        refresh: bool,
        authority: &Authority,
    ) -> bool {
        let Some(assigned) = &self.assigned else {
            return count > 0 || self.alive() > 0;
        };
        if assigned.desired != count {
            return true;
        }
        if !refresh || now < assigned.at + IN_FLIGHT {
            return false;
        }
        if !self.answered(assigned) {
            return count > 0 || self.alive() > 0;
        }
        let Some((_, reported)) = &self.reported else {
            return false;
        };
        let other = &reported.term.owner;
        let mine = reported.term.is_none() || *other == authority.node;
        let weaker = || {
            !authority.members.contains_key(other)
                || ownership::precedes(&authority.name, &authority.node, other)
        };
        let wrong = reported.alive() != count && reported.failure.is_none();
        let held = reported.alive() > 0 || count > 0;
        wrong || held && !mine && weaker()
    }

    /// When time alone changes something.
    pub(super) fn next_deadline(&self, now: Time) -> Option<Time> {
        let answer = self
            .assigned
            .as_ref()
            .filter(|assigned| !self.answered(assigned))
            .map(|assigned| assigned.at + ANSWER);
        let backoff = self
            .reported
            .as_ref()
            .map(|(at, reported)| *at + reported.backoff);
        answer
            .into_iter()
            .chain(backoff)
            .filter(|&at| at > now)
            .min()
    }

    fn answered(&self, assigned: &Assigned) -> bool {
        self.reported.as_ref().is_some_and(|(at, reported)| {
            *at >= assigned.at && (reported.term >= assigned.term || reported.failure.is_some())
        })
    }

    /// It should have said something by now: an assignment may be lost, or it may obey another
    /// and report there. A question changes neither.
    pub(super) fn must_ask(&self, now: Time) -> bool {
        let outdated = |(at, _): &(Time, RevisionInstances)| now >= *at + REPORT_TTL;
        self.is_silent(now) || !self.is_empty() && self.reported.as_ref().is_some_and(outdated)
    }

    /// It was told something and hasn't answered in time.
    fn is_silent(&self, now: Time) -> bool {
        let late = |assigned: &Assigned| !self.answered(assigned) && now >= assigned.at + ANSWER;
        self.assigned.as_ref().is_some_and(late)
    }
}
