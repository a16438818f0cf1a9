//! Memory for bodies that are read whole before their calls go on: one budget, of which nobody can take all.
//!
//! What a body may become is set aside before its first byte is read, so that one that is not let in costs nothing.
//! Deliberately no time: how long a body may take is the payload's.

use gateless_common::share::{Pool, Share};
use gateless_core::name::FunctionName;

/// Bytes of all bodies being read, or read and not yet on disk.
pub const MAX_BODIES: u64 = 256 << 20;
/// A body that does not say how long it is is given so much at a time.
const STEP: u64 = 64 << 10;

/// What memory is set aside for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Namespace(String),
    Function(FunctionName),
    /// Events and messages of a namespace.
    Ingress(String),
    /// One caller, by a hash of its address.
    Caller(u64),
    /// What is kept of a function's bodies to be sent again.
    Again(FunctionName),
    /// Namespaces in which nobody waits for what is sent.
    Nobody,
}

/// Whoever waits, at each level: as much as is left to its siblings.
const EQUAL: u64 = 1;
/// What nobody waits for: an eighth in all.
const OF_NOBODY: u64 = 7;
/// What is kept only to be sent again: half of what its function may have, so that its queued calls find room.
const OF_AGAIN: u64 = 3;

/// The budget. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Bodies(Pool<Key>);

impl Default for Bodies {
    fn default() -> Self {
        Self(Pool::new(MAX_BODIES))
    }
}

impl Bodies {
    /// For a call of `function`; `caller` is a hash of its address, where that is one caller's.
    #[must_use]
    pub fn of_call(&self, function: &FunctionName, caller: Option<u64>) -> Account {
        let namespace = Key::Namespace(function.namespace().to_owned());
        let function = Key::Function(function.clone());
        self.account(vec![(namespace, EQUAL), (function, EQUAL)], caller)
    }

    /// To keep what was read of a call's body until there is an answer.
    #[must_use]
    pub fn to_send_again(&self, function: &FunctionName, caller: Option<u64>) -> Account {
        let namespace = Key::Namespace(function.namespace().to_owned());
        let (again, function) = (
            Key::Again(function.clone()),
            Key::Function(function.clone()),
        );
        let keys = vec![(namespace, EQUAL), (function, EQUAL), (again, OF_AGAIN)];
        self.account(keys, caller)
    }

    /// For events or messages of `namespace`.
    #[must_use]
    pub fn of_ingress(&self, namespace: &str, caller: Option<u64>) -> Account {
        let keys = vec![
            (Key::Namespace(namespace.to_owned()), EQUAL),
            (Key::Ingress(namespace.to_owned()), EQUAL),
        ];
        self.account(keys, caller)
    }

    /// For what nobody waits for, and is read only to say whether it is well-formed.
    #[must_use]
    pub fn of_nobody(&self) -> Account {
        self.account(vec![(Key::Nobody, OF_NOBODY)], None)
    }

    /// Bytes set aside.
    #[cfg(test)]
    fn taken(&self) -> u64 {
        self.0.taken()
    }

    fn account(&self, mut keys: Vec<(Key, u64)>, caller: Option<u64>) -> Account {
        keys.extend(caller.map(|caller| (Key::Caller(caller), EQUAL)));
        let pool = self.0.clone();
        Account { pool, keys }
    }
}

/// On whose behalf memory is set aside.
#[derive(Debug)]
pub struct Account {
    pool: Pool<Key>,
    keys: Vec<(Key, u64)>,
}

impl Account {
    /// For a body that says how long it is, or for the first part of one that does not.
    pub(super) fn open(self, exact: Option<u64>) -> Option<Memory> {
        let room = exact.unwrap_or(STEP);
        let share = self.pool.take(self.keys, room)?;
        Some(Memory { share, used: 0 })
    }
}

/// Memory for one body; given back when dropped.
#[derive(Debug)]
pub struct Memory {
    share: Share<Key>,
    used: u64,
}

impl Memory {
    /// So many bytes more came; false when there is no room for them.
    pub(super) fn fill(&mut self, bytes: usize) -> bool {
        self.used = self.used.saturating_add(bytes as u64);
        match self.used.checked_sub(self.share.amount()) {
            None | Some(0) => true,
            Some(missing) => self.share.grow(missing.max(STEP)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: u64 = 6 << 20;

    fn flood(account: impl Fn() -> Account) -> Vec<Memory> {
        (0..1_000)
            .map_while(|_| account().open(Some(BODY)))
            .collect()
    }

    #[test]
    fn stalled_bodies_leave_room_for_every_other_function() {
        let bodies = Bodies::default();
        let of = |name: &str| bodies.of_call(&name.parse().unwrap(), None);
        let mut flooded = flood(|| of("one/a"));
        assert!((10..20).contains(&flooded.len()), "{}", flooded.len());
        flooded.extend(flood(|| bodies.of_ingress("one", None)));
        assert!(of("one/b").open(Some(1 << 20)).is_some());
        flooded.extend(flood(|| of("two/a")));
        assert!(of("two/b").open(Some(1 << 20)).is_some());
        assert!(of("three/a").open(Some(BODY)).is_some());
    }

    #[test]
    fn stalled_bodies_of_one_caller_leave_room_for_others_of_the_same_function() {
        let bodies = Bodies::default();
        let function: FunctionName = "one/a".parse().unwrap();
        let of = |caller| bodies.of_call(&function, Some(caller));
        let _flooded = flood(|| of(1));
        assert!(of(2).open(Some(BODY)).is_some());
    }

    #[test]
    fn bodies_kept_to_be_sent_again_leave_room_for_queued_calls_of_the_same_function() {
        let bodies = Bodies::default();
        let function: FunctionName = "one/a".parse().unwrap();
        let kept = flood(|| bodies.to_send_again(&function, None));
        assert!(kept.len() as u64 * BODY <= MAX_BODIES / 6);
        assert!(bodies.of_call(&function, None).open(Some(BODY)).is_some());
    }

    #[test]
    fn namespaces_that_do_not_exist_are_one_namespace() {
        let bodies = Bodies::default();
        let flooded = flood(|| bodies.of_nobody());
        assert!(flooded.len() as u64 * BODY <= MAX_BODIES / 8);
        assert!(bodies.of_ingress("two", None).open(Some(BODY)).is_some());
    }

    #[test]
    fn body_of_unknown_length_grows_as_it_comes() {
        let bodies = Bodies::default();
        let account = bodies.of_ingress("one", Some(1));
        let mut memory = account.open(None).unwrap();
        assert_eq!(bodies.taken(), STEP);
        assert!(memory.fill(10) && memory.fill(64 << 10));
        assert_eq!(bodies.taken(), 2 * STEP);
        let others = flood(|| bodies.of_ingress("one", None));
        assert!(!memory.fill(100 << 20));
        drop((memory, others));
        assert_eq!(bodies.taken(), 0);
    }
}
