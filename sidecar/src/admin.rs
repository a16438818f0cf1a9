//! `SidecarAdmin`: what the server and other sidecars may ask of this one.
//!
//! Only translation between the wire and the queue's own words. Who may ask at all is
//! checked before, by the listener.

pub(crate) mod copies;
pub(crate) mod logs;

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use gateless_common::time;
use gateless_core::name::{FunctionName, NodeId};
use gateless_core::policy::{Identity, Policy, Refused};
use gateless_identity::{Peer, Role};
use gateless_proto::v1;
use gateless_proto::v1::sidecar_admin_server::SidecarAdmin;
use tonic::{Request, Response, Status};

use crate::cluster;
use crate::cluster::drain::Draining;
use crate::cluster::pass::Parts;
use crate::queue::admit::admit;
use crate::queue::dispatcher::Dispatcher;
use crate::queue::home::{self, Group};
use crate::queue::token::Proof;
use crate::queue::types::{CallId, View};
use crate::queue::wire::{filter, function, input_messages, result_messages, status};
use crate::queue::{self, Calls, Homes, Inbox, reading};
use crate::runtime::Registry;
use crate::telemetry::observe::Observer;
use crate::telemetry::records::Records;
use crate::trigger;

/// The log lines of this host's instances.
pub trait Logs: Send + Sync + 'static {
    /// Those asked for; ends unless the request says to follow.
    fn stream(&self, request: v1::LogsRequest) -> BoxStream<'static, v1::LogLine>;
}

/// What there is to watch and to change on this host.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) observer: Arc<Observer>,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) draining: Arc<Draining>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) peers: cluster::Handle,
    pub(crate) records: Arc<Records>,
}

/// Where calls of other sidecars are taken in.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) homes: Arc<Homes>,
    pub(crate) inbox: Arc<dyn Inbox>,
    pub(crate) policy: Arc<Policy>,
}

pub struct Admin {
    queue: Arc<dyn Calls>,
    keys: Keys,
    logs: Arc<dyn Logs>,
    host: Host,
    triggers: trigger::Handle,
}

impl Admin {
    /// Over this host's queue, logs, instances and triggers.
    pub(crate) fn new(
        queue: Arc<dyn Calls>,
        keys: Keys,
        logs: Arc<dyn Logs>,
        host: Host,
        triggers: trigger::Handle,
    ) -> Self {
        Self {
            queue,
            keys,
            logs,
            host,
            triggers,
        }
    }

    /// A call, for whom its sidecar tells everything.
    async fn get(&self, id: &CallId) -> Result<v1::Call, Status> {
        let view = self.queue.get(id).await.map_err(status)?;
        Ok(self.host.dispatcher.shown(&view))
    }

    /// A call, for a caller of another sidecar's who showed this.
    async fn read(&self, id: &CallId, shown: &Proof) -> Result<View, Status> {
        let key = |function: &_, shown: &_| self.host.registry.key_of(function, shown);
        let read = reading::read(&*self.queue, id, Some(shown), key).await;
        read.map_err(status)
    }
}

#[tonic::async_trait]
impl SidecarAdmin for Admin {
    type GetCallResultStream = BoxStream<'static, Result<v1::CallResult, Status>>;
    type GetCallInputStream = BoxStream<'static, Result<v1::CallInput, Status>>;
    type LogsStream = BoxStream<'static, Result<v1::LogLine, Status>>;
    type GetCatalogueStream = Parts<v1::WatchResponse>;
    type FetchArtifactStream = Parts<v1::ArtifactChunk>;
    type ObserveStream = BoxStream<'static, Result<v1::Observation, Status>>;

    async fn get_catalogue(
        &self,
        request: Request<v1::GetCatalogueRequest>,
    ) -> Result<Response<Self::GetCatalogueStream>, Status> {
        let request = request.into_inner();
        let parts = self.host.peers.passes_on()?.catalogue(&request);
        Ok(Response::new(parts))
    }

    async fn fetch_artifact(
        &self,
        request: Request<v1::FetchArtifactRequest>,
    ) -> Result<Response<Self::FetchArtifactStream>, Status> {
        let pass = self.host.peers.passes_on()?;
        let artifact = pass.artifact(request.into_inner().sha256);
        Ok(Response::new(artifact.await?))
    }

    async fn list_calls(
        &self,
        request: Request<v1::ListCallsRequest>,
    ) -> Result<Response<v1::ListCallsResponse>, Status> {
        let filter = filter(request.into_inner())?;
        let page = self.queue.list(filter).await.map_err(status)?;
        Ok(Response::new(v1::ListCallsResponse {
            calls: page
                .calls
                .iter()
                .map(|view| self.host.dispatcher.shown(view))
                .collect(),
            scanned_to: page.scanned_to.map(|id| id.to_string()).unwrap_or_default(),
        }))
    }

