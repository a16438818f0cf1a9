//! A map for a handful of entries that takes what they take.
//!
//! A `BTreeMap` allocates room for eleven entries with its first one. Every node has machines for
//! every function, nearly all of them with one revision on one host, so that room was most of
//! what a registered function cost.

/// Entries in the order of their keys; finding one looks at a few, changing their number copies all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Few<K, V>(Vec<(K, V)>);

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord, V> Few<K, V> {
    fn find(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(key))
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.find(key).ok().map(|at| &self.0[at].1)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.find(key).ok().map(|at| &mut self.0[at].1)
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.find(key).is_ok()
    }

    /// The entry, made if there is none.
    pub(crate) fn entry(&mut self, key: &K) -> &mut V
    where
        K: Clone,
        V: Default,
    {
        let at = self.find(key).unwrap_or_else(|at| {
            self.insert_at(at, key.clone(), V::default());
            at
        });
        &mut self.0[at].1
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.find(&key) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.insert_at(at, key, value),
        }
    }

    fn insert_at(&mut self, at: usize, key: K, value: V) {
        self.0.reserve_exact(1);
        self.0.insert(at, (key, value));
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.find(key).ok()?;
        let (_, value) = self.0.remove(at);
        self.0.shrink_to_fit();
        Some(value)
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        self.0.retain(|(key, value)| keep(key, value));
        self.0.shrink_to_fit();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0 = Vec::new();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_map_that_has_room_for_what_is_in_it(
            steps in prop::collection::vec((0_u8..4, 0_u8..8, any::<u8>()), 0..64),
        ) {
            let (mut few, mut model) = (Few::default(), BTreeMap::new());
            for (step, key, value) in steps {
                match step {
                    0 => {
                        few.insert(key, value);
                        model.insert(key, value);
                    }
                    1 => *few.entry(&key) = *model.entry(key).or_default(),
                    2 => prop_assert_eq!(few.remove(&key), model.remove(&key)),
                    _ => {
                        few.retain(|_, kept| *kept > value);
                        model.retain(|_, kept| *kept > value);
                    }
                }
                prop_assert!(few.iter().eq(model.iter()));
                prop_assert_eq!(few.get(&key), model.get(&key));
                prop_assert_eq!(few.contains_key(&key), model.contains_key(&key));
                prop_assert_eq!(few.0.capacity(), model.len());
            }
        }
    }
}
