//! `up`, `server`, `sidecar`: starts the parts and ends them on a signal.
//!
//! Every call into the server and sidecar crates is here. On SIGTERM or SIGINT a sidecar stops
//! taking calls, lets those in flight finish and stops its instances; with `--keep-instances`
//! they stay up and the next sidecar on the same data folder adopts them, as after a crash. A
//! second signal ends the process at once. Deliberately no daemonizing: that is systemd's.

use std::io::IsTerminal as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Exit, Failure};
use crate::login::{Login, secret_file, user_folder};
use crate::output::{Format, Output};

/// Run server and sidecar in one process.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Folder for everything kept [default: ~/.local/share/gateless].
    #[arg(long, env = "GATELESS_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Management API.
    #[arg(
        long,
        env = "GATELESS_LISTEN",
        default_value = "127.0.0.1:7780",
        value_name = "ADDR"
    )]
    listen: SocketAddr,
    /// Config push to sidecars.
    #[arg(
        long,
        env = "GATELESS_GRPC_LISTEN",
        default_value = "127.0.0.1:7781",
        value_name = "ADDR"
    )]
    grpc_listen: SocketAddr,
    /// Calls from outside.
    #[arg(
        long,
        env = "GATELESS_FUNCTION_LISTEN",
        default_value = "127.0.0.1:7700",
        value_name = "ADDR"
    )]
    function_listen: SocketAddr,
    #[command(flatten)]
    host: HostArgs,
}

/// Run the management server.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// Folder for the catalogue [default: ~/.local/share/gateless/server].
    #[arg(long, env = "GATELESS_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Management API.
    #[arg(
        long,
        env = "GATELESS_LISTEN",
        default_value = "127.0.0.1:7780",
        value_name = "ADDR"
    )]
    listen: SocketAddr,
    /// Config push to sidecars.
    #[arg(
        long,
        env = "GATELESS_GRPC_LISTEN",
        default_value = "127.0.0.1:7781",
        value_name = "ADDR"
    )]
    grpc_listen: SocketAddr,
    /// Secret the cluster shares [default: DATA/cluster-secret, made at first start].
    #[arg(long, env = "GATELESS_CLUSTER_SECRET_FILE", value_name = "FILE")]
    cluster_secret_file: Option<PathBuf>,
}

/// Run a sidecar.
#[derive(Debug, Args)]
pub(crate) struct SidecarArgs {
    /// The server's gRPC address; without one it runs from its last-good config.
    #[arg(long, env = "GATELESS_CONFIG_SERVER", value_name = "URL")]
    server: Option<String>,
    /// Folder for config, queue and instances [default: ~/.local/share/gateless/sidecar].
    #[arg(long, env = "GATELESS_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Calls from outside.
    #[arg(
        long,
        env = "GATELESS_LISTEN",
        default_value = "127.0.0.1:7700",
        value_name = "ADDR"
    )]
    listen: SocketAddr,
    /// Secret the cluster shares [default: DATA/cluster-secret].
    #[arg(long, env = "GATELESS_CLUSTER_SECRET_FILE", value_name = "FILE")]
    cluster_secret_file: Option<PathBuf>,
    #[command(flatten)]
    host: HostArgs,
}

