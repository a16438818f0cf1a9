//! A server over a store in memory, called without a socket; and the routes of the OpenAPI document.
//!
//! In the test binary `minimal_store` the store has no more than every store must have.

#![allow(dead_code, reason = "every test binary uses its own part of it")]
#![allow(clippy::unwrap_used, reason = "a test helper fails its test")]

pub(crate) mod fake;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use gateless_identity::{Identity, NewKey, Trust};
use gateless_proto::v1;
use gateless_server::audit::Log;
use gateless_server::auth::{Auth, Grant, Role};
use gateless_server::changes::Changes;
use gateless_server::identity::{self, Identities, JoinTokenGrant};
use gateless_server::metrics::Metrics;
use gateless_server::secrets_key::{self, SecretsKey, Source};
use gateless_server::service::Service;
use gateless_server::sidecars::Registry;
use gateless_server::store::artifacts::Artifacts;
use gateless_server::store::blobs::{Blobs, MemoryBlobs};
use gateless_server::store::recorded::Recorded;
use gateless_server::store::sealed::{Keyring, Sealed, Vault};
use gateless_server::store::{LogBounds, MemoryStore, Store};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Everything but the listeners.
pub(crate) struct Server {
    /// The operations behind the routes.
    pub(crate) service: Arc<Service>,
    /// The tokens.
    pub(crate) auth: Arc<Auth>,
    /// Who is who.
    pub(crate) identities: Arc<Identities>,
    /// Sidecars that have joined.
    joined: Joined,
    /// The metrics.
    pub(crate) metrics: Arc<Metrics>,
    /// The catalogue.
    pub(crate) store: Arc<dyn Store>,
    /// The same as it lies, with what is secret sealed.
    pub(crate) raw: Arc<dyn Store>,
    /// The same, to break it.
    memory: Option<Arc<MemoryStore>>,
    /// The artifacts' content.
    pub(crate) blobs: Arc<dyn Blobs>,
    /// Cancelled when the test ends.
    pub(crate) shutdown: CancellationToken,
    router: Router,
    folder: tempfile::TempDir,
}

/// What a call answered.
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body as JSON; null if it is none.
    pub(crate) body: Value,
    /// Its body.
    pub(crate) bytes: bytes::Bytes,
}

impl Answer {
    /// Fails unless the status is this one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        self
    }

    /// Fails unless it is this problem, complete.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.body["code"], code, "{:#}", answer.body);
        assert_eq!(answer.body["status"], status);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        for field in ["type", "title", "detail"] {
            assert!(answer.body[field].is_string(), "{:#}", answer.body);
        }
        answer
    }

    /// The pointers of a problem's errors.
    pub(crate) fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().into_iter().flatten();
        errors
            .filter_map(|error| error["pointer"].as_str())
            .collect()
    }

    /// Its etag.
    pub(crate) fn etag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }
}

impl Server {
    /// With nothing in it.
    pub(crate) async fn start() -> Self {
        let bounds = LogBounds::default();
        let store = match env!("CARGO_CRATE_NAME") {
            "minimal_store" => MemoryStore::minimal(bounds),
            _ => MemoryStore::new(bounds),
        };
        let memory = Arc::new(store);
        let mut server = Self::over(memory.clone(), Arc::new(MemoryBlobs::default())).await;
        server.memory = Some(memory);
        server
    }

