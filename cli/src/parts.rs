//! A stand-in with the entry points of the server crate, until it is merged.
//!
//! Delete this file and the `use crate::parts` line in `run` then. Deliberately starts nothing.

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
