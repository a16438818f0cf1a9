//! A sidecar that does what the test says: its config stream, and its `SidecarAdmin`.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use gateless_identity::fixture::incoming;
use gateless_identity::{Peer, Role};
use gateless_proto::v1::sidecar_admin_server::{SidecarAdmin, SidecarAdminServer};
use gateless_proto::v1::watch_request::Kind;
use gateless_proto::v1::*;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

mod served;

#[allow(unused_imports, reason = "every test binary uses its own part of it")]
pub(crate) use served::{Served, serve_config};

use super::Server;

/// A config stream.
pub(crate) struct Sidecar {
    pub(crate) requests: mpsc::Sender<WatchRequest>,
    pub(crate) responses: Streaming<WatchResponse>,
}

/// What a sidecar says first.
pub(crate) fn hello(node: &str, peer: &str) -> WatchHello {
    WatchHello {
        node_id: node.into(),
        version: "0.1.0".into(),
        public_url: "http://127.0.0.1:8080".into(),
        peer_address: peer.into(),
        ..WatchHello::default()
    }
}

impl Sidecar {
    /// Connects and says hello.
    pub(crate) async fn open(served: &Served, hello: WatchHello) -> Self {
        let (requests, receiver) = mpsc::channel(16);
        let mut client = served.connect(&hello.node_id).await;
        let hello = WatchRequest {
            kind: Some(Kind::Hello(hello)),
        };
        requests.send(hello).await.unwrap();
        let stream = client.watch(ReceiverStream::new(receiver)).await;
        let responses = stream.unwrap().into_inner();
        Self {
            requests,
            responses,
        }
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> WatchResponse {
        self.responses.message().await.unwrap().unwrap()
    }

    pub(crate) async fn send(&self, kind: Kind) {
        let request = WatchRequest { kind: Some(kind) };
        self.requests.send(request).await.unwrap();
    }

    /// Applied, but for what is named.
    pub(crate) async fn ack(&self, version: u64, rejected: &[(&str, &str)]) {
        let rejected = rejected.iter().map(|(resource, reason)| Rejection {
            resource: (*resource).into(),
            reason: (*reason).into(),
        });
        let rejected = rejected.collect();
        self.send(Kind::Ack(WatchAck {
            version,
            rejected,
            refused: None,
        }))
        .await;
    }

    /// What it runs: one revision's status.
    pub(crate) async fn report(&self, status: RevisionStatus) {
        self.report_of(0, status).await;
    }

    /// The same, of a version of the catalogue.
    pub(crate) async fn report_of(&self, version: u64, status: RevisionStatus) {
        let instance = InstanceStatus {
            id: "i1".into(),
            namespace: status.namespace.clone(),
            function: status.function.clone(),
            revision: status.revision.clone(),
            state: "ready".into(),
            started_at_ms: 1000,
            ..InstanceStatus::default()
        };
        let report = StatusReport {
            instances: vec![instance],
            revisions: vec![status],
            held: 2,
            async_queued: 3,
            draining: false,
            version,
        };
        self.send(Kind::Status(report)).await;
    }
}

/// Names of changed resources and whether they are there.
pub(crate) fn names(response: &WatchResponse) -> Vec<(&str, bool)> {
    let changes = response.changes.iter();
    changes
        .map(|c| (c.name.as_str(), c.resource.is_some()))
        .collect()
}

/// The one function in a message.
pub(crate) fn function(response: &WatchResponse) -> Function {
    let found = response.changes.iter().find_map(|change| {
        match change.resource.as_ref()?.kind.as_ref()? {
            resource::Kind::Function(function) => Some(function.clone()),
            resource::Kind::Secret(_) | resource::Kind::Trigger(_) => None,
        }
    });
    found.unwrap()
}

/// A `SidecarAdmin` over calls in memory.
#[derive(Clone, Default)]
pub(crate) struct Admin {
    pub(crate) calls: Arc<Mutex<Vec<Call>>>,
    pub(crate) lines: Vec<LogLine>,
    /// What an observer sees, and then nothing more.
    pub(crate) observations: Vec<Observation>,
    pub(crate) triggers: Arc<Mutex<Vec<TriggerStatus>>>,
}

impl Admin {
    /// Serves on a free port until the test ends, as the sidecar `node`.
    pub(crate) async fn serve(self, server: &Server, node: &str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let identity = server.joined().node(node).await;
        let check = |request: Request<()>| {
            let peer = request.extensions().get::<Option<Peer>>();
            let peer = peer.and_then(Option::as_ref);
            match peer.is_some_and(|peer| peer.id.role == Role::Server) {
                true => Ok(request),
                false => Err(Status::unauthenticated("not the server")),
            }
        };
        let service = SidecarAdminServer::with_interceptor(self, check);
        let builder = tonic::transport::Server::builder().add_service(service);
        let stop = server.shutdown.clone().cancelled_owned();
        let incoming = incoming(listener, identity);
        tokio::spawn(builder.serve_with_incoming_shutdown(incoming, stop));
        address
    }

