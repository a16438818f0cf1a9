//! Where requests that leave the cluster on somebody's behalf may go: callbacks, and what components send.
//!
//! Whoever may call a function, or deploy one, makes this host connect to an address of their choice, inside the
//! host's own network. So only addresses of the public internet are allowed; what is nearer needs an operator's word.
//! It judges addresses, never names: who connects asks about the address that it then connects to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::network::Network;

/// Exceptions one sidecar may have.
pub const MAX_EXCEPTIONS: usize = 64;

/// Networks that need an exception, by IANA's registries of special-purpose addresses; the first that fits names it.
const REFUSED: [(Network, &str); 25] = [
    (Network::v4([127, 0, 0, 0], 8), "loopback"),
    (Network::v4([10, 0, 0, 0], 8), "private"),
    (Network::v4([172, 16, 0, 0], 12), "private"),
    (Network::v4([192, 168, 0, 0], 16), "private"),
    // Shared between a carrier's customers; one cloud's metadata is in it, too.
    (Network::v4([100, 64, 0, 0], 10), "carrier-grade nat"),
    // Where most clouds' metadata is.
    (Network::v4([169, 254, 0, 0], 16), "link-local"),
    (Network::v4([0, 0, 0, 0], 8), "unspecified"),
    (Network::v4([192, 0, 0, 0], 24), "a protocol's own"),
    (Network::v4([192, 0, 2, 0], 24), "documentation"),
    (Network::v4([198, 51, 100, 0], 24), "documentation"),
    (Network::v4([203, 0, 113, 0], 24), "documentation"),
    (Network::v4([192, 88, 99, 0], 24), "a 6to4 relay"),
    (Network::v4([198, 18, 0, 0], 15), "benchmarking"),
    (Network::v4([168, 63, 129, 16], 32), "cloud metadata"),
    (Network::v4([224, 0, 0, 0], 4), "multicast"),
    (Network::v4([240, 0, 0, 0], 4), "reserved"),
    (Network::v6([0xfe80, 0], 10), "link-local"),
    (Network::v6([0xfec0, 0], 10), "site-local"),
    (Network::v6([0xfc00, 0], 7), "unique-local"),
    (Network::v6([0xff00, 0], 8), "multicast"),
    // Teredo is in it, which hides an IPv4 address.
    (Network::v6([0x2001, 0], 23), "a protocol's own"),
    (Network::v6([0x2001, 0xdb8], 32), "documentation"),
    (Network::v6([0x3fff, 0], 20), "documentation"),
    (Network::v6([0x5f00, 0], 16), "segment routing"),
    (Network::v6([0x0100, 0], 8), "discard-only"),
];

/// Which addresses may be connected to. By default those of the public internet, on any port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Egress {
    exceptions: Vec<Exception>,
    own_ports: Vec<u16>,
}

impl Egress {
    /// The default and these exceptions; the first [`MAX_EXCEPTIONS`] count.
    #[must_use]
    pub fn new(mut exceptions: Vec<Exception>) -> Self {
        exceptions.truncate(MAX_EXCEPTIONS);
        Self {
            exceptions,
            own_ports: Vec::new(),
        }
    }

    /// Ports that sidecars listen on for their own: an exception that names no port does not open them.
    #[must_use]
    pub fn without_ports(mut self, ports: &[u16]) -> Self {
        self.own_ports.extend_from_slice(ports);
        self
    }

    /// Whether this address may be connected to.
    ///
    /// # Errors
    /// What kind of address it is that is refused.
    pub fn check(&self, to: SocketAddr) -> Result<(), Refused> {
        let (ip, port) = (to.ip().to_canonical(), to.port());
        let Some(kind) = kind(ip) else {
            return Ok(());
        };
        let opens = |exception: &Exception| {
            exception.network.contains(ip)
                && match exception.port {
                    Some(named) => named == port,
                    None => !self.own_ports.contains(&port),
                }
        };
        match self.exceptions.iter().any(opens) {
            true => Ok(()),
            false => Err(Refused(kind)),
        }
    }
}

/// An address that may not be connected to: what kind it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its address is {0}, which this host's operator has not allowed")]
pub struct Refused(pub &'static str);

/// What kind of address needs an exception; `None`: it is one of the public internet.
fn kind(ip: IpAddr) -> Option<&'static str> {
    let judged = match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => match form(v6) {
            Form::Carries(v4) => IpAddr::V4(v4),
            Form::Refused(kind) => return Some(kind),
            Form::Plain => ip,
        },
    };
    let fits = |&&(network, _): &&(Network, _)| network.contains(judged);
    REFUSED.iter().find(fits).map(|(_, kind)| *kind)
}

/// How an IPv6 address is to be read.
enum Form {
    /// As the IPv4 address it carries.
    Carries(Ipv4Addr),
    /// As this kind, whatever it carries.
    Refused(&'static str),
    /// An address that is what it seems: no other one is inside it.
    Plain,
}

fn form(address: Ipv6Addr) -> Form {
    let carries = |high: u16, low: u16| {
        Form::Carries(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Form::Refused("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Form::Refused("loopback"),
        // Mapped, translated (RFC 2765), and by the well-known prefix of NAT64.
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => carries(high, low),
        // Compatible with IPv4, long gone, and a network's own prefix of NAT64, which no table tells apart.
        [0, 0, 0, 0, ..] => Form::Refused("an obsolete form"),
        [0x64, 0xff9b, 1, ..] => Form::Refused("a local nat64 prefix"),
        [0x2002, high, low, ..] => carries(high, low),
        _ => Form::Plain,
    }
}

/// A network and a port that may be connected to all the same: `10.0.0.0/8`, `127.0.0.1`, `127.0.0.1:9000`,
/// `[fd00::]/8`, `[::1]:9000`, `10.0.0.0/8:443`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exception {
    network: Network,
    /// `None`: every port but those sidecars keep to themselves.
    port: Option<u16>,
}

/// Why a text is no exception.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is no ADDRESS, NETWORK/BITS, or one of them with :PORT; IPv6 goes in brackets where a port follows"
)]
pub struct NoException;

impl FromStr for Exception {
    type Err = NoException;

    fn from_str(text: &str) -> Result<Self, NoException> {
        // An IPv6 address alone has colons of its own.
        if let Ok(network) = text.parse() {
            return Ok(Self {
                network,
                port: None,
            });
        }
        let (network, port) = text.rsplit_once(':').ok_or(NoException)?;
        // Without brackets there is no telling which colon is the port's.
        if network.contains(':') && !network.starts_with('[') {
            return Err(NoException);
        }
        let port: u16 = port.parse().map_err(|_| NoException)?;
        Ok(Self {
            network: network.parse().map_err(|_| NoException)?,
            port: Some(port),
        })
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let network = self.network;
        match self.port {
            None => write!(f, "{network}"),
            // Without brackets there would be no telling which colon is the port's.
            Some(port) if network.is_ipv6() => {
                write!(f, "[{}]/{}:{port}", network.address(), network.bits())
            }
            Some(port) => write!(f, "{network}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests;
