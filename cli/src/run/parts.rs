//! Starting the parts, saying where they listen, and ending them on a signal.
//!
//! Every call into the server and sidecar crates is here. Deliberately no daemonizing: that is
//! systemd's.

use std::io::IsTerminal as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use gateless_core::egress::Egress;
use gateless_core::record::pick::Settings;
use gateless_core::trusted::TrustedProxies;
use gateless_sandbox::Level;
use gateless_server::AdminToken;
use gateless_sidecar::instance::engine::Choice;
use serde_json::{Map, Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::run::args::DOMAIN;

/// Instances at once on a developer's machine.
const LOOPBACK_CAPACITY: u32 = 20;

/// A server whose API is still to be told to answer.
pub(crate) async fn start_server(
    config: gateless_server::Config,
) -> Result<gateless_server::Running, Failure> {
    let started = gateless_server::prepare(config).await;
    started.map_err(|error| {
        Failure::new(Exit::Failure, "start", "the server does not start")
            .cause(error)
            .hint("is another one running? choose other addresses with --listen and --grpc-listen")
    })
}

/// A running sidecar.
pub(crate) async fn start_sidecar(
    config: gateless_sidecar::Config,
) -> Result<gateless_sidecar::Running, Failure> {
    gateless_sidecar::run(config).await.map_err(|error| {
        let hint = match &error {
            gateless_sidecar::Error::Isolation(missing) => format!(
                "{}; or go on without: --isolation best-effort",
                missing.remedies()
            ),
            _ => {
                "is another one running? every sidecar on a host needs its own addresses and --data"
                    .to_owned()
            }
        };
        Failure::new(Exit::Failure, "start", "the sidecar does not start")
            .cause(error)
            .hint(hint)
    })
}

/// What of functions' isolation this host lacks, in one line; `None`: nothing that was asked for.
pub(crate) fn not_isolated(sidecar: &gateless_sidecar::Running) -> Option<String> {
    let isolation = &sidecar.isolation;
    let missing = gateless_sandbox::list(&isolation.missing);
    match isolation.level {
        Level::None if missing.is_empty() => {
            Some("functions are not isolated: --isolation none".to_owned())
        }
        Level::None => Some(format!(
            "functions are not isolated: --isolation none; this host lacks {missing} (gateless doctor says what to do)"
        )),
        _ if missing.is_empty() => None,
        _ => Some(format!(
            "functions are isolated without what this host lacks: {missing} (gateless doctor says what to do)"
        )),
    }
}

/// A server for this user alone.
pub(crate) fn loopback_server(
    data: &Path,
    listen: SocketAddr,
    tls: Option<gateless_tls::Options>,
) -> gateless_server::Config {
    gateless_server::Config {
        tls,
        listen,
        grpc_listen: any_port(),
        data: data.join("server"),
        secrets_key: gateless_server::SecretsKeySource::own_in(&data.join("server")),
        identity: gateless_server::IdentitySettings::default(),
        images: None,
        connections: gateless_listen::Options::default(),
    }
}

/// A sidecar of that server, for this user alone.
pub(crate) fn loopback_sidecar(
    server: String,
    data: &Path,
    listen: SocketAddr,
    identity: gateless_sidecar::Join,
    (isolation, container_engine): (gateless_sandbox::Settings, Choice),
    tls: Option<gateless_tls::Options>,
) -> gateless_sidecar::Config {
    gateless_sidecar::Config {
        tls,
        server: Some(server),
        data: data.join("sidecar"),
        listen,
        local_listen: any_port(),
        metrics_listen: Some(any_port()),
        peer_listen: any_port(),
        gossip_listen: any_port(),
        advertise_host: Ipv4Addr::LOCALHOST.to_string(),
        join: Vec::new(),
        identity,
        domain: DOMAIN.into(),
        // Whoever works on a function looks at each of its calls.
        record: Settings {
            one_in: 1,
            ..Settings::default()
        },
        trusted_proxies: TrustedProxies::default(),
        capacity: LOOPBACK_CAPACITY,
        management_relay: true,
        wasi_0_3: cfg!(feature = "wasm"),
        isolation,
        container_engine,
        egress: Egress::default(),
        egress_ca: None,
        connections: gateless_listen::Options::default(),
    }
}

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// An admin's token, made at the first start; asked for when everything else runs. A server without any admin runs, too.
pub(crate) async fn admin_token(
    server: &gateless_server::Running,
    out: &mut Output,
) -> Option<AdminToken> {
    match server.admin_token().await {
        Ok(admin) => admin,
        Err(error) => {
            out.note(format!(
                "nobody can administer this server: {error}; stop it and run gateless server recover"
            ));
            None
        }
    }
}

/// The dashboard's address, which signs in who opens it first. Only for a person at a terminal: it is good for five minutes,
/// but journals are for longer.
pub(crate) async fn login_link(
    server: &gateless_server::Running,
    admin: &AdminToken,
    out: &mut Output,
) -> Option<String> {
    if !is_for_people(out) {
        return None;
    }
    let link = server.login_link(&admin.token).await.ok()??;
    if server.redirect().is_none() && !server.api.ip().is_loopback() {
        let port = server.api.port();
        let at = match server.api.ip().is_unspecified() {
            true => format!("localhost:{port}"),
            false => server.api.to_string(),
        };
        out.note(format!(
            "over http a browser signs in at its own machine only; elsewhere first: {}",
            tunnel(&at, port)
        ));
    }
    Some(link)
}

/// The command by which this port of one's own machine is an address that the server's machine reaches.
pub(crate) fn tunnel(address: &str, port: u16) -> String {
    format!("ssh -L {port}:{address} HOST")
}

/// Whether somebody sits before it.
fn is_for_people(out: &Output) -> bool {
    out.format() == Format::Table && std::io::stdout().is_terminal()
}

/// Where the server listens and the file with an admin's token is, for [`announce`]; never the token itself, as what is
/// printed ends in journals.
pub(crate) fn server_ready(
    server: &gateless_server::Running,
    admin: Option<&AdminToken>,
) -> Map<String, Value> {
    let mut ready = object(&json!({"api": url(server.api), "grpc": secure_url(server.grpc)}));
    if let Some(api) = server.api_tls {
        ready.insert("api_tls".into(), json!(secure_url(api)));
    }
    if let Some(admin) = admin {
        ready.insert("admin_token_file".into(), json!(absolute(&admin.file)));
    }
    ready
}

/// A path that means the same in every folder.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Where the sidecar listens, for [`announce`].
pub(crate) fn sidecar_ready(sidecar: &gateless_sidecar::Running) -> Map<String, Value> {
    let mut ready = object(&json!({
        "public": url(sidecar.public),
        "local": url(sidecar.local),
        "peer": secure_url(sidecar.peer),
        "metrics": url(sidecar.metrics),
        "gossip": sidecar.gossip.to_string(),
    }));
    if let Some(public) = sidecar.public_tls {
        ready.insert("public_tls".into(), json!(secure_url(public)));
    }
    ready
}

/// One JSON line for programs; for people at a terminal the same as text.
pub(crate) fn announce(out: &mut Output, ready: Map<String, Value>) -> Result<(), Failure> {
    if is_for_people(out) {
        out.line("ready")?;
        for (key, value) in &ready {
            out.line(&format!(
                "  {key:18} {}",
                value.as_str().unwrap_or_default()
            ))?;
        }
        return Ok(());
    }
    let mut event = object(&json!({"event": "ready"}));
    event.extend(ready);
    out.line(&Value::Object(event).to_string())
}

/// SIGTERM and SIGINT.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Before anything starts, so no signal finds the default handler.
    pub(crate) fn new() -> Result<Self, Failure> {
        let on = |kind| signal(kind).map_err(|e| Failure::io("cannot listen for signals", &e));
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
        })
    }

    /// Waits for one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for a signal, then for `shutdown`, or for a second signal.
    pub(crate) async fn until_ended(
        &mut self,
        out: &mut Output,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), Failure> {
        self.next().await;
        out.note("shutting down; a second signal ends it at once");
        tokio::select! {
            () = shutdown => Ok(()),
            () = self.next() => Err(Failure::new(Exit::Failure, "forced", "ended before everything had shut down")
                .hint("instances still running are adopted by the next start on the same data folder")),
        }
    }
}

