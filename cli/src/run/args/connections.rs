//! Bounds of connections: how long they may be silent, and how many there may be.

use std::time::Duration;

use clap::Args;

use crate::manifest::units::Millis;

/// Bounds of connections, at every listener.
#[derive(Debug, Args)]
pub(crate) struct ConnectionArgs {
    /// A connection is closed when the head of a request is not whole by then.
    #[arg(
        long,
        env = "GATELESS_HEAD_TIMEOUT",
        default_value = "10s",
        value_name = "TIME",
        value_parser = more_than_nothing
    )]
    head_timeout: Millis,
    /// A connection is closed when it has had no call for so long; longer than what a load balancer in front keeps its
    /// idle ones.
    #[arg(
        long,
        env = "GATELESS_IDLE_TIMEOUT",
        default_value = "75s",
        value_name = "TIME",
        value_parser = more_than_nothing
    )]
    idle_timeout: Millis,
    /// Connections at once from outside [default: by the limit on open files].
    #[arg(long, env = "GATELESS_MAX_CONNECTIONS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: Option<u32>,
}

/// A duration; 0 would close every connection.
fn more_than_nothing(text: &str) -> Result<Millis, String> {
    match text.parse()? {
        Millis(0) => Err("it must be more than 0".to_owned()),
        millis => Ok(millis),
    }
}

impl ConnectionArgs {
    pub(crate) fn options(&self) -> gateless_listen::Options {
        gateless_listen::Options {
            timeouts: gateless_listen::Timeouts {
                head: Duration::from_millis(self.head_timeout.0),
                idle: Duration::from_millis(self.idle_timeout.0),
            },
            most: self.max_connections.map(|most| most as usize),
        }
    }
}
