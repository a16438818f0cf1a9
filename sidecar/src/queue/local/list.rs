//! Lists of calls, read page by page: from memory those not finished, the rest from the disk.

use std::collections::{BTreeSet, BinaryHeap};
use std::iter::Rev;

use gateless_core::name::FunctionName;

use super::engine::{Engine, Key, function_prefix, split_function_key, unavailable};
use super::read::{call, view};
use super::{Local, Shared};
use crate::queue::Error;
use crate::queue::filter::{Filter, Page};
use crate::queue::types::CallId;

/// Calls looked at for one page, so that a rare one can't make a list read everything.
const SCANNED: usize = 20_000;
const OPEN: [&str; 3] = ["queued", "running", "retrying"];

impl Local {
    pub(super) async fn read_list(&self, filter: Filter) -> Result<Page, Error> {
        let node = self.shared.config.node.clone();
        self.read(move |shared, engine| {
            let skew = shared.config.clock.skew();
            let filter = filter.in_time_of(skew);
            let mut keys: Box<dyn Iterator<Item = Result<Key, Error>>> = match filter.is_only(&OPEN)
            {
                true => Box::new(open(shared, &filter).into_iter().map(Ok)),
                false => Box::new(Newest::of(engine, &filter)?),
            };
            let mut page = Page {
                calls: Vec::new(),
                scanned_to: None,
            };
            for (looked, key) in keys.by_ref().enumerate() {
                let key = key?;
                let id = CallId::from_key(key, node.clone());
                // Else it was forgotten since the index was read.
                if let Ok((head, stored)) = call(engine, &id, key) {
                    let origin = stored.origin.as_ref().unwrap_or(&node);
                    let call = view(CallId::from_key(key, origin.clone()), head, stored, skew);
                    if filter.wants(&call) {
                        page.calls.push(call);
                    }
                }
                if page.calls.len() >= filter.limit || looked + 1 >= SCANNED {
                    page.scanned_to = keys.next().map(|_| id);
                    break;
                }
            }
            Ok(page)
        })
        .await
    }
}

/// Keys of calls that are not finished and may fit, newest first: as many as are looked at for a page, and one more,
/// which says that there are more.
fn open(shared: &Shared, filter: &Filter) -> Vec<Key> {
    let (from, to) = filter.keys();
    let mut keys = BTreeSet::new();
    let index = shared.index.lock();
    for (key, stored) in index.iter() {
        let is_full = keys.len() > SCANNED;
        if *key < from || *key >= to || (is_full && keys.first().is_some_and(|oldest| key < oldest))
        {
            continue;
        }
        let mine = match &filter.function {
            Some(function) => stored.function == *function,
            None => stored.function.namespace() == filter.namespace,
        };
        if mine && filter.wants_state(stored.call.state.as_str()) {
            keys.insert(*key);
            if is_full {
                keys.pop_first();
            }
        }
    }
    drop(index);
    keys.into_iter().rev().collect()
}

/// Keys of the calls of several functions, newest first, read as they are asked for.
struct Newest {
    /// The newest key of each function that has not been given out, and whose it is.
    heads: BinaryHeap<(Key, usize)>,
    /// Each function's older ones, and how long what its keys begin with is.
    functions: Vec<(usize, Rev<fjall::Iter>)>,
}

impl Newest {
    fn of(engine: &Engine, filter: &Filter) -> Result<Self, Error> {
        let (from, to) = filter.keys();
        let keyspace = match filter.is_only(&["dead"]) {
            true => &engine.dead,
            false => &engine.by_function,
        };
        let functions = match &filter.function {
            _ if from >= to => Vec::new(),
            Some(function) => vec![function.clone()],
            None => functions_in(keyspace, &filter.namespace)?,
        };
        let older = |function: FunctionName| {
            let prefix = function_prefix(&function);
            let range = [&prefix[..], &from].concat()..[&prefix[..], &to].concat();
            (prefix.len(), keyspace.range(range).rev())
        };
        let mut newest = Self {
            heads: BinaryHeap::new(),
            functions: functions.into_iter().map(older).collect(),
        };
        for function in 0..newest.functions.len() {
            newest.refill(function)?;
        }
        Ok(newest)
    }

    fn refill(&mut self, function: usize) -> Result<(), Error> {
        let (prefix, older) = &mut self.functions[function];
        if let Some(entry) = older.next() {
            let entry = entry.key().map_err(unavailable)?;
            let key = Key::try_from(&entry[*prefix..]).map_err(unavailable)?;
            self.heads.push((key, function));
        }
        Ok(())
    }
}

impl Iterator for Newest {
    type Item = Result<Key, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (key, function) = self.heads.pop()?;
        Some(self.refill(function).map(|()| key))
    }
}

/// Functions with entries there, by jumping from one to the next.
fn functions_in(keyspace: &fjall::Keyspace, namespace: &str) -> Result<Vec<FunctionName>, Error> {
    let mut functions = Vec::new();
    let mut from = [namespace, "\0"].concat().into_bytes();
    let end = [namespace, "\x01"].concat().into_bytes();
    while let Some(entry) = keyspace.range(from.clone()..end.clone()).next() {
        let key = entry.key().map_err(unavailable)?;
        let Some((function, _)) = split_function_key(&key) else {
            break;
        };
        from = [function.namespace(), "\0", function.name(), "\x01"]
            .concat()
            .into_bytes();
        functions.push(function);
    }
    Ok(functions)
}
