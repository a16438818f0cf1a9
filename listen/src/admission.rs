//! Who gets a connection when there are not enough for all: a decision without sockets and clocks.
//!
//! One client has at most as many as are still free, so that whatever it does, others find room; a client that is
//! exempt from that is still counted. When there is no room, the newest idle connection of whoever has most is
//! closed: those that are used stay, and who has many pays.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use gateless_common::network::client_network;

/// A connection, in the order of their coming.
pub type Id = u64;

/// Connections being closed that may be beyond the bound meanwhile.
const MAX_CLOSING: usize = 64;

/// Whoever connections are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client {
    network: IpAddr,
    exempt: bool,
}

impl Client {
    /// The one that an address is of. One that is `exempt` is bound by no share of its own.
    #[must_use]
    pub const fn new(address: IpAddr, exempt: bool) -> Self {
        let network = client_network(address);
        Self { network, exempt }
    }
}

/// What is to be done with a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Serve it, and close another.
    Admit {
        /// The new one.
        id: Id,
        /// One that is idle.
        close: Option<Id>,
    },
    /// Close it: its client has as many as it may, and uses all.
    Refuse,
    /// All are in use, or about to be closed: ask again once one has ended, and accept no others until then.
    Wait,
}

#[derive(Debug)]
struct Entry {
    client: Client,
    closing: bool,
}

/// The connections of one door.
#[derive(Debug)]
pub struct Table {
    /// Connections there may be.
    most: usize,
    entries: BTreeMap<Id, Entry>,
    /// Those not being closed, of each client.
    clients: BTreeMap<Client, BTreeSet<Id>>,
    /// Clients by how many they have.
    sizes: BTreeSet<(usize, Client)>,
    closing: usize,
    next: Id,
}