/// What a sidecar needs to know of its host and its peers.
#[derive(Debug, Args)]
struct HostArgs {
    /// Calls from functions on this host.
    #[arg(
        long,
        env = "GATELESS_LOCAL_LISTEN",
        default_value = "127.0.0.1:7701",
        value_name = "ADDR"
    )]
    local_listen: SocketAddr,
    /// Calls from other sidecars and the server.
    #[arg(
        long,
        env = "GATELESS_PEER_LISTEN",
        default_value = "127.0.0.1:7702",
        value_name = "ADDR"
    )]
    peer_listen: SocketAddr,
    /// Membership, UDP.
    #[arg(
        long,
        env = "GATELESS_GOSSIP_LISTEN",
        default_value = "127.0.0.1:7703",
        value_name = "ADDR"
    )]
    gossip_listen: SocketAddr,
    /// Host others reach this one by [default: the peer listener's address].
    #[arg(long, env = "GATELESS_ADVERTISE_HOST", value_name = "HOST")]
    advertise_host: Option<String>,
    /// Gossip addresses of other sidecars, HOST:PORT.
    #[arg(
        long,
        env = "GATELESS_JOIN",
        value_delimiter = ',',
        value_name = "ADDR,..."
    )]
    join: Vec<String>,
    /// Functions are also called by the host name NAME.NAMESPACE.DOMAIN.
    #[arg(long, env = "GATELESS_DOMAIN", default_value = "gateless.local")]
    domain: String,
    /// Instances this host may run at once.
    #[arg(
        long,
        env = "GATELESS_CAPACITY",
        default_value_t = 100,
        value_name = "N"
    )]
    capacity: u32,
    /// Leave instances running on SIGTERM and SIGINT; the next start adopts them.
    #[arg(long, env = "GATELESS_KEEP_INSTANCES")]
    keep_instances: bool,
}

/// `gateless up`
pub(crate) fn up(args: &UpArgs, out: &mut Output) -> Result<(), Failure> {
    let data = data_folder(args.data.as_ref(), "")?;
    let secret = secret_file(&data.join("cluster-secret"), true)?;
    block_on(async {
        let mut signals = Signals::new()?;
        let server = start_server(gateless_server::Config {
            listen: args.listen,
            grpc_listen: args.grpc_listen,
            data: data.join("server"),
            cluster_secret: secret.clone(),
        })
        .await?;
        let grpc = url(server.grpc);
        let config = args.host.config(
            Some(grpc),
            data.join("sidecar"),
            args.function_listen,
            secret,
        );
        let sidecar = match start_sidecar(config?).await {
            Ok(sidecar) => sidecar,
            Err(failure) => {
                server.shutdown().await;
                return Err(failure);
            }
        };
        if let Some(token) = &server.first_admin_token {
            save_first_login(out, &url(server.api), token)?;
        }
        let mut ready = server_ready(&server);
        ready.append(&mut sidecar_ready(&sidecar));
        announce(out, ready)?;
        signals
            .until_ended(out, async {
                sidecar.shutdown(!args.host.keep_instances).await;
                server.shutdown().await;
            })
            .await
    })
}

/// `gateless server`
pub(crate) fn server(args: &ServerArgs, out: &mut Output) -> Result<(), Failure> {
    let data = data_folder(args.data.as_ref(), "server")?;
    let secret = secret_file(&secret_path(args.cluster_secret_file.as_ref(), &data), true)?;
    block_on(async {
        let mut signals = Signals::new()?;
        let server = start_server(gateless_server::Config {
            listen: args.listen,
            grpc_listen: args.grpc_listen,
            data,
            cluster_secret: secret,
        })
        .await?;
        announce(out, server_ready(&server))?;
        signals.until_ended(out, server.shutdown()).await
    })
}

/// `gateless sidecar`
pub(crate) fn sidecar(args: &SidecarArgs, out: &mut Output) -> Result<(), Failure> {
    let data = data_folder(args.data.as_ref(), "sidecar")?;
    // A sidecar alone may make its own; one with others must be given theirs.
    let alone = args.server.is_none() && args.host.join.is_empty();
    let secret = secret_file(
        &secret_path(args.cluster_secret_file.as_ref(), &data),
        alone,
    )?;
    let config = args
        .host
        .config(args.server.clone(), data, args.listen, secret)?;
    block_on(async {
        let mut signals = Signals::new()?;
        let sidecar = start_sidecar(config).await?;
        announce(out, sidecar_ready(&sidecar))?;
        signals
            .until_ended(out, sidecar.shutdown(!args.host.keep_instances))
            .await
    })
}