/// Runs a part, with logs.
pub(crate) fn block_on(task: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    block_on_with("info", task)
}

/// Runs parts, with logs of `level` unless GATELESS_LOG says otherwise.
pub(crate) fn block_on_with(
    level: &str,
    task: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    init_logs(level);
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::io("cannot start the runtime", &e))?
        .block_on(task)
}

/// To stderr: text at a terminal, JSON lines otherwise.
fn init_logs(level: &str) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("GATELESS_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Set twice only in tests; the first one stays.
    if std::io::stderr().is_terminal() {
        builder.compact().try_init().ok();
    } else {
        builder.json().try_init().ok();
    }
}

/// What a sidecar in this very process joins with.
pub(crate) async fn join(
    server: &gateless_server::Running,
) -> Result<gateless_sidecar::Join, Failure> {
    let token = server.join_token().await;
    let token = token.map_err(|error| {
        Failure::new(Exit::Failure, "start", "the sidecar gets no join token").cause(error)
    })?;
    Ok(gateless_sidecar::Join::Token(token))
}

/// The address as a URL where connections are over TLS.
pub(crate) fn secure_url(address: SocketAddr) -> String {
    format!("https://{address}")
}

/// The address as a URL.
pub(crate) fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// The members of a JSON object.
pub(crate) fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}