impl Table {
    /// With at most so many of all clients together, at least 1.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            entries: BTreeMap::new(),
            clients: BTreeMap::new(),
            sizes: BTreeSet::new(),
            closing: 0,
            next: 0,
        }
    }

    /// Connections there are, without those being closed.
    #[must_use]
    pub fn open(&self) -> usize {
        self.entries.len() - self.closing
    }

    /// Decides on a new connection of `client`.
    pub fn admit(&mut self, client: Client, is_idle: impl Fn(Id) -> bool) -> Verdict {
        let free = self.most.saturating_sub(self.open());
        let has = self.clients.get(&client).map_or(0, BTreeSet::len);
        if free > 0 && (client.exempt || has < free) {
            let (id, close) = (self.insert(client), None);
            return Verdict::Admit { id, close };
        }
        if self.closing >= MAX_CLOSING {
            return Verdict::Wait;
        }
        let newest_idle = |ids: &BTreeSet<Id>| ids.iter().rev().copied().find(|id| is_idle(*id));
        let close = if free > 0 {
            self.clients.get(&client).and_then(newest_idle)
        } else {
            let largest_first = self.sizes.iter().rev();
            largest_first
                .filter_map(|(_, client)| self.clients.get(client))
                .find_map(newest_idle)
        };
        match close {
            Some(close) => {
                self.begin_close(close);
                let (id, close) = (self.insert(client), Some(close));
                Verdict::Admit { id, close }
            }
            None if free > 0 => Verdict::Refuse,
            None => Verdict::Wait,
        }
    }

    /// The client of a connection has proved to be one that is exempt.
    pub fn exempt(&mut self, id: Id) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let before = entry.client;
        entry.client.exempt = true;
        let (now, closing) = (entry.client, entry.closing);
        if !closing {
            self.forget(before, id);
            self.count(now, id);
        }
    }

    /// A connection has ended.
    pub fn remove(&mut self, id: Id) {
        match self.entries.remove(&id) {
            Some(Entry { closing: true, .. }) => self.closing -= 1,
            Some(Entry { client, .. }) => self.forget(client, id),
            None => {}
        }
    }

    fn insert(&mut self, client: Client) -> Id {
        let id = self.next;
        self.next += 1;
        let closing = false;
        self.entries.insert(id, Entry { client, closing });
        self.count(client, id);
        id
    }

    fn count(&mut self, client: Client, id: Id) {
        let ids = self.clients.entry(client).or_default();
        self.sizes.remove(&(ids.len(), client));
        ids.insert(id);
        self.sizes.insert((ids.len(), client));
    }

    fn begin_close(&mut self, id: Id) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.closing = true;
        let client = entry.client;
        self.closing += 1;
        self.forget(client, id);
    }

    fn forget(&mut self, client: Client, id: Id) {
        let Some(ids) = self.clients.get_mut(&client) else {
            return;
        };
        self.sizes.remove(&(ids.len(), client));
        ids.remove(&id);
        if ids.is_empty() {
            self.clients.remove(&client);
        } else {
            self.sizes.insert((ids.len(), client));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client(n: u8) -> Client {
        Client::new(IpAddr::from([192, 0, 2, n]), n == 0)
    }

    fn admitted(verdict: Verdict) -> Option<Id> {
        match verdict {
            Verdict::Admit { id, .. } => Some(id),
            Verdict::Refuse | Verdict::Wait => None,
        }
    }

    #[test]
    fn one_client_leaves_as_many_free_as_it_has() {
        let mut table = Table::new(100);
        let had = (0..1_000).filter_map(|_| admitted(table.admit(client(1), |_| false)));
        assert_eq!(had.count(), 50);
        let next = (0..1_000).filter_map(|_| admitted(table.admit(client(2), |_| false)));
        assert_eq!(next.count(), 25);
        assert!(admitted(table.admit(client(3), |_| false)).is_some());
    }

    #[test]
    fn client_at_its_share_loses_its_own_newest_idle_connection_only() {
        let mut table = Table::new(8);
        let other = admitted(table.admit(client(2), |_| true)).unwrap();
        let mut newest = 0;
        while table.open() < 5 {
            newest = admitted(table.admit(client(1), |_| true)).unwrap();
        }
        let verdict = table.admit(client(1), |_| true);
        assert!(matches!(verdict, Verdict::Admit { close: Some(id), .. } if id == newest));
        assert!(newest != other);
        let all_used = table.admit(client(1), |_| false);
        assert_eq!(all_used, Verdict::Refuse);
    }

    #[test]
    fn full_door_closes_the_newest_idle_connection_of_whoever_has_most() {
        let mut table = Table::new(4);
        table.most = 100;
        for n in [1, 2, 2, 2] {
            admitted(table.admit(client(n), |_| false)).unwrap();
        }
        table.most = 4;
        // The newest of the largest is in use.
        let verdict = table.admit(client(3), |id| id != 3);
        assert!(matches!(verdict, Verdict::Admit { close: Some(2), .. }));
        assert_eq!(table.open(), 4);
        let all_used = table.admit(client(4), |_| false);
        assert_eq!(all_used, Verdict::Wait);
        table.remove(0);
        assert!(admitted(table.admit(client(4), |_| false)).is_some());
    }

    #[test]
    fn connections_that_are_slow_to_close_are_waited_for() {
        let mut table = Table::new(1);
        let flood = (0..1_000).map(|_| table.admit(client(0), |_| true));
        let last = flood.last().unwrap();
        assert_eq!(last, Verdict::Wait);
        assert_eq!(table.entries.len(), 1 + MAX_CLOSING);
    }

    #[test]
    fn client_that_proves_to_be_exempt_frees_its_share() {
        let mut table = Table::new(4);
        let ids: Vec<_> = (0..2)
            .map(|_| admitted(table.admit(client(1), |_| false)).unwrap())
            .collect();
        assert_eq!(table.admit(client(1), |_| false), Verdict::Refuse);
        table.exempt(ids[0]);
        assert!(admitted(table.admit(client(1), |_| false)).is_some());
        ids.into_iter().for_each(|id| table.remove(id));
        assert_eq!(table.open(), 1);
    }

    #[test]
    fn a_hosts_network_is_one_client_and_its_old_form_the_same() {
        let of = |text: &str| Client::new(text.parse().unwrap(), false);
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::9"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    proptest! {
        #[test]
        fn bounds_hold_whatever_comes_and_goes(
            steps in prop::collection::vec((0u8..5, any::<bool>(), 0u64..64), 0..400),
            all in 1usize..20,
        ) {
            let mut table = Table::new(all);
            for (who, comes, n) in steps {
                // Odd ones are idle; client 0 is exempt, and others may come to be.
                if n == 7 {
                    table.exempt(7);
                } else if comes {
                    table.admit(client(who), |id| id % 2 == 1);
                } else {
                    table.remove(n);
                }
                prop_assert!(table.open() <= all);
                prop_assert!(table.closing <= MAX_CLOSING);
                let sizes: usize = table.sizes.iter().map(|(size, _)| size).sum();
                prop_assert_eq!(sizes, table.open());
                for (client, ids) in &table.clients {
                    prop_assert!(table.sizes.contains(&(ids.len(), *client)));
                }
            }
        }
    }
}
