//! An owner's standing: who it is, who is alive, and the term it speaks with.
//!
//! Deliberately no decision whether to speak.

use std::sync::Arc;

use super::Action;
use crate::message::{Assignment, Members};
use crate::name::{FunctionName, NodeId, RevisionName};
use crate::ownership::{self, Term};
use crate::time::Time;

#[derive(Debug)]
pub(super) struct Authority {
    pub(super) node: NodeId,
    pub(super) name: FunctionName,
    /// Live nodes and the instances they are willing to run.
    pub(super) members: Arc<Members>,
    /// Its own; none until it first speaks.
    pub(super) term: Term,
    /// Highest any host has reported.
    pub(super) seen: Term,
    /// When it took its term: from then on it knows why things run.
    pub(super) since: Time,
}

impl Authority {
    pub(super) fn is_first(&self) -> bool {
        ownership::first(&self.name, self.members.keys()) == Some(&self.node)
    }

    /// Makes sure the term is the highest known, before something is said with it.
    pub(super) fn claim(&mut self, now: Time) {
        if self.term.is_none() || self.seen > self.term {
            self.term = self.term.clone().max(self.seen.clone()).next(&self.node);
            self.since = now;
        }
    }

    /// What a host answers with its report and never obeys.
    pub(super) fn question(&self, to: &NodeId, revision: &RevisionName) -> Action {
        let term = Term {
            number: 0,
            owner: self.node.clone(),
        };
        let assignment = Assignment {
            revision: revision.clone(),
            term,
            desired: 0,
            reason: "what runs there?".into(),
        };
        let to = to.clone();
        Action::Assign { to, assignment }
    }

    pub(super) fn assign(
        &self,
        to: &NodeId,
        revision: &RevisionName,
        desired: u32,
        reason: Arc<str>,
    ) -> Action {
        let assignment = Assignment {
            revision: revision.clone(),
            term: self.term.clone(),
            desired,
            reason,
        };
        let to = to.clone();
        Action::Assign { to, assignment }
    }
}
