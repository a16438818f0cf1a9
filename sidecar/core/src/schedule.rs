//! When each revision must be looked at again: the earliest is found without looking at the rest.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::RevisionName;
use crate::time::Time;

/// Deadlines by key, the earliest first.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    in_order: BTreeSet<(Time, RevisionName)>,
    at: BTreeMap<RevisionName, Time>,
}

impl Schedule {
    pub(crate) fn set(&mut self, name: &RevisionName, at: Time) {
        if self.at.get(name) == Some(&at) {
            return;
        }
        self.forget(name);
        self.at.insert(name.clone(), at);
        self.in_order.insert((at, name.clone()));
    }

    pub(crate) fn forget(&mut self, name: &RevisionName) {
        if let Some(at) = self.at.remove(name) {
            self.in_order.remove(&(at, name.clone()));
        }
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.in_order.first().map(|(at, _)| *at)
    }

    pub(crate) fn due(&self, now: Time) -> Vec<RevisionName> {
        let due = self.in_order.iter().take_while(|(at, _)| *at <= now);
        due.map(|(_, name)| name.clone()).collect()
    }
}
