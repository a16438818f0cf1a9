//! How many sidecars have a version of the catalogue, and the names of a few that have not.

use super::Registry;

/// The most sidecars that are named; there may be thousands.
const NAMED: usize = 8;

/// How far a version of the catalogue has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Propagation {
    /// Connected sidecars that applied it.
    pub applied: usize,
    /// Connected sidecars that did not, yet or because they refuse this catalogue.
    pub behind: Group,
    /// Sidecars that went away without having been drained, and are remembered: they may still take calls, as they last knew.
    pub away: Group,
}

/// Sidecars, counted, and some of them named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// How many there are.
    pub count: usize,
    /// The ids of the first of them.
    pub named: Vec<String>,
}

impl Group {
    fn add(&mut self, node_id: &str) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(node_id.to_owned());
        }
    }
}

impl Registry {
    /// How far a version has come.
    pub fn propagation(&self, version: u64) -> Propagation {
        let mut propagation = Propagation::default();
        for (node_id, known) in &self.known.lock().sidecars {
            let sidecar = &known.sidecar;
            let applied = sidecar.applied_version >= version && sidecar.refused.is_none();
            match (sidecar.connected, applied) {
                (true, true) => propagation.applied += 1,
                (true, false) => propagation.behind.add(node_id),
                (false, true) => {}
                (false, false) if sidecar.draining => {}
                (false, false) => propagation.away.add(node_id),
            }
        }
        propagation
    }
}
