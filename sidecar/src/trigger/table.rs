//! Triggers by what fires them, made anew with each catalogue.

use std::collections::HashMap;
use std::sync::Arc;

use gateless_core::config::Function;
use gateless_core::trigger::{Cron, Uid};

use crate::catalogue::Catalogue;
use crate::catalogue::config::{Source, Trigger};

/// The catalogue's triggers by event type and by topic.
pub(super) struct Table {
    pub(super) catalogue: Arc<Catalogue>,
    by_uid: HashMap<Uid, Arc<Trigger>>,
    /// By namespace; paused ones aren't in it.
    events: HashMap<String, Vec<Arc<Trigger>>>,
    /// By namespace and topic; paused ones aren't in it.
    topics: HashMap<(String, String), Vec<Arc<Trigger>>>,
}

impl Table {
    pub(super) fn new(catalogue: Arc<Catalogue>) -> Self {
        let (mut events, mut topics) = (HashMap::new(), HashMap::new());
        let mut by_uid = HashMap::new();
        for trigger in catalogue.triggers.values() {
            by_uid.insert(trigger.uid.clone(), trigger.clone());
            let namespace = trigger.name.namespace().to_owned();
            let of: &mut Vec<_> = match &trigger.source {
                _ if trigger.paused => continue,
                Source::Cron { .. } => continue,
                Source::Events(_) => events.entry(namespace).or_default(),
                Source::Topic(topic) => topics.entry((namespace, topic.clone())).or_default(),
            };
            of.push(trigger.clone());
        }
        Self {
            catalogue,
            by_uid,
            events,
            topics,
        }
    }

    pub(super) fn by_uid(&self, uid: &str) -> Option<&Arc<Trigger>> {
        self.by_uid.get(uid)
    }

    /// Those that may want an event of this namespace.
    pub(super) fn events(&self, namespace: &str) -> &[Arc<Trigger>] {
        self.events.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// Those on a topic.
    pub(super) fn topic(&self, namespace: &str, topic: &str) -> &[Arc<Trigger>] {
        let key = (namespace.to_owned(), topic.to_owned());
        self.topics.get(&key).map_or(&[], Vec::as_slice)
    }

    pub(super) fn crons(&self) -> Vec<Cron> {
        let triggers = self.catalogue.triggers.values();
        triggers.filter_map(|trigger| trigger.cron()).collect()
    }

    /// Whom a trigger calls; `None` when there is no such function.
    pub(super) fn function(&self, trigger: &Trigger) -> Option<&Arc<Function>> {
        self.catalogue.functions.get(&trigger.function)
    }
}
