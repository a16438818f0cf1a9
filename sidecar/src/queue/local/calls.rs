//! What is answered of the local queue's calls, and what changes them.
//!
//! A change is decided in the writer thread, on the call as it is then.

use futures_util::future::BoxFuture;
use gateless_core::name::FunctionName;

use super::Local;
use super::batch::{By, Op};
use super::engine::Key;
use crate::queue::Error;
use crate::queue::calls::{Among, Calls, Decide, Location};
use crate::queue::filter::{Filter, Page};
use crate::queue::token::Proof;
use crate::queue::types::{CallId, CallResult, Depth, Record, View};

impl Local {
    async fn decide(&self, key: Key, decide: Decide) -> Result<(), Error> {
        let change = |reply| Op::Change(key, By::Anybody(decide), reply);
        self.writes.submit(0, change).await
    }
}

impl Calls for Local {
    fn locate(&self, id: &CallId) -> Location {
        if *id.node() == self.shared.config.node {
            Location::Here
        } else {
            Location::Sidecar(id.node().clone())
        }
    }

    fn token(&self, id: &CallId) -> String {
        self.shared.tokens.of(id)
    }

    fn is_token(&self, id: &CallId, shown: &Proof) -> bool {
        self.shared.tokens.fits(id, shown)
    }

    fn get<'a>(&'a self, id: &'a CallId) -> BoxFuture<'a, Result<View, Error>> {
        Box::pin(self.read_view(id.clone()))
    }

    fn result<'a>(&'a self, id: &'a CallId) -> BoxFuture<'a, Result<CallResult, Error>> {
        Box::pin(self.read_result(id.clone()))
    }

    fn request<'a>(&'a self, id: &'a CallId) -> BoxFuture<'a, Result<Record, Error>> {
        Box::pin(self.read_request(id.clone()))
    }

    fn list(&self, filter: Filter) -> BoxFuture<'_, Result<Page, Error>> {
        Box::pin(self.read_list(filter))
    }

    fn depths(&self) -> Vec<Depth> {
        let now = self.shared.config.clock.now();
        self.shared.index.lock().depths(now)
    }

    fn change<'a>(&'a self, id: &'a CallId, decide: Decide) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.decide(self.key(id)?, decide).await })
    }

    fn change_all<'a>(
        &'a self,
        function: &'a FunctionName,
        among: Among,
        decide: Decide,
    ) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(async move {
            let keys = match among {
                Among::Waiting => self.shared.index.lock().idle(function),
                Among::Dead => self.dead(function).await?,
                Among::History => self.all_of(function).await?,
            };
            self.each(keys, |key| self.decide(key, decide)).await
        })
    }
}