    fn find(&self, id: &str) -> Result<Call, Status> {
        let calls = self.calls.lock();
        let found = calls.iter().find(|call| call.id == id).cloned();
        found.ok_or_else(|| Status::not_found("no such call"))
    }

    fn set(&self, id: &str, state: &str) -> Result<Response<Call>, Status> {
        let mut calls = self.calls.lock();
        let call = calls.iter_mut().find(|call| call.id == id);
        let call = call.ok_or_else(|| Status::not_found("no such call"))?;
        if call.state == state {
            return Err(Status::failed_precondition(format!("it is {state}")));
        }
        state.clone_into(&mut call.state);
        Ok(Response::new(call.clone()))
    }

    fn dead(&self, request: &PurgeRequest) -> u64 {
        let mut calls = self.calls.lock();
        let before = calls.len();
        calls.retain(|call| !(call.function == request.function && call.state == "dead"));
        (before - calls.len()) as u64
    }
}

#[tonic::async_trait]
impl SidecarAdmin for Admin {
    type GetCatalogueStream = stream::Empty<Result<WatchResponse, Status>>;
    type FetchArtifactStream = stream::Empty<Result<ArtifactChunk, Status>>;

    async fn get_catalogue(
        &self,
        _: Request<GetCatalogueRequest>,
    ) -> Result<Response<Self::GetCatalogueStream>, Status> {
        Ok(Response::new(stream::empty()))
    }

    async fn fetch_artifact(
        &self,
        _: Request<FetchArtifactRequest>,
    ) -> Result<Response<Self::FetchArtifactStream>, Status> {
        Err(Status::not_found("no artifacts here"))
    }

    async fn list_calls(
        &self,
        request: Request<ListCallsRequest>,
    ) -> Result<Response<ListCallsResponse>, Status> {
        let request = request.into_inner();
        let mut calls = self.calls.lock().clone();
        calls.retain(|call| {
            call.namespace == request.namespace
                && (request.function.is_empty() || call.function == request.function)
                && (request.states.is_empty() || request.states.contains(&call.state))
                && (request.before.is_empty() || call.id < request.before)
        });
        calls.sort_by(|a, b| b.id.cmp(&a.id));
        calls.truncate(request.limit as usize);
        Ok(Response::new(ListCallsResponse {
            calls,
            ..ListCallsResponse::default()
        }))
    }

    async fn get_call(&self, request: Request<CallRequest>) -> Result<Response<Call>, Status> {
        self.find(&request.into_inner().id).map(Response::new)
    }

    type GetCallResultStream = BoxStream<'static, Result<CallResult, Status>>;

    async fn get_call_result(
        &self,
        request: Request<CallRequest>,
    ) -> Result<Response<Self::GetCallResultStream>, Status> {
        let call = self.find(&request.into_inner().id)?;
        if call.state != "succeeded" {
            return Err(Status::failed_precondition("it is not finished"));
        }
        let header = |name: &str, value: &str| Header {
            name: name.into(),
            value: value.into(),
        };
        let head = CallResult {
            status: call.status,
            headers: vec![header("content-type", "text/html"), header("x-own", "1")],
            data: b"he".to_vec(),
        };
        let rest = CallResult {
            data: b"llo".to_vec(),
            ..CallResult::default()
        };
        Ok(Response::new(stream::iter([Ok(head), Ok(rest)]).boxed()))
    }

    type GetCallInputStream = BoxStream<'static, Result<CallInput, Status>>;

    async fn get_call_input(
        &self,
        request: Request<CallRequest>,
    ) -> Result<Response<Self::GetCallInputStream>, Status> {
        self.find(&request.into_inner().id)?;
        let header = |name: &str, value: &str| Header {
            name: name.into(),
            value: value.into(),
        };
        let head = CallInput {
            headers: vec![
                header("content-type", "text/plain"),
                header("authorization", "Bearer s3cret"),
            ],
            data: b"an or".to_vec(),
        };
        let rest = CallInput {
            data: b"der".to_vec(),
            ..CallInput::default()
        };
        Ok(Response::new(stream::iter([Ok(head), Ok(rest)]).boxed()))
    }

    async fn cancel_call(&self, request: Request<CallRequest>) -> Result<Response<Call>, Status> {
        self.set(&request.into_inner().id, "cancelled")
    }

    async fn replay_call(&self, request: Request<CallRequest>) -> Result<Response<Call>, Status> {
        self.set(&request.into_inner().id, "queued")
    }

