//! Asynchronous calls, queues and dead letters: they live on the sidecars, so every question goes to
//! all of them at once and the answers are merged. Who could not be asked is named in `warnings`.

mod page;

use std::collections::BTreeMap;
use std::future::Future;

use futures_util::future::join_all;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use gateless_proto::v1::list_calls_request::Cause;
use gateless_proto::v1::{
    Call, CallRequest, CallResult, CountResponse, Header, ListCallsRequest, ListCallsResponse,
    ListQueuesRequest, PurgeRequest, QueueStatus,
};
use tonic::{Code, Response, Status};

pub use self::page::Page;
use self::page::merged;
use super::functions::Name;
use super::{Error, Kind, Result, Service};
use crate::sidecars::clients::{Admin, CALL_TIMEOUT, CallError, Client};

/// A sidecar whose part of the answer is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Which.
    pub sidecar: String,
    /// Why.
    pub detail: String,
}

/// What could be gathered, and what not.
#[derive(Debug)]
pub struct Gathered<T> {
    /// The merged answers.
    pub value: T,
    /// Whose is missing.
    pub warnings: Vec<Warning>,
}

/// Which calls.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Empty: every function of the namespace.
    pub function: String,
    /// Any of these; empty: all.
    pub states: Vec<String>,
    /// Answered so: 100 to 599, or 1 to 5 for any of that hundred; 0: whatever the answer.
    pub status: u16,
    /// What made them; `None`: whatever did.
    pub cause: Option<Cause>,
    /// Empty: with or without one.
    pub idempotency_key: String,
    /// Accepted then or later, Unix milliseconds; 0: no bound.
    pub since_ms: u64,
    /// Accepted before, Unix milliseconds; 0: no bound.
    pub until_ms: u64,
}

/// What to do with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Not started: at once. In flight: the attempt is aborted.
    Cancel,
    /// Back into the queue with fresh attempts.
    Replay,
}