    /// Another server on the same store.
    pub(crate) async fn beside(&self) -> Self {
        // Servers of one catalogue have one authority.
        let copied = self.folder.path().join("identity/authority.json");
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("identity")).unwrap();
        std::fs::copy(copied, folder.path().join("identity/authority.json")).unwrap();
        let keys = self.folder.path().join("secrets-key");
        std::fs::copy(keys, folder.path().join("secrets-key")).unwrap();
        let (store, blobs) = (Arc::clone(&self.raw), Arc::clone(&self.blobs));
        let mut beside = Self::over_in(folder, store, blobs).await;
        beside.joined = self.joined();
        beside
    }

    /// On a store that may have something in it.
    pub(crate) async fn over(store: Arc<dyn Store>, blobs: Arc<dyn Blobs>) -> Self {
        Self::over_in(tempfile::tempdir().unwrap(), store, blobs).await
    }

    async fn over_in(
        folder: tempfile::TempDir,
        store: Arc<dyn Store>,
        blobs: Arc<dyn Blobs>,
    ) -> Self {
        let raw = Arc::clone(&store);
        let source = Source::own_in(folder.path());
        let file = folder.path().join("secrets-key");
        if !file.exists() {
            std::fs::write(&file, &*Keyring::generate().to_text()).unwrap();
        }
        let keyring = Keyring::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let vault = Vault::open(Arc::clone(&raw), keyring).await.unwrap();
        let keys = SecretsKey::new(source, Arc::clone(&vault), Arc::clone(&raw), None);
        let sealed = Sealed::new(store, vault, secrets_key::scope, true);
        let store: Arc<dyn Store> = Arc::new(Recorded::new(Arc::new(sealed)));
        let keys = Arc::new(keys);
        let artifacts = Artifacts::new(Arc::clone(&blobs));
        let auth = Arc::new(Auth::open(Arc::clone(&store)).await.unwrap());
        let changes = Changes::default();
        let settings = identity::Settings::default();
        let identities = Identities::open(Arc::clone(&store), folder.path().into(), settings);
        let identities = identities.await.unwrap();
        let registry = Registry::new(identities.identity().clone(), changes.clone());
        let registry = Arc::new(registry);
        let service = Arc::new(Service::new(
            Arc::clone(&store),
            artifacts,
            registry,
            changes,
        ));
        let metrics = Arc::new(Metrics::default());
        let shutdown = CancellationToken::new();
        let router = gateless_server::http::router(gateless_server::http::Parts {
            service: Arc::clone(&service),
            auth: Arc::clone(&auth),
            identities: Arc::clone(&identities),
            secrets_key: Arc::clone(&keys),
            metrics: Arc::clone(&metrics),
            images: Arc::new(images(folder.path())),
            audit: Log::open(folder.path().join("audit")).unwrap(),
            shutdown: shutdown.clone(),
        });
        tokio::spawn(keys.run(shutdown.clone()));
        Self {
            service,
            auth,
            joined: Joined::new(Arc::clone(&identities)),
            identities,
            metrics,
            store,
            raw,
            memory: None,
            blobs,
            shutdown,
            router,
            folder,
        }
    }

    /// Those who have joined.
    pub(crate) fn joined(&self) -> Joined {
        self.joined.clone()
    }

    /// From now on the catalogue is read-only.
    pub(crate) fn break_store(&self) {
        let memory = self.memory.as_ref().unwrap();
        memory.set_read_only(Some("the disk failed".into()));
    }

    /// A token that lives for an hour.
    pub(crate) async fn token(&self, namespace: &str, role: Role) -> String {
        let grant = Grant {
            namespace: namespace.into(),
            role,
            ttl_seconds: 3600,
            description: String::new(),
        };
        self.auth.issue(grant, Timestamp::now()).await.unwrap().0
    }

    /// A token that may do everything.
    pub(crate) async fn admin(&self) -> String {
        self.token("*", Role::Admin).await
    }

    /// Calls a route whose body may not end.
    pub(crate) async fn open(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Calls a route.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.open(request).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            bytes,
        }
    }

    /// Calls a route with a token and JSON.
    pub(crate) async fn call(
        &self,
        method: &str,
        uri: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        self.with(method, uri, token, &[], body).await
    }

    /// Calls a route as an admin.
    pub(crate) async fn admin_call(&self, method: &str, uri: &str, body: Option<Value>) -> Answer {
        let token = self.admin().await;
        self.call(method, uri, Some(&token), body).await
    }

    /// Calls a route with more headers.
    pub(crate) async fn with(
        &self,
        method: &str,
        uri: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request.body(body).unwrap()).await
    }
}

