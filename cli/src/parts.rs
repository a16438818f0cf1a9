//! Stand-ins with the entry points of the server and sidecar crates, until those are merged.
//!
//! Delete this file and the `use crate::parts` lines in `run` then. Deliberately start nothing.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

fn missing(part: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!("this build has no {part}"),
    )
}

/// `gateless_server`
pub(crate) mod gateless_server {
    use super::*;

    pub(crate) struct Config {
        pub(crate) listen: SocketAddr,
        pub(crate) grpc_listen: SocketAddr,
        pub(crate) data: PathBuf,
        pub(crate) cluster_secret: String,
    }

    pub(crate) struct Running {
        pub(crate) api: SocketAddr,
        pub(crate) grpc: SocketAddr,
        pub(crate) first_admin_token: Option<String>,
    }

    impl Running {
        pub(crate) async fn shutdown(self) {}
    }

    pub(crate) async fn run(config: Config) -> io::Result<Running> {
        let Config {
            listen,
            grpc_listen,
            data,
            cluster_secret,
        } = config;
        drop((listen, grpc_listen, data, cluster_secret));
        Err(missing("server"))
    }
}

/// `gateless_sidecar`
pub(crate) mod gateless_sidecar {
    use super::*;

    pub(crate) struct Config {
        pub(crate) server: Option<String>,
        pub(crate) data: PathBuf,
        pub(crate) listen: SocketAddr,
        pub(crate) local_listen: SocketAddr,
        pub(crate) peer_listen: SocketAddr,
        pub(crate) gossip_listen: SocketAddr,
        pub(crate) advertise_host: String,
        pub(crate) join: Vec<String>,
        pub(crate) cluster_secret: String,
        pub(crate) domain: String,
        pub(crate) capacity: u32,
    }

    pub(crate) struct Running {
        pub(crate) public: SocketAddr,
        pub(crate) local: SocketAddr,
        pub(crate) peer: SocketAddr,
        pub(crate) gossip: SocketAddr,
    }

    impl Running {
        pub(crate) async fn shutdown(self, stop_instances: bool) {
            let _ = stop_instances;
        }
    }

    pub(crate) async fn run(config: Config) -> io::Result<Running> {
        let Config {
            server,
            data,
            listen,
            local_listen,
            peer_listen,
            gossip_listen,
            advertise_host,
            join,
            cluster_secret,
            domain,
            capacity,
        } = config;
        drop((
            server,
            data,
            listen,
            local_listen,
            peer_listen,
            gossip_listen,
        ));
        drop((advertise_host, join, cluster_secret, domain, capacity));
        Err(missing("sidecar"))
    }
}