impl Service {
    /// Asks every connected sidecar at once.
    pub(super) async fn gather<T, F>(&self, ask: impl Fn(Admin) -> F) -> Gathered<Vec<T>>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let (clients, gone) = self.registry.clients();
        let asked = clients.iter().map(|client| client.ask(&ask));
        let mut warnings: Vec<Warning> = gone
            .into_iter()
            .map(|(sidecar, since)| Warning {
                sidecar,
                detail: format!("not connected since {since:.0}"),
            })
            .collect();
        let mut value = Vec::with_capacity(clients.len());
        for answer in join_all(asked).await {
            match answer {
                Ok(answer) => value.push(answer),
                Err(CallError { sidecar, status }) => warnings.push(Warning {
                    sidecar,
                    detail: status.message().to_owned(),
                }),
            }
        }
        Gathered { value, warnings }
    }

    /// Calls of a namespace, newest first, with ids below `before`. Those of a deleted function are there for as
    /// long as sidecars keep them. Sidecars look at so many calls for one part: what is returned is complete down to
    /// where the next one begins.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the filter names a function that is not there and has no calls.
    pub async fn list_calls(
        &self,
        namespace: &str,
        filter: &Filter,
        before: &str,
        limit: usize,
    ) -> Result<Gathered<Page>> {
        let request = ListCallsRequest {
            namespace: namespace.to_owned(),
            function: filter.function.clone(),
            states: filter.states.clone(),
            // One more than wanted says whether there are more.
            limit: u32::try_from(limit.saturating_add(1)).unwrap_or(u32::MAX),
            before: before.to_owned(),
            status: filter.status.into(),
            cause: filter.cause.clone(),
            idempotency_key: filter.idempotency_key.clone(),
            since_ms: filter.since_ms,
            until_ms: filter.until_ms,
        };
        let Gathered { value, warnings } = self.ask_for_calls(request).await;
        let page = merged(value, limit);
        let nothing = page.calls.is_empty() && page.next.is_none();
        if nothing && warnings.is_empty() && !filter.function.is_empty() {
            self.must_be_known((namespace, &filter.function)).await?;
        }
        Ok(Gathered {
            value: page,
            warnings,
        })
    }

    async fn ask_for_calls(&self, request: ListCallsRequest) -> Gathered<Vec<ListCallsResponse>> {
        let answers = self.gather(|mut admin| {
            let request = request.clone();
            async move { admin.list_calls(request).await }
        });
        answers.await
    }

    /// A name for which there is a function, or a call of one that was deleted; where a sidecar cannot be
    /// asked, it may have one.
    pub(super) async fn must_be_known(&self, name: Name<'_>) -> Result<()> {
        let Err(unknown) = self.function_record(name).await else {
            return Ok(());
        };
        let any = ListCallsRequest {
            namespace: name.0.to_owned(),
            function: name.1.to_owned(),
            limit: 1,
            ..ListCallsRequest::default()
        };
        let any = self.ask_for_calls(any).await;
        let none = any.value.iter().all(|answer| answer.calls.is_empty());
        match none && any.warnings.is_empty() {
            true => Err(unknown),
            false => Ok(()),
        }
    }

    /// A function to make calls of again.
    pub(super) async fn must_be_callable(&self, name: Name<'_>) -> Result<()> {
        match self.function_record(name).await {
            Err(Error::NotFound { .. }) => {
                self.must_be_known(name).await?;
                Err(Error::FunctionDeleted(format!("{}/{}", name.0, name.1)))
            }
            found => found.map(drop),
        }
    }

    /// The sidecar that has a call: its id ends in the sidecar's.
    fn client_of(&self, name: Name<'_>, id: &str) -> Result<Client> {
        let missing = || Error::not_found(Kind::Invocation, format!("{}/{}/{id}", name.0, name.1));
        let node = id
            .rsplit_once('-')
            .map(|(_, node)| node)
            .ok_or_else(missing)?;
        if self.registry.is_removed(node) {
            return Err(Error::CallLost {
                id: id.chars().take(64).collect(),
                sidecar: node.to_owned(),
            });
        }
        self.registry.client(node).ok_or_else(missing)
    }

    /// One call of a function.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::CallLost`] or [`Error::Sidecar`].
    pub async fn call(&self, name: Name<'_>, id: &str) -> Result<Call> {
        let client = self.client_of(name, id)?;
        let call = get(&client, id).await;
        let missing = || Error::not_found(Kind::Invocation, format!("{}/{}/{id}", name.0, name.1));
        match call {
            Ok(call) if call.namespace == name.0 && call.function == name.1 => Ok(call),
            // Of another function, perhaps of another namespace: not for this caller to know.
            Ok(_) => Err(missing()),
            Err(error) if error.status.code() == Code::NotFound => Err(missing()),
            Err(error) => Err(error.into()),
        }
    }

    /// One call, of whichever function of the namespace.
    ///
    /// # Errors
    /// Those of [`Service::call`].
    pub async fn call_of_any(&self, namespace: &str, id: &str) -> Result<Call> {
        let client = self.client_of((namespace, "*"), id)?;
        let missing = || Error::not_found(Kind::Invocation, format!("{namespace}/{id}"));
        match get(&client, id).await {
            Ok(call) if call.namespace == namespace => Ok(call),
            // Of another namespace: not for this caller to know.
            Ok(_) => Err(missing()),
            Err(error) if error.status.code() == Code::NotFound => Err(missing()),
            Err(error) => Err(error.into()),
        }
    }

    /// What a call was made with: the call, its headers, and its body's first `most` bytes.
    ///
    /// # Errors
    /// Those of [`Service::call`].
    pub async fn input(
        &self,
        name: Name<'_>,
        id: &str,
        most: usize,
    ) -> Result<(Call, Vec<Header>, Vec<u8>)> {
        let call = self.call(name, id).await?;
        let client = self.client_of(name, id)?;
        let request = by_role(id);
        let stream = client.ask(|mut admin| async move { admin.get_call_input(request).await });
        let mut stream = stream.await?;
        let failed = |status| CallError {
            sidecar: client.sidecar.clone(),
            status,
        };
        let (mut headers, mut body) = (Vec::new(), Vec::new());
        let read = async {
            while let Some(part) = stream.message().await? {
                headers.extend(part.headers);
                body.extend_from_slice(&part.data);
                if body.len() > most {
                    break;
                }
            }
            Ok::<_, Status>(())
        };
        match tokio::time::timeout(CALL_TIMEOUT, read).await {
            Ok(Ok(())) => {}
            Ok(Err(status)) => return Err(failed(status).into()),
            Err(_) => return Err(failed(Status::deadline_exceeded("no request within 5 s")).into()),
        }
        body.truncate(most);
        Ok((call, headers, body))
    }

    /// Cancels or replays a call.
    ///
    /// # Errors
    /// [`Error::FunctionDeleted`] for a replay of what can no longer be called; those of [`Service::call`];
    /// [`Error::Sidecar`] with `FailedPrecondition` when its state does not allow it.
    pub async fn act(&self, name: Name<'_>, id: &str, act: Act) -> Result<Call> {
        self.call(name, id).await?;
        if act == Act::Replay {
            self.must_be_callable(name).await?;
        }
        let client = self.client_of(name, id)?;
        let request = by_role(id);
        let call = client.ask(|mut admin| async move {
            match act {
                Act::Cancel => admin.cancel_call(request).await,
                Act::Replay => admin.replay_call(request).await,
            }
        });
        Ok(call.await?)
    }

    /// A finished call's result: its head, and its body as it comes.
    ///
    /// # Errors
    /// Those of [`Service::act`].
    pub async fn result(
        &self,
        name: Name<'_>,
        id: &str,
    ) -> Result<(CallResult, BoxStream<'static, Result<bytes::Bytes, Status>>)> {
        self.call(name, id).await?;
        let client = self.client_of(name, id)?;
        let request = by_role(id);
        let stream = client.ask(|mut admin| async move { admin.get_call_result(request).await });
        let mut stream = stream.await?;
        let failed = |status| CallError {
            sidecar: client.sidecar.clone(),
            status,
        };
        let first = tokio::time::timeout(CALL_TIMEOUT, stream.message()).await;
        let mut head = match first {
            Ok(Ok(Some(head))) => head,
            Ok(Ok(None)) => return Err(failed(Status::internal("an empty result stream")).into()),
            Ok(Err(status)) => return Err(failed(status).into()),
            Err(_) => return Err(failed(Status::deadline_exceeded("no result within 5 s")).into()),
        };
        let start = bytes::Bytes::from(std::mem::take(&mut head.data));
        let rest = stream.map_ok(|part| bytes::Bytes::from(part.data));
        let body = futures_util::stream::once(async { Ok(start) }).chain(rest);
        Ok((head, body.boxed()))
    }

    /// The queues of a namespace, by function, summed over sidecars.
    pub async fn queues(&self, namespace: &str) -> Gathered<Vec<QueueStatus>> {
        let answers = self
            .gather(|mut admin| {
                let namespace = namespace.to_owned();
                async move { admin.list_queues(ListQueuesRequest { namespace }).await }
            })
            .await;
        let mut queues: BTreeMap<String, QueueStatus> = BTreeMap::new();
        for queue in answers.value.into_iter().flat_map(|answer| answer.queues) {
            if queue.namespace != namespace {
                continue;
            }
            let sum = queues
                .entry(queue.function.clone())
                .or_insert_with(|| QueueStatus {
                    namespace: namespace.to_owned(),
                    function: queue.function.clone(),
                    ..QueueStatus::default()
                });
            sum.queued += queue.queued;
            sum.running += queue.running;
            sum.retrying += queue.retrying;
            sum.dead += queue.dead;
            sum.oldest_age_ms = sum.oldest_age_ms.max(queue.oldest_age_ms);
        }
        Gathered {
            value: queues.into_values().collect(),
            warnings: answers.warnings,
        }
    }

    /// Deletes a function's dead letters, also when it was deleted itself, or puts them back into the queue;
    /// answers with how many.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is neither the function nor a call of it; [`Error::FunctionDeleted`]
    /// for a replay when there are only calls.
    pub async fn dead_letters(&self, name: Name<'_>, replay: bool) -> Result<Gathered<u64>> {
        match replay {
            true => self.must_be_callable(name).await?,
            false => self.must_be_known(name).await?,
        }
        let request = PurgeRequest {
            namespace: name.0.to_owned(),
            function: name.1.to_owned(),
        };
        let answers = self.gather(|mut admin| {
            let request = request.clone();
            async move {
                match replay {
                    true => admin.replay_dead_letters(request).await,
                    false => admin.purge_dead_letters(request).await,
                }
            }
        });
        Ok(sum(answers.await))
    }

    /// Forgets a function's calls that succeeded or were cancelled, also when it was deleted itself; answers with how many.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is neither the function nor a call of it.
    pub async fn purge_history(&self, name: Name<'_>) -> Result<Gathered<u64>> {
        self.must_be_known(name).await?;
        let request = PurgeRequest {
            namespace: name.0.to_owned(),
            function: name.1.to_owned(),
        };
        let answers = self.gather(|mut admin| {
            let request = request.clone();
            async move { admin.purge_history(request).await }
        });
        Ok(sum(answers.await))
    }
}

fn sum(answers: Gathered<Vec<CountResponse>>) -> Gathered<u64> {
    Gathered {
        value: answers.value.iter().map(|answer| answer.count).sum(),
        warnings: answers.warnings,
    }
}

/// About a call, for somebody whose role lets them ask: nothing else has to be shown.
fn by_role(id: &str) -> CallRequest {
    CallRequest {
        id: id.to_owned(),
        proof: Vec::new(),
    }
}

async fn get(client: &Client, id: &str) -> Result<Call, CallError> {
    let request = by_role(id);
    let call = client.ask(|mut admin| async move { admin.get_call(request).await });
    call.await
}