    async fn get_call(
        &self,
        request: Request<v1::CallRequest>,
    ) -> Result<Response<v1::Call>, Status> {
        let id = id(&request)?;
        let known = match reader(&request)? {
            Reader::Server => self.get(&id).await?,
            Reader::Caller(shown) => self.host.dispatcher.shown(&self.read(&id, &shown).await?),
            Reader::Sidecar => over(&self.get(&id).await?),
        };
        Ok(Response::new(known))
    }

    async fn get_call_result(
        &self,
        request: Request<v1::CallRequest>,
    ) -> Result<Response<Self::GetCallResultStream>, Status> {
        let id = id(&request)?;
        match reader(&request)? {
            Reader::Server => {}
            Reader::Caller(shown) => drop(self.read(&id, &shown).await?),
            Reader::Sidecar => return Err(status(queue::Error::NotFound(id.to_string()))),
        }
        let result = self.queue.result(&id).await.map_err(status)?;
        let messages = result_messages(result).into_iter().map(Ok);
        Ok(Response::new(stream::iter(messages).boxed()))
    }

    async fn get_call_input(
        &self,
        request: Request<v1::CallRequest>,
    ) -> Result<Response<Self::GetCallInputStream>, Status> {
        let id = id(&request)?;
        let record = self.queue.request(&id).await.map_err(status)?;
        let messages = input_messages(record).into_iter().map(Ok);
        Ok(Response::new(stream::iter(messages).boxed()))
    }

    async fn cancel_call(
        &self,
        request: Request<v1::CallRequest>,
    ) -> Result<Response<v1::Call>, Status> {
        let id = id(&request)?;
        let view = self.queue.cancel(&id).await.map_err(status)?;
        Ok(Response::new(self.host.dispatcher.shown(&view)))
    }

    async fn replay_call(
        &self,
        request: Request<v1::CallRequest>,
    ) -> Result<Response<v1::Call>, Status> {
        let id = id(&request)?;
        let view = self.queue.replay(&id).await.map_err(status)?;
        Ok(Response::new(self.host.dispatcher.shown(&view)))
    }

    async fn list_queues(
        &self,
        request: Request<v1::ListQueuesRequest>,
    ) -> Result<Response<v1::ListQueuesResponse>, Status> {
        let namespace = request.into_inner().namespace;
        let depths = self.queue.depths().into_iter();
        let depths = depths.filter(|d| d.function.namespace() == namespace);
        let queues = depths.map(|depth| v1::QueueStatus {
            namespace: depth.function.namespace().to_owned(),
            function: depth.function.name().to_owned(),
            queued: depth.queued,
            running: depth.running,
            retrying: depth.retrying,
            dead: depth.dead,
            oldest_age_ms: time::millis(depth.oldest),
        });
        let queues = queues.collect();
        Ok(Response::new(v1::ListQueuesResponse { queues }))
    }

    async fn purge_dead_letters(
        &self,
        request: Request<v1::PurgeRequest>,
    ) -> Result<Response<v1::CountResponse>, Status> {
        let function = purged(&request)?;
        let count = self.queue.purge_dead(&function).await.map_err(status)?;
        Ok(Response::new(v1::CountResponse { count }))
    }

    async fn purge_history(
        &self,
        request: Request<v1::PurgeRequest>,
    ) -> Result<Response<v1::CountResponse>, Status> {
        let function = purged(&request)?;
        let count = self.queue.purge_history(&function).await.map_err(status)?;
        Ok(Response::new(v1::CountResponse { count }))
    }

    async fn replay_dead_letters(
        &self,
        request: Request<v1::PurgeRequest>,
    ) -> Result<Response<v1::CountResponse>, Status> {
        let function = purged(&request)?;
        let count = self.queue.replay_dead(&function).await.map_err(status)?;
        Ok(Response::new(v1::CountResponse { count }))
    }

    async fn logs(
        &self,
        request: Request<v1::LogsRequest>,
    ) -> Result<Response<Self::LogsStream>, Status> {
        let lines = self.logs.stream(request.into_inner());
        Ok(Response::new(self.host.peers.until_left(lines.map(Ok))))
    }

    async fn observe(
        &self,
        _: Request<v1::ObserveRequest>,
    ) -> Result<Response<Self::ObserveStream>, Status> {
        Ok(Response::new(
            self.host.peers.until_left(self.host.observer.watch()),
        ))
    }

