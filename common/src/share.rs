//! A bounded pool that several use and nobody can take: who has much gets no more than a part of what is still free.
//!
//! With a divisor of 1, one key alone gets half of the pool, the next one a quarter, and so on: whatever some do, there
//! is always something left for the next. What the pool is of, places or bytes, is its owner's to say.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What keys have of a pool: the decision alone.
#[derive(Debug)]
pub struct Shares<K> {
    total: u64,
    taken: u64,
    of: BTreeMap<K, u64>,
}

impl<K: Ord + Clone> Shares<K> {
    /// Of which nothing is taken.
    #[must_use]
    pub const fn new(total: u64) -> Self {
        Self {
            total,
            taken: 0,
            of: BTreeMap::new(),
        }
    }

    /// Takes `amount` on behalf of `keys`, from the outermost to the innermost: each may have as much as then is left to
    /// its siblings, divided by its number (at least 1). False, and nothing is taken, when one of them would have more.
    pub fn take(&mut self, keys: &[(K, u64)], amount: u64) -> bool {
        let Some(mut left) = (self.total - self.taken).checked_sub(amount) else {
            return false;
        };
        for (key, divisor) in keys {
            let has = self
                .of
                .get(key)
                .copied()
                .unwrap_or(0)
                .saturating_add(amount);
            if has > left / (*divisor).max(1) {
                return false;
            }
            left -= has;
        }
        self.taken += amount;
        for (key, _) in keys {
            *self.of.entry(key.clone()).or_default() += amount;
        }
        true
    }

    /// Gives back what was taken on behalf of the same keys.
    pub fn give_back(&mut self, keys: &[(K, u64)], amount: u64) {
        self.taken = self.taken.saturating_sub(amount);
        for (key, _) in keys {
            let left = self.of.get(key).map_or(0, |has| has.saturating_sub(amount));
            match left {
                0 => drop(self.of.remove(key)),
                left => drop(self.of.insert(key.clone(), left)),
            }
        }
    }

    /// What is taken by all together.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }
}

/// [`Shares`] that are given back by themselves. Clones are the same pool.
#[derive(Debug)]
pub struct Pool<K>(Arc<Mutex<Shares<K>>>);

impl<K> Clone for Pool<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Ord + Clone> Pool<K> {
    /// Of which nothing is taken.
    #[must_use]
    pub fn new(total: u64) -> Self {
        Self(Arc::new(Mutex::new(Shares::new(total))))
    }

    /// As [`Shares::take`]; `None` when there is no room.
    #[must_use]
    pub fn take(&self, keys: Vec<(K, u64)>, amount: u64) -> Option<Share<K>> {
        self.shares().take(&keys, amount).then(|| Share {
            pool: self.clone(),
            keys,
            amount,
        })
    }

    /// What is taken by all together.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.shares().taken()
    }

    fn shares(&self) -> MutexGuard<'_, Shares<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part of a pool; given back when dropped.
#[derive(Debug)]
pub struct Share<K: Ord + Clone> {
    pool: Pool<K>,
    keys: Vec<(K, u64)>,
    amount: u64,
}

impl<K: Ord + Clone> Share<K> {
    /// Takes `more` besides; false when there is no room.
    pub fn grow(&mut self, more: u64) -> bool {
        let grown = self.pool.shares().take(&self.keys, more);
        self.amount += if grown { more } else { 0 };
        grown
    }

    /// How much it is.
    #[must_use]
    pub const fn amount(&self) -> u64 {
        self.amount
    }
}

impl<K: Ord + Clone> Drop for Share<K> {
    fn drop(&mut self) {
        self.pool.shares().give_back(&self.keys, self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flood(shares: &mut Shares<u32>, keys: &[(u32, u64)]) -> usize {
        (0..1_000).filter(|_| shares.take(keys, 1)).count()
    }

    #[test]
    fn nobody_takes_the_pool() {
        let mut shares = Shares::new(64);
        for expected in [32, 16, 8, 4, 2, 1] {
            assert_eq!(flood(&mut shares, &[(expected as u32, 1)]), expected);
        }
    }

    #[test]
    fn each_level_leaves_as_much_to_its_siblings_as_it_takes() {
        let mut shares = Shares::new(120);
        // A function has a third, its neighbour a ninth, and the next namespace's function more than that.
        assert_eq!(flood(&mut shares, &[(1, 1), (10, 1)]), 40);
        assert_eq!(flood(&mut shares, &[(1, 1), (11, 1)]), 13);
        assert_eq!(flood(&mut shares, &[(2, 1), (20, 1)]), 22);
        assert_eq!(flood(&mut shares, &[(1, 1), (12, 1)]), 0);
    }

    #[test]
    fn divided_key_takes_less() {
        let mut shares = Shares::new(80);
        assert_eq!(flood(&mut shares, &[(1, 7)]), 10);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let pool = Pool::new(8);
        let mut first = pool.take(vec![("a", 1)], 3).unwrap();
        assert!(first.grow(1) && !first.grow(1));
        assert!(pool.take(vec![("a", 1)], 1).is_none());
        assert!(pool.take(vec![("b", 1)], 5).is_none());
        assert_eq!(
            pool.take(vec![("b", 1)], 2).map(|share| share.amount()),
            Some(2)
        );
        assert_eq!(pool.taken(), 4);
        drop(first);
        assert_eq!(pool.taken(), 0);
        assert!(pool.shares().of.is_empty());
    }

    #[test]
    fn more_than_there_is_is_refused() {
        let pool = Pool::new(8);
        assert!(pool.take(vec![("a", 0)], 9).is_none());
        assert!(pool.take(vec![("a", 1)], u64::MAX).is_none());
    }
}
