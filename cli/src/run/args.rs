//! Flags of `up`, `server` and `sidecar`, each group once, and the configuration they come to.
//!
//! Deliberately no starting: that is `parts`.

mod connections;
mod identity;
mod isolation;
mod record;
mod secrets_key;
pub(crate) mod tls;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use gateless_common::network::Network;
use gateless_core::egress::{Egress, Exception, MAX_EXCEPTIONS};
use gateless_core::trusted::TrustedProxies;
use gateless_sandbox::Level;
use gateless_server::{IdentitySettings, SecretsKeySource};
use gateless_sidecar::Join;

use self::connections::ConnectionArgs;
use self::identity::IdentityArgs;
pub(crate) use self::isolation::{EngineArgs, IsolationArgs};
use self::record::RecordArgs;
use self::secrets_key::SecretsKeyArgs;
pub(crate) use self::secrets_key::SecretsKeyCommand;
use self::tls::{Opened, TlsArgs};
use crate::args::{Nothing, Scoped};
use crate::commands::catalogue::RestoreArgs;
use crate::commands::join_tokens::JoinTokenArgs;
use crate::failure::Failure;
use crate::login::user_folder;

/// Suffix of functions' host names unless another is given. Names below `localhost` are this host's everywhere
/// (RFC 6761, 6.3), so that an address opens in a browser with no name server asked.
pub(super) const DOMAIN: &str = "localhost";

/// Run server and sidecar in one process.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(super) data: DataArgs,
    #[command(flatten)]
    pub(super) listen: ServerListen,
    #[command(flatten)]
    pub(super) identity: IdentityArgs,
    #[command(flatten)]
    pub(super) secrets_key: SecretsKeyArgs,
    /// Calls from outside.
    #[arg(
        long,
        env = "GATELESS_FUNCTION_LISTEN",
        default_value = "127.0.0.1:7700",
        value_name = "ADDR"
    )]
    pub(super) function_listen: SocketAddr,
    /// Calls from outside over TLS [default: 127.0.0.1:7743, where there is a certificate].
    #[arg(long, env = "GATELESS_FUNCTION_TLS_LISTEN", value_name = "ADDR")]
    pub(super) function_tls_listen: Option<SocketAddr>,
    /// Port that others reach the one for calls over TLS by [default: that of --function-tls-listen].
    #[arg(long, env = "GATELESS_FUNCTION_HTTPS_PORT", value_name = "PORT")]
    pub(super) function_https_port: Option<u16>,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
    #[command(flatten)]
    pub(super) connections: ConnectionArgs,
    #[command(flatten)]
    pub(super) host: HostArgs,
}

/// Run the management server.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ServerArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ServerCommand>,
    #[command(flatten)]
    pub(super) data: DataArgs,
    #[command(flatten)]
    pub(super) listen: ServerListen,
    #[command(flatten)]
    pub(super) identity: IdentityArgs,
    #[command(flatten)]
    pub(super) secrets_key: SecretsKeyArgs,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
    #[command(flatten)]
    pub(super) connections: ConnectionArgs,
}

/// What can be done with a server besides running it.
#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// Show where the catalogue comes from and which one each sidecar has.
    Catalogue(Scoped<Nothing>),
    /// Let sidecars take this server's catalogue in place of the one they keep.
    ///
    /// Sidecars take no catalogue that does not have theirs in its past, so that a server that lost its disk, or was
    /// restored from an older backup, takes no function away.
    Accept(Scoped<Nothing>),
    /// Take the catalogue back from the sidecars, after the server lost it.
    Restore(Scoped<RestoreArgs>),
    /// Make a new admin token, on the server's own machine and while it is stopped.
    ///
    /// For when nobody has one any more. The token is written to a file only its owner can read; its path is
    /// printed.
    Recover(RecoverArgs),
    /// The keys that the catalogue's secrets are sealed by: show, rotate, retire, and seal or unseal all of it.
    #[command(subcommand)]
    SecretsKey(SecretsKeyCommand),
}

/// `gateless server recover`
#[derive(Debug, Args)]
pub(crate) struct RecoverArgs {
    #[command(flatten)]
    pub(super) data: DataArgs,
    #[command(flatten)]
    pub(super) secrets_key: SecretsKeyArgs,
}

