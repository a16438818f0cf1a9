//! Real sidecars with real processes, fed by a catalogue without a server: a cold call is
//! held and served, also when the instance lives on another host.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]
#![allow(unsafe_code, reason = "a test binary has no main to begin with")]

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use gateless_core::trusted::TrustedProxies;
use gateless_identity::fixture::Cluster;
use gateless_proto::v1::{self, config_service_server};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

// This binary is also the launcher of instances.
gateless_sandbox::launch_before_main!();

static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::new);
const FUNCTION: &str = "import http.server,os\nclass H(http.server.BaseHTTPRequestHandler):\n protocol_version='HTTP/1.1'\n def do_GET(s):\n  b=(s.path+' '+os.environ['K_REVISION']).encode();s.send_response(200);s.send_header('content-length',str(len(b)));s.end_headers();s.wfile.write(b)\n def log_message(*a):pass\nhttp.server.ThreadingHTTPServer(('127.0.0.1',int(os.environ['PORT'])),H).serve_forever()";

/// A server that knows nothing but one catalogue.
struct Catalogue(v1::Function);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl config_service_server::ConfigService for Catalogue {
    type WatchStream = Answers<v1::WatchResponse>;
    type FetchArtifactStream = Answers<v1::ArtifactChunk>;

    async fn watch(
        &self,
        mut request: Request<Streaming<v1::WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let resource = v1::resource::Kind::Function(self.0.clone());
        let first = v1::WatchResponse {
            api_port: 0,
            trust: None,
            catalogue_id: "test".into(),
            version: 1,
            snapshot: true,
            changes: vec![v1::Change {
                name: format!("functions/{}/{}", self.0.namespace, self.0.name),
                resource: Some(v1::Resource {
                    kind: Some(resource),
                    ..Default::default()
                }),
            }],
            ..Default::default()
        };
        let acks = async_drain(async move {
            while let Ok(Some(message)) = request.get_mut().message().await {
                if let Some(v1::watch_request::Kind::Ack(ack)) = message.kind {
                    assert!(ack.rejected.is_empty(), "{:?}", ack.rejected);
                }
            }
        });
        let open = tokio_stream::once(Ok(first)).chain(acks);
        Ok(Response::new(Box::pin(open)))
    }

    async fn fetch_artifact(
        &self,
        _: Request<v1::FetchArtifactRequest>,
    ) -> Result<Response<Self::FetchArtifactStream>, Status> {
        Err(Status::not_found("none"))
    }
}

/// A stream that yields nothing and ends with `task`.
fn async_drain<T>(
    task: impl Future<Output = ()> + Send + 'static,
) -> impl Stream<Item = Result<T, Status>> + Send {
    let joined = tokio::spawn(task);
    futures_util::stream::once(joined).filter_map(|_| None)
}

fn function() -> v1::Function {
    let mut function = gateless_proto::fixture::function("hello", &["python3", "-c", FUNCTION]);
    let scaling = function.revisions[0].scaling.as_mut().unwrap();
    scaling.initial_scale = 0;
    function
}

async fn catalogue() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = config_service_server::ConfigServiceServer::new(Catalogue(function()));
    let incoming = gateless_identity::fixture::incoming(listener, CLUSTER.server());
    let serving = tonic::transport::Server::builder()
        .add_service(service)
        .serve_with_incoming(incoming);
    tokio::spawn(serving);
    address
}

static NODES: AtomicU32 = AtomicU32::new(1);

async fn sidecar(
    server: SocketAddr,
    data: &std::path::Path,
    join: Vec<String>,
) -> gateless_sidecar::Running {
    let node = format!("{:08x}", NODES.fetch_add(1, Ordering::Relaxed));
    CLUSTER.provision(data, &node);
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    gateless_sidecar::run(gateless_sidecar::Config {
        server: Some(format!("https://{server}")),
        data: data.to_owned(),
        listen: any,
        local_listen: any,
        metrics_listen: Some(any),
        peer_listen: any,
        gossip_listen: any,
        advertise_host: "127.0.0.1".into(),
        join,
        identity: gateless_sidecar::Join::No,
        domain: "gateless.local".into(),
        record: gateless_core::record::pick::Settings::default(),
        capacity: 10,
        trusted_proxies: TrustedProxies::default(),
        management_relay: true,
        wasi_0_3: false,
        container_engine: gateless_sidecar::instance::engine::Choice::Off,
        isolation: gateless_sandbox::Settings::none(),
        egress: gateless_core::egress::Egress::default(),
        egress_ca: None,
        tls: None,
        connections: gateless_listen::Options::default(),
    })
    .await
    .unwrap()
}

struct Answer {
    status: u16,
    cold: String,
    timing: String,
    body: String,
}

async fn get(sidecar: &gateless_sidecar::Running, path: &str) -> Answer {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let url = format!("http://{}{path}", sidecar.public).parse().unwrap();
    let response = client.get(url).await.unwrap();
    let text = |name: &str| {
        response
            .headers()
            .get(name)
            .map_or("", |v| v.to_str().unwrap())
            .to_owned()
    };
    let (status, cold, timing) = (
        response.status().as_u16(),
        text("x-gateless-cold-start"),
        text("server-timing"),
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answer {
        status,
        cold,
        timing,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// The catalogue arrives when it arrives: until then the function is unknown.
async fn get_known(sidecar: &gateless_sidecar::Running, path: &str) -> Answer {
    let patience = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let answer = get(sidecar, path).await;
        if answer.status != 404 || tokio::time::Instant::now() > patience {
            return answer;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cold_call_is_held_and_served_then_warm_ones_at_once() {
    let (server, data) = (catalogue().await, tempfile::tempdir().unwrap());
    let one = sidecar(server, data.path(), Vec::new()).await;
    let cold = get_known(&one, "/function/hello/a?b=1").await;
    assert_eq!(
        (cold.status, cold.body.as_str()),
        (200, "/a?b=1 hello-00001")
    );
    assert_eq!(cold.cold, "true");
    assert!(cold.timing.contains("hold;dur="), "{}", cold.timing);
    let warm = get(&one, "/function/hello.default/x").await;
    assert_eq!(
        (warm.status, warm.body.as_str(), warm.cold.as_str()),
        (200, "/x hello-00001", "false")
    );
    one.shutdown(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn call_is_served_by_every_sidecar() {
    let server = catalogue().await;
    let data = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let one = sidecar(server, data[0].path(), Vec::new()).await;
    let join = vec![one.gossip.to_string()];
    let two = sidecar(server, data[1].path(), join.clone()).await;
    let three = sidecar(server, data[2].path(), join).await;
    let all = [&one, &two, &three];
    let answers = all.map(|sidecar| get_known(sidecar, "/function/hello/x"));
    for answer in futures_util::future::join_all(answers).await {
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "/x hello-00001")
        );
    }
    for sidecar in [one, two, three] {
        sidecar.shutdown(true).await;
    }
}
