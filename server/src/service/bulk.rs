//! The same done to many asynchronous calls: cancel, replay.
//!
//! Each call is acted on by itself, as it is with one; what fails is told by id. One request handles at
//! most [`MAX_CALLS`]; whoever has more asks again.

use std::future::Future;

use futures_util::{StreamExt, stream};

use super::calls::{Act, Filter};
use super::functions::Name;
use super::{Error, Result, Service};

/// Calls one request handles.
pub const MAX_CALLS: usize = 1000;
/// Of them at a time.
const AT_ONCE: usize = 32;

/// Which calls.
#[derive(Debug, Clone)]
pub enum Which {
    /// These.
    Ids(Vec<String>),
    /// Those in any of these states, newest first.
    States(Vec<String>),
}

/// What became of them.
#[derive(Debug, Default)]
pub struct Done {
    /// How many it was done to.
    pub count: u64,
    /// Those it was not done to, and why.
    pub failed: Vec<(String, Error)>,
    /// There were more in these states than one request handles.
    pub more: bool,
}

impl Service {
    /// Acts on many calls of a function; with `only`, on those in this state.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is neither the function nor a call of it.
    pub async fn act_on_all(
        &self,
        name: Name<'_>,
        which: Which,
        act: Act,
        only: Option<&'static str>,
    ) -> Result<Done> {
        let (ids, more) = match which {
            Which::Ids(ids) => {
                self.must_be_known(name).await?;
                (distinct(ids), false)
            }
            Which::States(states) => {
                let filter = Filter {
                    function: name.1.to_owned(),
                    states,
                    ..Filter::default()
                };
                let found = self.list_calls(name.0, &filter, "", MAX_CALLS).await?;
                let ids = found.value.calls.into_iter().map(|call| call.id);
                (ids.collect(), found.value.next.is_some())
            }
        };
        let acts = ids.into_iter().map(|id| async move {
            let acted = self.act_if(name, &id, act, only).await;
            (id, acted)
        });
        Ok(Done {
            more,
            ..each(acts).await
        })
    }

    async fn act_if(
        &self,
        name: Name<'_>,
        id: &str,
        act: Act,
        only: Option<&'static str>,
    ) -> Result<()> {
        if let Some(wanted) = only {
            self.must_be(name, id, wanted).await?;
        }
        self.act(name, id, act).await.map(drop)
    }

    /// A call in this state.
    pub(super) async fn must_be(
        &self,
        name: Name<'_>,
        id: &str,
        wanted: &'static str,
    ) -> Result<()> {
        let call = self.call(name, id).await?;
        match call.state == wanted {
            true => Ok(()),
            false => Err(Error::WrongState {
                id: call.id,
                state: call.state,
                wanted,
            }),
        }
    }
}

/// Each of them once.
pub(super) fn distinct(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// So many at a time, and what became of all of them.
pub(super) async fn each<F>(acts: impl Iterator<Item = F>) -> Done
where
    F: Future<Output = (String, Result<()>)>,
{
    let mut done = Done::default();
    let mut acted = stream::iter(acts).buffer_unordered(AT_ONCE);
    while let Some((id, acted)) = acted.next().await {
        match acted {
            Ok(()) => done.count += 1,
            Err(error) => done.failed.push((id, error)),
        }
    }
    done.failed.sort_by(|a, b| a.0.cmp(&b.0));
    done
}
