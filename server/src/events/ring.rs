//! The last events, so that a listener that was away for a moment misses nothing.
//!
//! Pure: no lock, no channel. Ids are `<boot id>-<number>`; those of an earlier start of the server lead
//! nowhere. Samples are not kept: the next one says more, and they would push everything else out.

use std::collections::VecDeque;
use std::sync::Arc;

use super::event::{Event, What};

/// An event as it is sent.
#[derive(Debug, Clone)]
pub struct Item {
    /// `None`: not kept, so nobody can resume after it.
    pub id: Option<u64>,
    /// The event.
    pub event: Arc<Event>,
    /// As JSON, written once for all listeners.
    pub json: Arc<str>,
}

/// Where a listener goes on.
#[derive(Debug)]
pub enum Resume {
    /// After the event it had last: with these.
    After(Vec<Item>),
    /// Nobody knows what came after that.
    TooOld,
}

/// The latest events, numbered, for listeners that come back.
#[derive(Debug)]
pub struct Ring {
    boot: String,
    last: u64,
    kept: VecDeque<Item>,
    capacity: usize,
}

impl Ring {
    /// Empty. `boot` differs from start to start and has no `-`.
    pub fn new(boot: String, capacity: usize) -> Self {
        Self {
            boot,
            last: 0,
            kept: VecDeque::new(),
            capacity,
        }
    }

    /// Takes an event in, pushing the oldest out.
    pub fn push(&mut self, event: Event) -> Item {
        let json = serde_json::to_string(&event).unwrap_or_default();
        let mut item = Item {
            id: None,
            json: json.into(),
            event: Arc::new(event),
        };
        if !matches!(item.event.what, What::Sample(_)) {
            self.last += 1;
            item.id = Some(self.last);
            if self.kept.len() == self.capacity {
                self.kept.pop_front();
            }
            self.kept.push_back(item.clone());
        }
        item
    }

    /// The id a number goes by.
    pub fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.boot)
    }

    /// Of the newest event.
    pub fn last_id(&self) -> String {
        self.id(self.last)
    }

    /// What came after the event `id`.
    pub fn after(&self, id: &str) -> Resume {
        let number = id
            .strip_prefix(&*self.boot)
            .and_then(|rest| rest.strip_prefix('-'));
        let number = number.and_then(|number| number.parse::<u64>().ok());
        let oldest = self.last - self.kept.len() as u64;
        match number {
            Some(number) if (oldest..=self.last).contains(&number) => {
                let skip = usize::try_from(number - oldest).unwrap_or(usize::MAX);
                Resume::After(self.kept.iter().skip(skip).cloned().collect())
            }
            _ => Resume::TooOld,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::events::event::{Action, Sample};

    fn lag(lag: u64) -> Event {
        let what = What::Sidecar {
            sidecar: "a".into(),
            action: Action::Lag,
            lag,
        };
        what.of_all(Timestamp::UNIX_EPOCH)
    }

    /// Three of five events are kept; `None`: too old.
    fn check(id: &str, expected: Option<&[u64]>) {
        let mut ring = Ring::new("b".into(), 3);
        for n in 1..=5 {
            ring.push(lag(n));
            let sample = What::Sample(Sample::default());
            assert_eq!(
                ring.push(sample.of("n", "f", Timestamp::UNIX_EPOCH)).id,
                None
            );
        }
        assert_eq!(ring.last_id(), "b-5");
        let after = match ring.after(id) {
            Resume::After(items) => {
                Some(items.iter().filter_map(|item| item.id).collect::<Vec<_>>())
            }
            Resume::TooOld => None,
        };
        assert_eq!(after.as_deref(), expected, "{id}");
    }

    #[test]
    fn a_listener_goes_on_where_it_was_or_is_told_that_it_cannot() {
        check("b-5", Some(&[]));
        check("b-4", Some(&[5]));
        check("b-2", Some(&[3, 4, 5]));
        check("b-1", None);
        check("b-6", None);
        check("c-5", None);
        check("nonsense", None);
    }

    #[test]
    fn an_event_is_flat_json() {
        let item = Ring::new("b".into(), 1).push(lag(7));
        let json: serde_json::Value = serde_json::from_str(&item.json).unwrap();
        let expected = serde_json::json!({
            "type": "sidecar", "sidecar": "a", "action": "lag", "lag": 7,
            "time": "1970-01-01T00:00:00Z", "namespace": null, "function": null,
        });
        assert_eq!(json, expected);
    }
}