    async fn list_queues(
        &self,
        request: Request<ListQueuesRequest>,
    ) -> Result<Response<ListQueuesResponse>, Status> {
        let is_dead = |call: &&Call| call.function == "hello" && call.state == "dead";
        let dead = self.calls.lock().iter().filter(is_dead).count() as u64;
        let queue = QueueStatus {
            namespace: request.into_inner().namespace,
            function: "hello".into(),
            queued: 2,
            dead,
            oldest_age_ms: 5,
            ..QueueStatus::default()
        };
        Ok(Response::new(ListQueuesResponse {
            queues: vec![queue],
        }))
    }

    async fn purge_dead_letters(
        &self,
        request: Request<PurgeRequest>,
    ) -> Result<Response<CountResponse>, Status> {
        let count = self.dead(&request.into_inner());
        Ok(Response::new(CountResponse { count }))
    }

    async fn purge_history(
        &self,
        request: Request<PurgeRequest>,
    ) -> Result<Response<CountResponse>, Status> {
        let request = request.into_inner();
        let mut calls = self.calls.lock();
        let before = calls.len();
        calls.retain(|call| {
            let is_over = matches!(call.state.as_str(), "succeeded" | "cancelled");
            call.function != request.function || !is_over
        });
        let count = (before - calls.len()) as u64;
        Ok(Response::new(CountResponse { count }))
    }

    async fn replay_dead_letters(
        &self,
        request: Request<PurgeRequest>,
    ) -> Result<Response<CountResponse>, Status> {
        let count = self.dead(&request.into_inner());
        Ok(Response::new(CountResponse { count }))
    }

    type ObserveStream = BoxStream<'static, Result<Observation, Status>>;

    async fn observe(
        &self,
        _: Request<ObserveRequest>,
    ) -> Result<Response<Self::ObserveStream>, Status> {
        let seen = self.observations.clone().into_iter().map(Ok);
        Ok(Response::new(
            stream::iter(seen).chain(stream::pending()).boxed(),
        ))
    }

    async fn set_draining(
        &self,
        request: Request<SetDrainingRequest>,
    ) -> Result<Response<DrainStatus>, Status> {
        let draining = request.into_inner().draining;
        let instances = 1;
        Ok(Response::new(DrainStatus {
            draining,
            instances,
        }))
    }

    type LogsStream = BoxStream<'static, Result<LogLine, Status>>;

    async fn logs(
        &self,
        request: Request<LogsRequest>,
    ) -> Result<Response<Self::LogsStream>, Status> {
        let request = request.into_inner();
        let tail = self.lines.len().saturating_sub(request.tail_lines as usize);
        let lines: Vec<_> = self.lines.iter().skip(tail).cloned().map(Ok).collect();
        let lines = stream::iter(lines);
        Ok(Response::new(match request.follow {
            true => lines.chain(stream::pending()).boxed(),
            false => lines.boxed(),
        }))
    }

    async fn list_triggers(
        &self,
        request: Request<ListTriggersRequest>,
    ) -> Result<Response<ListTriggersResponse>, Status> {
        let request = request.into_inner();
        let mut triggers = self.triggers.lock().clone();
        triggers.retain(|t| {
            t.namespace == request.namespace && (request.name.is_empty() || t.name == request.name)
        });
        Ok(Response::new(ListTriggersResponse { triggers }))
    }

    async fn share_triggers(
        &self,
        _: Request<TriggerLevels>,
    ) -> Result<Response<TriggerLevels>, Status> {
        Err(Status::unimplemented("sidecars ask each other"))
    }

    async fn accept_calls(
        &self,
        _: Request<AcceptCallsRequest>,
    ) -> Result<Response<AcceptCallsResponse>, Status> {
        Err(Status::unimplemented("sidecars ask each other"))
    }

    async fn find_keys(
        &self,
        _: Request<FindKeysRequest>,
    ) -> Result<Response<FindKeysResponse>, Status> {
        Err(Status::unimplemented("sidecars ask each other"))
    }

    /// One record of each call.
    async fn list_records(
        &self,
        request: Request<ListRecordsRequest>,
    ) -> Result<Response<ListRecordsResponse>, Status> {
        let asked = request.into_inner();
        let calls = self.calls.lock().clone();
        let records = calls.into_iter().map(|call| CallRecord {
            id: call.id,
            namespace: call.namespace,
            function: call.function,
            state: "answered".to_owned(),
            status: 200,
            ..CallRecord::default()
        });
        let mut records: Vec<_> = records
            .filter(|record| {
                record.namespace == asked.namespace
                    && (asked.function.is_empty() || record.function == asked.function)
                    && (asked.before.is_empty() || record.id < asked.before)
                    && (asked.id.is_empty() || record.id == asked.id)
            })
            .collect();
        records.sort_by(|a, b| b.id.cmp(&a.id));
        records.truncate(asked.limit as usize);
        Ok(Response::new(ListRecordsResponse { records }))
    }
}
