//! Where requests that leave the cluster on somebody's behalf may go: callbacks, and what components send.
//!
//! Whoever may call a function, or deploy one, makes this host connect to an address of their choice, inside the
//! host's own network. So only addresses of the public internet are allowed; what is nearer needs an operator's word.
//! It judges addresses, never names: who connects asks about the address that it then connects to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Exceptions one sidecar may have.
pub const MAX_EXCEPTIONS: usize = 64;

/// Networks that need an exception, by IANA's registries of special-purpose addresses; the first that fits names it.
const REFUSED_V4: [(Ipv4Addr, u8, &str); 16] = [
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    // Shared between a carrier's customers; one cloud's metadata is in it, too.
    (Ipv4Addr::new(100, 64, 0, 0), 10, "carrier-grade nat"),
    // Where most clouds' metadata is.
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::UNSPECIFIED, 8, "unspecified"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "a protocol's own"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a 6to4 relay"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmarking"),
    (Ipv4Addr::new(168, 63, 129, 16), 32, "cloud metadata"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

const REFUSED_V6: [([u16; 2], u8, &str); 9] = [
    ([0xfe80, 0], 10, "link-local"),
    ([0xfec0, 0], 10, "site-local"),
    ([0xfc00, 0], 7, "unique-local"),
    ([0xff00, 0], 8, "multicast"),
    // Teredo is in it, which hides an IPv4 address.
    ([0x2001, 0], 23, "a protocol's own"),
    ([0x2001, 0xdb8], 32, "documentation"),
    ([0x3fff, 0], 20, "documentation"),
    ([0x5f00, 0], 16, "segment routing"),
    ([0x0100, 0], 8, "discard-only"),
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
    match ip {
        IpAddr::V4(v4) => kind_v4(v4),
        IpAddr::V6(v6) => kind_v6(v6),
    }
}

fn kind_v4(address: Ipv4Addr) -> Option<&'static str> {
    let fits = |&&(network, prefix, _): &&(Ipv4Addr, u8, _)| {
        u64::from(address.to_bits() ^ network.to_bits()) >> (32 - prefix) == 0
    };
    REFUSED_V4.iter().find(fits).map(|(_, _, kind)| *kind)
}

fn kind_v6(address: Ipv6Addr) -> Option<&'static str> {
    let segments = address.segments();
    // Forms that carry an IPv4 address are as good as that one.
    let last = || Ipv4Addr::from_bits(u32::from(segments[6]) << 16 | u32::from(segments[7]));
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => return Some("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => return Some("loopback"),
        // Mapped, translated (RFC 2765), and by the well-known prefix of NAT64.
        [0, 0, 0, 0, 0, 0xffff, _, _]
        | [0, 0, 0, 0, 0xffff, 0, _, _]
        | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => return kind_v4(last()),
        // Compatible with IPv4, long gone, and a network's own prefix of NAT64, which no table tells apart.
        [0, 0, 0, 0, ..] => return Some("an obsolete form"),
        [0x64, 0xff9b, 1, ..] => return Some("a local nat64 prefix"),
        [0x2002, high, low, ..] => {
            return kind_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
        }
        _ => {}
    }
    let head = u32::from(segments[0]) << 16 | u32::from(segments[1]);
    let fits = |&&([a, b], prefix, _): &&([u16; 2], u8, _)| {
        let network = u32::from(a) << 16 | u32::from(b);
        u64::from(head ^ network) >> (32 - prefix) == 0
    };
    REFUSED_V6.iter().find(fits).map(|(_, _, kind)| *kind)
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
            network: network.parse()?,
            port: Some(port),
        })
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.network.address, self.port) {
            (IpAddr::V6(v6), Some(port)) => write!(f, "[{v6}]/{}:{port}", self.network.bits),
            (address, Some(port)) => write!(f, "{address}/{}:{port}", self.network.bits),
            (address, None) => write!(f, "{address}/{}", self.network.bits),
        }
    }
}

/// Addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    fn contains(self, ip: IpAddr) -> bool {
        let shifted = match (self.address, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                u64::from(a.to_bits() ^ b.to_bits()).checked_shr(32 - u32::from(self.bits))
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => match self.bits {
                0 => Some(0),
                bits => {
                    let differ = (a.to_bits() ^ b.to_bits()) >> (128 - u32::from(bits));
                    Some(u64::from(differ != 0))
                }
            },
            _ => None,
        };
        shifted == Some(0)
    }
}

impl FromStr for Network {
    type Err = NoException;

    fn from_str(text: &str) -> Result<Self, NoException> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let bare = address.strip_prefix('[').map(|a| a.strip_suffix(']'));
        let address: IpAddr = match bare {
            Some(inner) => IpAddr::V6(
                inner
                    .and_then(|inner| inner.parse().ok())
                    .ok_or(NoException)?,
            ),
            None => address.parse().map_err(|_| NoException)?,
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_| NoException)?,
            None => most,
        };
        match bits <= most {
            true => Ok(Self { address, bits }),
            false => Err(NoException),
        }
    }
}

#[cfg(test)]
mod tests;