    async fn set_draining(
        &self,
        request: Request<v1::SetDrainingRequest>,
    ) -> Result<Response<v1::DrainStatus>, Status> {
        let draining = request.into_inner().draining;
        let set = self.host.draining.set(draining).await;
        set.map_err(|error| Status::internal(format!("it cannot be remembered: {error}")))?;
        let instances = u32::try_from(self.host.registry.instances()).unwrap_or(u32::MAX);
        Ok(Response::new(v1::DrainStatus {
            draining,
            instances,
        }))
    }

    async fn list_triggers(
        &self,
        request: Request<v1::ListTriggersRequest>,
    ) -> Result<Response<v1::ListTriggersResponse>, Status> {
        let request = request.into_inner();
        let statuses = self.triggers.statuses(&request.namespace, &request.name);
        let triggers = statuses.await;
        Ok(Response::new(v1::ListTriggersResponse { triggers }))
    }

    async fn share_triggers(
        &self,
        request: Request<v1::TriggerLevels>,
    ) -> Result<Response<v1::TriggerLevels>, Status> {
        let known = self.triggers.shared(request.into_inner()).await?;
        Ok(Response::new(known))
    }

    async fn accept_calls(
        &self,
        request: Request<v1::AcceptCallsRequest>,
    ) -> Result<Response<v1::AcceptCallsResponse>, Status> {
        let from = proven(&request)?;
        let request = request.into_inner();
        let passed = home::passed(&request.passed);
        let calls = request.calls.into_iter().map(|call| {
            let record = home::record(call)?;
            let function = self.host.registry.function(&record.function);
            let missing = || Status::failed_precondition("the function is not known here");
            let function = &function.ok_or_else(missing)?.config;
            let from = Identity::Sidecar(Some(from.clone()));
            let admitted = admit(&self.keys.policy, function, record, from);
            let refused = |refused: Refused| Status::failed_precondition(refused.to_string());
            Ok::<_, Status>((admitted.map_err(refused)?, function.async_policy))
        });
        let group = Group {
            home: request.home,
            calls: calls.collect::<Result<_, _>>()?,
        };
        let taken = self.keys.homes.take(group, &passed).await.map_err(status)?;
        Ok(Response::new(home::accepted_response(taken)))
    }

    async fn find_keys(
        &self,
        request: Request<v1::FindKeysRequest>,
    ) -> Result<Response<v1::FindKeysResponse>, Status> {
        let found = home::find(&*self.keys.inbox, request.into_inner()).await?;
        Ok(Response::new(found))
    }

    async fn list_records(
        &self,
        request: Request<v1::ListRecordsRequest>,
    ) -> Result<Response<v1::ListRecordsResponse>, Status> {
        Ok(Response::new(self.host.records.list(request.into_inner())?))
    }
}

/// Who reads a call.
enum Reader {
    /// It has asked whoever asked it for a role.
    Server,
    /// A caller of another sidecar's, who showed this.
    Caller(Proof),
    /// Another sidecar, for itself or, of a version before tokens, for anyone.
    Sidecar,
}

fn reader(request: &Request<v1::CallRequest>) -> Result<Reader, Status> {
    let peer = request.extensions().get::<Option<Peer>>();
    let role = peer.and_then(|peer| Some(peer.as_ref()?.id.role));
    let proof = &request.get_ref().proof;
    match (role, proof.is_empty()) {
        (Some(Role::Server), _) => Ok(Reader::Server),
        (_, true) => Ok(Reader::Sidecar),
        (_, false) => {
            let proof = proof.as_slice().try_into();
            let bad = |_| Status::invalid_argument("proof: must have 32 bytes");
            proof.map(Reader::Caller).map_err(bad)
        }
    }
}

/// What a schedule of another sidecar's must know: whether the call is over.
fn over(call: &v1::Call) -> v1::Call {
    v1::Call {
        id: call.id.clone(),
        state: call.state.clone(),
        finished_at_ms: call.finished_at_ms,
        node_id: call.node_id.clone(),
        ..v1::Call::default()
    }
}

/// The sidecar whose connection it is.
fn proven<T>(request: &Request<T>) -> Result<NodeId, Status> {
    let peer = request.extensions().get::<Option<Peer>>();
    let node = peer.and_then(|peer| peer.as_ref()?.id.sidecar());
    node.map(NodeId::new)
        .ok_or_else(|| Status::permission_denied("only a sidecar may do this"))
}

fn id(request: &Request<v1::CallRequest>) -> Result<CallId, Status> {
    CallId::parse(&request.get_ref().id).map_err(status)
}

fn purged(request: &Request<v1::PurgeRequest>) -> Result<FunctionName, Status> {
    let request = request.get_ref();
    function(&request.namespace, &request.function)
}