/// Run a sidecar, or do something about those that are to come.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct SidecarArgs {
    #[command(subcommand)]
    pub(crate) command: Option<SidecarCommand>,
    #[command(flatten)]
    pub(crate) run: SidecarRun,
}

/// What an operator does about sidecars that are to come.
#[derive(Debug, Subcommand)]
pub(crate) enum SidecarCommand {
    /// Tokens that new sidecars join with: create, list, revoke.
    JoinToken(Scoped<JoinTokenArgs>),
}

/// Run a sidecar.
#[derive(Debug, Args)]
pub(crate) struct SidecarRun {
    /// The server's gRPC address; without one it runs from its last-good config.
    #[arg(
        id = "config_server",
        long = "server",
        env = "GATELESS_CONFIG_SERVER",
        value_name = "URL"
    )]
    pub(super) server: Option<String>,
    #[command(flatten)]
    pub(super) data: DataArgs,
    /// Calls from outside.
    #[arg(
        long,
        env = "GATELESS_LISTEN",
        default_value = "127.0.0.1:7700",
        value_name = "ADDR"
    )]
    pub(super) listen: SocketAddr,
    /// Calls from outside over TLS [default: 127.0.0.1:7743, where there is a certificate].
    #[arg(long, env = "GATELESS_TLS_LISTEN", value_name = "ADDR")]
    pub(super) tls_listen: Option<SocketAddr>,
    /// Port that others reach the one for calls over TLS by [default: that of --tls-listen].
    #[arg(long, env = "GATELESS_HTTPS_PORT", value_name = "PORT")]
    pub(super) https_port: Option<u16>,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
    /// File with a join token, for the first start; made by gateless sidecar join-token create.
    #[arg(long, env = "GATELESS_JOIN_TOKEN_FILE", value_name = "FILE")]
    pub(super) join_token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) connections: ConnectionArgs,
    #[command(flatten)]
    pub(super) host: HostArgs,
}

/// Where a part keeps what it keeps.
#[derive(Debug, Args)]
pub(super) struct DataArgs {
    /// Folder for everything kept [default: ~/.local/share/gateless; alone, server/ or sidecar/ in it].
    #[arg(long, env = "GATELESS_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
}

impl DataArgs {
    /// The folder given, or the user's for `part`.
    pub(super) fn folder(&self, part: &str) -> Result<PathBuf, Failure> {
        match &self.data {
            Some(folder) => Ok(folder.clone()),
            None => Ok(user_folder("XDG_DATA_HOME", ".local/share")?
                .join("gateless")
                .join(part)),
        }
    }
}

/// Where the server listens.
#[derive(Debug, Args)]
pub(super) struct ServerListen {
    /// Management API.
    #[arg(
        long,
        env = "GATELESS_LISTEN",
        default_value = "127.0.0.1:7780",
        value_name = "ADDR"
    )]
    listen: SocketAddr,
    /// Management API over TLS [default: 127.0.0.1:7783, where there is a certificate].
    #[arg(long, env = "GATELESS_TLS_LISTEN", value_name = "ADDR")]
    tls_listen: Option<SocketAddr>,
    /// Port that others reach the API over TLS by [default: that of --tls-listen].
    #[arg(long, env = "GATELESS_HTTPS_PORT", value_name = "PORT")]
    https_port: Option<u16>,
    /// Config push to sidecars.
    #[arg(
        long,
        env = "GATELESS_GRPC_LISTEN",
        default_value = "127.0.0.1:7781",
        value_name = "ADDR"
    )]
    grpc_listen: SocketAddr,
    /// Table of what image names stand for, for those who come with faas-cli (docs/openfaas.md).
    #[arg(long, env = "GATELESS_IMAGES", value_name = "FILE")]
    images: Option<PathBuf>,
}

impl ServerListen {
    /// A server at these addresses.
    pub(super) fn config(
        &self,
        data: PathBuf,
        (identity, secrets_key): (IdentitySettings, SecretsKeySource),
        tls: &Opened,
        connections: gateless_listen::Options,
    ) -> Result<gateless_server::Config, Failure> {
        let port = self.https_port;
        let tls = tls.listener("--tls-listen", self.tls_listen, tls::USUAL_API, port)?;
        Ok(gateless_server::Config {
            tls,
            connections,
            listen: self.listen,
            grpc_listen: self.grpc_listen,
            data,
            identity,
            secrets_key,
            images: self.images.clone(),
        })
    }
}