/// Sidecars that join when they are first asked for.
#[derive(Clone)]
pub(crate) struct Joined {
    identities: Arc<Identities>,
    known: Arc<tokio::sync::Mutex<HashMap<String, Identity>>>,
}

impl Joined {
    fn new(identities: Arc<Identities>) -> Self {
        Self {
            identities,
            known: Arc::default(),
        }
    }

    /// The identity of a sidecar.
    pub(crate) async fn node(&self, node: &str) -> Identity {
        let mut known = self.known.lock().await;
        if let Some(identity) = known.get(node) {
            return identity.clone();
        }
        let grant = JoinTokenGrant {
            uses: 1,
            ttl: Duration::from_secs(60),
            description: String::new(),
        };
        let (token, _) = self.identities.create_token(grant).await.unwrap();
        let key = NewKey::generate().unwrap();
        let request = v1::JoinRequest {
            token: token.expose(),
            node_id: node.to_owned(),
            signing_request: key.request().unwrap(),
        };
        let joined = self.identities.join(request).await.unwrap();
        let credentials = key.certified(joined.chain).unwrap();
        let trust = Trust::pinned(joined.trust.unwrap(), &token.fingerprint).unwrap();
        let identity = Identity::new(credentials, trust).unwrap();
        known.insert(node.to_owned(), identity.clone());
        identity
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// The smallest component that handles requests; it is never run.
pub(crate) const HANDLER: &str = r#"(component
    (import "wasi:http/types@0.2.3" (instance $types
        (export "incoming-request" (type (sub resource)))
        (export "response-outparam" (type (sub resource)))))
    (alias export $types "incoming-request" (type $request))
    (alias export $types "response-outparam" (type $response))
    (core module $m (memory (export "memory") 4) (table 9 funcref) (func (export "handle") (param i32 i32)))
    (core instance $i (instantiate $m))
    (func $handle (param "request" (own $request)) (param "response" (own $response))
        (canon lift (core func $i "handle")))
    (instance $handler (export "handle" (func $handle)))
    (export "wasi:http/incoming-handler@0.2.3" (instance $handler)))"#;

/// A program, `acme/echo:1`, a component, `acme/hello:1`, and what is none, `acme/module:1`.
fn images(folder: &std::path::Path) -> gateless_server::openfaas::images::Images {
    let table = folder.join("images.toml");
    let entries = r#"
        [[image]]
        name = "acme/echo:1"
        command = ["echo"]
        [[image]]
        name = "acme/hello:1"
        component = "hello.wasm"
        [[image]]
        name = "acme/module:1"
        component = "module.wasm"
    "#;
    std::fs::write(folder.join("hello.wasm"), wat::parse_str(HANDLER).unwrap()).unwrap();
    std::fs::write(
        folder.join("module.wasm"),
        wat::parse_str("(module)").unwrap(),
    )
    .unwrap();
    std::fs::write(&table, entries).unwrap();
    gateless_server::openfaas::images::Images::load(&table).unwrap()
}

/// A spec that differs with `command`.
pub(crate) fn spec(command: &str) -> Value {
    json!({"spec": {"kind": "process", "process": {"command": [command]}}})
}

/// A spec whose revisions are ready at once.
pub(crate) fn empty_spec(command: &str) -> Value {
    json!({"spec": {
        "kind": "process",
        "process": {"command": [command]},
        "scaling": {"initial_scale": 0},
    }})
}

/// Every operation of the document: method, path, operation.
pub(crate) fn operations() -> Vec<(String, String, Value)> {
    let document = serde_json::to_value(gateless_server::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation.get("operationId").is_some() {
                found.push((method.to_uppercase(), path.clone(), operation.clone()));
            }
        }
    }
    found
}
