//! Which certificate a client is shown: a decision on the name it asks for.
//!
//! The exact name comes first, then a wildcard of one label (RFC 9525, 6.3), then the default, which is also for who asks for
//! no name, as for an address.

use std::collections::HashMap;
use std::sync::Arc;

use crate::pair::Pair;

/// Certificates by name.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// In the order in which they were given: the first that the client can check is taken.
    exact: HashMap<String, Vec<Arc<Pair>>>,
    /// By what follows the star and its dot.
    wildcard: HashMap<String, Vec<Arc<Pair>>>,
    default: Option<Arc<Pair>>,
}

impl Table {
    /// Of these, each under all of its names; the first is the default.
    pub(crate) fn new(pairs: impl IntoIterator<Item = Arc<Pair>>) -> Self {
        let mut table = Self::default();
        for pair in pairs {
            for name in pair.names() {
                let (map, key) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut table.wildcard, parent),
                    None => (&mut table.exact, name.as_str()),
                };
                map.entry(key.to_owned()).or_default().push(pair.clone());
            }
            table.default.get_or_insert(pair);
        }
        table
    }

    /// For a client that asks for `name`, if for any, and can check those that `suits` is true of.
    pub(crate) fn find(
        &self,
        name: Option<&str>,
        suits: impl Fn(&Pair) -> bool,
    ) -> Option<&Arc<Pair>> {
        let name = name.map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        let exact = name.as_ref().and_then(|name| self.exact.get(name));
        let parent = name.as_ref().and_then(|name| name.split_once('.'));
        let wildcard = parent.and_then(|(_, parent)| self.wildcard.get(parent));
        let named = exact.into_iter().chain(wildcard).flatten();
        named.chain(&self.default).find(|pair| suits(pair))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::made;
    use proptest::prelude::*;

    fn pair(names: &[&str]) -> Arc<Pair> {
        let (chain, key) = made(names);
        Arc::new(Pair::parse(chain.as_bytes(), key.as_bytes()).unwrap())
    }

    #[test]
    fn exact_name_goes_before_wildcard_and_default() {
        let all = [
            pair(&["default.example"]),
            pair(&["*.a.example"]),
            pair(&["one.a.example", "b.example"]),
        ];
        let table = Table::new(all.clone());
        let check = |name: Option<&str>, expected: usize| {
            let found = table.find(name, |_| true).unwrap();
            assert!(Arc::ptr_eq(found, &all[expected]), "{name:?}");
        };
        check(Some("one.a.example"), 2);
        check(Some("ONE.a.Example"), 2);
        check(Some("one.a.example."), 2);
        check(Some("b.example"), 2);
        check(Some("two.a.example"), 1);
        // A star stands for one label, neither for none nor for two.
        check(Some("a.example"), 0);
        check(Some("x.two.a.example"), 0);
        check(Some("other.example"), 0);
        check(Some("localhost"), 0);
        check(None, 0);
    }

    #[test]
    fn of_several_for_a_name_the_first_that_the_client_can_check_is_taken() {
        let (first, second, default) = (pair(&["a.b"]), pair(&["a.b"]), pair(&["c.d"]));
        let table = Table::new([default.clone(), first.clone(), second.clone()]);
        let find = |but: &[&Arc<Pair>]| {
            let suits = |pair: &Pair| !but.iter().any(|not| not.is_same(pair));
            table.find(Some("a.b"), suits).cloned()
        };
        assert!(Arc::ptr_eq(&find(&[]).unwrap(), &first));
        assert!(Arc::ptr_eq(&find(&[&first]).unwrap(), &second));
        assert!(Arc::ptr_eq(&find(&[&first, &second]).unwrap(), &default));
        assert!(find(&[&first, &second, &default]).is_none());
    }

    proptest! {
        #[test]
        fn any_name_finds_one_and_nothing_panics(name in ".{0,80}") {
            let one = pair(&["*.a.example", "a.example"]);
            let table = Table::new([one]);
            prop_assert!(table.find(Some(&name), |_| true).is_some());
        }
    }
}