/// What a sidecar needs to know of its host and its peers.
#[derive(Debug, Args)]
pub(super) struct HostArgs {
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
    /// Prometheus metrics at /metrics and calls on record at /calls, with every tenant's names [default: 127.0.0.1:7704, or a free port].
    #[arg(long, env = "GATELESS_METRICS_LISTEN", value_name = "ADDR")]
    metrics_listen: Option<SocketAddr>,
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
    pub(super) join: Vec<String>,
    /// Functions are also called by the host name NAME.NAMESPACE.DOMAIN.
    #[arg(long, env = "GATELESS_DOMAIN", default_value = DOMAIN)]
    domain: String,
    /// Proxies in front of this sidecar, addresses or networks: what they say of a call's origin (forwarded, x-forwarded-*,
    /// x-real-ip) is passed on, what others say is dropped.
    #[arg(
        long,
        env = "GATELESS_TRUSTED_PROXIES",
        value_delimiter = ',',
        default_value = "127.0.0.0/8,::1",
        value_name = "CIDR,..."
    )]
    trusted_proxies: Vec<Network>,
    /// Instances this host may run at once.
    #[arg(
        long,
        env = "GATELESS_CAPACITY",
        default_value_t = 100,
        value_name = "N"
    )]
    capacity: u32,
    /// Do not pass faas-cli's management requests, /system/..., on to the server.
    #[arg(long, env = "GATELESS_NO_MANAGEMENT_RELAY")]
    no_management_relay: bool,
    /// Run components of WASI 0.3, too; the engine calls its own support for them experimental.
    #[arg(long = "wasi-0-3", env = "GATELESS_WASI_0_3")]
    wasi_0_3: bool,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    isolation: IsolationArgs,
    #[command(flatten)]
    record: RecordArgs,
    /// Addresses nearer than the public internet that callbacks and components may connect to all the same.
    ///
    /// ADDRESS, NETWORK/BITS, or one of them with :PORT; IPv6 in brackets where a port follows.
    #[arg(
        long,
        env = "GATELESS_EGRESS_ALLOW",
        value_delimiter = ',',
        value_name = "NETWORK,..."
    )]
    egress_allow: Vec<Exception>,
    /// Authorities whose certificates callbacks and issuers of tokens may show, besides those of the public web: a file in PEM.
    #[arg(long, env = "GATELESS_EGRESS_CA", value_name = "FILE")]
    egress_ca: Option<PathBuf>,
    /// Leave instances running on SIGTERM and SIGINT; the next start adopts them.
    #[arg(long, env = "GATELESS_KEEP_INSTANCES")]
    pub(super) keep_instances: bool,
}

impl HostArgs {
    fn egress(&self) -> Result<Egress, Failure> {
        if self.egress_allow.len() > MAX_EXCEPTIONS {
            return Err(Failure::usage(format!(
                "--egress-allow may be given {MAX_EXCEPTIONS} times"
            )));
        }
        Ok(Egress::new(self.egress_allow.clone()))
    }

    /// A sidecar on this host.
    pub(super) fn config(
        &self,
        server: Option<String>,
        data: PathBuf,
        listen: SocketAddr,
        identity: Join,
        connections: gateless_listen::Options,
        usual: Level,
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
            metrics_listen: self.metrics_listen,
            peer_listen: self.peer_listen,
            gossip_listen: self.gossip_listen,
            advertise_host,
            join: self.join.clone(),
            identity,
            domain: self.domain.clone(),
            record: self.record.settings(),
            trusted_proxies: TrustedProxies::new(self.trusted_proxies.clone()),
            capacity: self.capacity,
            management_relay: !self.no_management_relay,
            wasi_0_3: self.wasi_0_3,
            container_engine: self.engine.choice(usual),
            isolation: self.isolation.settings(usual),
            egress: self.egress()?,
            egress_ca: self.egress_ca.clone(),
            tls: None,
            connections,
        })
    }
}