impl HostArgs {
    fn config(
        &self,
        server: Option<String>,
        data: PathBuf,
        listen: SocketAddr,
        cluster_secret: String,
    ) -> Result<gateless_sidecar::Config, Failure> {
        let advertise_host = match (&self.advertise_host, self.peer_listen.ip()) {
            (Some(host), _) => host.clone(),
            (None, ip) if ip.is_unspecified() => {
                return Err(Failure::usage(
                    "other sidecars need to know this host's name or address",
                )
                .cause(format!(
                    "--peer-listen {} is every address of this host",
                    self.peer_listen
                ))
                .hint("add --advertise-host HOST"));
            }
            (None, IpAddr::V6(ip)) => format!("[{ip}]"),
            (None, IpAddr::V4(ip)) => ip.to_string(),
        };
        Ok(gateless_sidecar::Config {
            server,
            data,
            listen,
            local_listen: self.local_listen,
            peer_listen: self.peer_listen,
            gossip_listen: self.gossip_listen,
            advertise_host,
            join: self.join.clone(),
            cluster_secret,
            domain: self.domain.clone(),
            capacity: self.capacity,
        })
    }
}

async fn start_server(
    config: gateless_server::Config,
) -> Result<gateless_server::Running, Failure> {
    gateless_server::run(config).await.map_err(|error| {
        Failure::new(Exit::Failure, "start", "the server does not start")
            .cause(error)
            .hint("is another one running? choose other addresses with --listen and --grpc-listen")
    })
}

async fn start_sidecar(
    config: gateless_sidecar::Config,
) -> Result<gateless_sidecar::Running, Failure> {
    gateless_sidecar::run(config).await.map_err(|error| {
        Failure::new(Exit::Failure, "start", "the sidecar does not start")
            .cause(error)
            .hint("is another one running? every sidecar on a host needs its own addresses and --data")
    })
}

fn server_ready(server: &gateless_server::Running) -> Map<String, Value> {
    let mut ready = object(&json!({"api": url(server.api), "grpc": url(server.grpc)}));
    if let Some(token) = &server.first_admin_token {
        ready.insert("first_admin_token".into(), json!(token));
    }
    ready
}

fn sidecar_ready(sidecar: &gateless_sidecar::Running) -> Map<String, Value> {
    object(&json!({
        "public": url(sidecar.public),
        "local": url(sidecar.local),
        "peer": url(sidecar.peer),
        "gossip": sidecar.gossip.to_string(),
    }))
}

/// One JSON line for programs; for people at a terminal the same as text.
fn announce(out: &mut Output, ready: Map<String, Value>) -> Result<(), Failure> {
    if out.format() == Format::Table && std::io::stdout().is_terminal() {
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

/// The user who started it first is logged in, unless already logged in somewhere.
fn save_first_login(out: &mut Output, server: &str, token: &str) -> Result<(), Failure> {
    let path = Login::path()?;
    if let Some(login) = Login::load(&path)? {
        out.note(format!(
            "{} keeps its login to {}; for this server run: gateless login --server {server}",
            path.display(),
            login.server.as_deref().unwrap_or("the default server"),
        ));
        return Ok(());
    }
    let login = Login {
        server: Some(server.to_owned()),
        token: Some(token.to_owned()),
        namespace: None,
    };
    login.save(&path)?;
    out.note(format!(
        "logged in with the first admin token, saved in {}",
        path.display()
    ));
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Before anything starts, so no signal finds the default handler.
    fn new() -> Result<Self, Failure> {
        let on = |kind| signal(kind).map_err(|e| Failure::io("cannot listen for signals", &e));
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for a signal, then for `shutdown`, or for a second signal.
    async fn until_ended(
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

fn block_on(task: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    init_logs();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::io("cannot start the runtime", &e))?
        .block_on(task)
}

/// To stderr: text at a terminal, JSON lines otherwise.
fn init_logs() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("GATELESS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
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

fn data_folder(given: Option<&PathBuf>, part: &str) -> Result<PathBuf, Failure> {
    match given {
        Some(folder) => Ok(folder.clone()),
        None => Ok(user_folder("XDG_DATA_HOME", ".local/share")?
            .join("gateless")
            .join(part)),
    }
}

fn secret_path(given: Option<&PathBuf>, data: &Path) -> PathBuf {
    given
        .cloned()
        .unwrap_or_else(|| data.join("cluster-secret"))
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}
