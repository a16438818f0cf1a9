//! When the keys of an issuer of tokens are fetched, and for how long those that were fetched are good.
//!
//! An issuer that cannot be reached stops nobody for a day; one that is asked for keys it does not have is not asked at every call.
//! Deliberately no fetching and no cryptography: a key is whatever the shell makes of it.

use std::time::Duration;

use crate::time::Time;

/// Older keys are fetched anew, while they go on being used.
pub const FRESH_FOR: Duration = Duration::from_secs(300);
/// Older keys are used no more, when the issuer could not be reached since.
pub const GOOD_FOR: Duration = Duration::from_secs(86_400);
/// Between two fetches, whoever asks and however the first ended.
pub const FETCH_EVERY: Duration = Duration::from_secs(10);
/// Keys of one issuer; those beyond are not looked at.
pub const MAX_KEYS: usize = 64;

/// What is known of an issuer.
#[derive(Debug)]
pub struct IssuerKeys<K> {
    /// With their ids (RFC 7517, 4.5).
    keys: Vec<(Option<String>, K)>,
    fetched: Option<Time>,
    tried: Option<Time>,
}

impl<K> Default for IssuerKeys<K> {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            fetched: None,
            tried: None,
        }
    }
}

/// What is to be done about a token.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<K> {
    /// One of these may have signed it.
    Keys {
        /// At least one.
        keys: Vec<K>,
        /// They are no longer fresh: fetch, without waiting for it.
        refresh: bool,
    },
    /// No such key is known: fetch, and look again.
    Fetch,
    /// No such key is known, and the issuer was asked a moment ago.
    Unknown,
    /// No key is good, and the issuer could not be reached a moment ago. It is asked again after this time.
    Unavailable(Duration),
}

impl<K: Clone> IssuerKeys<K> {
    /// The keys that may have signed a token which names this one, or none.
    pub fn find(&mut self, now: Time, id: Option<&str>) -> Found<K> {
        let age = self.fetched.map(|at| now.since(at));
        if age.is_some_and(|age| age >= GOOD_FOR) {
            self.keys.clear();
            self.fetched = None;
        }
        let matches = |known: &Option<String>| match (id, known) {
            (Some(id), Some(known)) => id == known,
            // Who names no key means the only one, or any.
            _ => true,
        };
        let keys = self.keys.iter().filter(|(known, _)| matches(known));
        let keys: Vec<_> = keys.map(|(_, key)| key.clone()).collect();
        let wait = self.tried.map_or(Duration::ZERO, |at| {
            FETCH_EVERY.saturating_sub(now.since(at))
        });
        match (keys.is_empty(), wait.is_zero()) {
            (false, due) => Found::Keys {
                keys,
                refresh: due && age.is_some_and(|age| age >= FRESH_FOR),
            },
            (true, true) => Found::Fetch,
            (true, false) if self.fetched.is_some() => Found::Unknown,
            (true, false) => Found::Unavailable(wait),
        }
    }

    /// The issuer said its keys; `None`: it could not be reached, or said none.
    pub fn fetched(&mut self, now: Time, keys: Option<Vec<(Option<String>, K)>>) {
        self.tried = Some(now);
        if let Some(mut keys) = keys {
            keys.truncate(MAX_KEYS);
            self.keys = keys;
            self.fetched = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Time = Time::from_millis(1_000);

    fn keys(ids: &[&'static str]) -> Option<Vec<(Option<String>, &'static str)>> {
        let keys = ids.iter().map(|id| (Some((*id).to_owned()), *id));
        Some(keys.collect())
    }

    fn fresh(keys: &[&'static str]) -> Found<&'static str> {
        Found::Keys {
            keys: keys.to_vec(),
            refresh: false,
        }
    }

    #[test]
    fn keys_are_fetched_when_first_asked_for_and_when_one_is_new() {
        let mut issuer = IssuerKeys::default();
        assert_eq!(issuer.find(BEGIN, Some("a")), Found::Fetch);
        issuer.fetched(BEGIN, keys(&["a", "b"]));
        assert_eq!(issuer.find(BEGIN, Some("a")), fresh(&["a"]));
        assert_eq!(issuer.find(BEGIN, None), fresh(&["a", "b"]));
        // Whoever makes keys up has the issuer asked once in a while.
        assert_eq!(issuer.find(BEGIN, Some("c")), Found::Unknown);
        let later = BEGIN + FETCH_EVERY;
        assert_eq!(issuer.find(later, Some("c")), Found::Fetch);
        issuer.fetched(later, keys(&["b", "c"]));
        assert_eq!(issuer.find(later, Some("c")), fresh(&["c"]));
        assert_eq!(issuer.find(later, Some("a")), Found::Unknown);
    }

    #[test]
    fn issuer_out_of_reach_stops_nobody_for_a_day() {
        let mut issuer = IssuerKeys::default();
        issuer.fetched(BEGIN, keys(&["a"]));
        let mut now = BEGIN + FRESH_FOR;
        while now.since(BEGIN) < GOOD_FOR {
            let expected = Found::Keys {
                keys: vec!["a"],
                refresh: true,
            };
            assert_eq!(issuer.find(now, Some("a")), expected);
            issuer.fetched(now, None);
            assert_eq!(issuer.find(now, Some("a")), fresh(&["a"]));
            now += Duration::from_secs(600);
        }
        let end = BEGIN + GOOD_FOR;
        issuer.fetched(end, None);
        assert_eq!(issuer.find(end, Some("a")), Found::Unavailable(FETCH_EVERY));
        assert_eq!(issuer.find(end + FETCH_EVERY, Some("a")), Found::Fetch);
    }

    #[test]
    fn keys_without_an_id_may_have_signed_anything() {
        let mut issuer = IssuerKeys::default();
        issuer.fetched(BEGIN, Some(vec![(None, "only")]));
        assert_eq!(issuer.find(BEGIN, Some("a")), fresh(&["only"]));
        assert_eq!(issuer.find(BEGIN, None), fresh(&["only"]));
    }
}
