//! Which port an instance gets, and who listens there.
//!
//! Several sidecars share a host, and nobody may ever reach another's instance. Three things see to
//! it: ports outside the kernel's own choice (`ip_local_port_range`); a claim on the number, an
//! abstract unix socket's name, which the kernel frees when the claimant dies; and before an
//! instance counts as ready, the kernel's answer to whose socket a connection would reach.
//! Deliberately nothing is written to disk: a claim cannot go stale.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rand::Rng;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// Outside Linux's default 32768-60999 and above what services usually take.
pub const DEFAULT_RANGE: RangeInclusive<u16> = 20000..=31999;

const AGAIN: u32 = 20;
const AGAIN_PAUSE: Duration = Duration::from_millis(5);

/// The exclusive right to a port among all sidecars of the host, until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    port: u16,
    _name: UnixDatagram,
}

impl Claim {
    /// Claims exactly this port.
    pub(super) fn exact(port: u16) -> io::Result<Self> {
        let name = format!("gateless-port-{port}");
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        let name = UnixDatagram::bind_addr(&address)?;
        Ok(Self { port, _name: name })
    }

    /// Claims a port an earlier sidecar's instance has. A fork that was going on when the last holder
    /// let go may hold the name until its exec, hence a little patience.
    pub(super) fn again(port: u16) -> io::Result<Self> {
        for _ in 0..AGAIN {
            if let Ok(claim) = Self::exact(port) {
                return Ok(claim);
            }
            std::thread::sleep(AGAIN_PAUSE);
        }
        Self::exact(port)
    }

    /// Claims a port nobody claims or listens on. Asks the kernel rather than binding to see: a fork
    /// going on in another thread would hold such a listener until its exec, in the instance's way.
    pub(super) fn any(range: &RangeInclusive<u16>) -> io::Result<Self> {
        let (first, last) = (u32::from(*range.start()), u32::from(*range.end()));
        let size = last.saturating_sub(first) + 1;
        let offset = rand::rng().random_range(0..size);
        let probe = Probe::open().ok();
        for step in 0..size {
            let port = first + (offset + step) % size;
            let Ok(port) = u16::try_from(port) else { break };
            let Ok(claim) = Self::exact(port) else {
                continue;
            };
            let free = match probe.as_ref().map(|probe| probe.listener(port)) {
                Some(Ok(listener)) => listener == Listener::None,
                _ => TcpListener::bind(claim.address()).is_ok(),
            };
            if free {
                return Ok(claim);
            }
        }
        Err(io::Error::new(
            ErrorKind::AddrInUse,
            format!("no free port in {first}-{last}"),
        ))
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Where the instance will listen.
    pub(super) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

/// Who would get a connection to a port of 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listener {
    /// Nobody: it would be refused.
    None,
    /// The socket with this inode, on whatever address.
    Socket(u64),
}

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const TCP: u8 = 6;
const AF_INET: u8 = 2;
const TCP_LISTEN_MASK: u32 = 1 << 10;
const ENOENT: i32 = 2;

/// Asks the kernel (sock_diag) for listeners: a few microseconds, and unlike a connection the
/// process never sees it.
#[derive(Debug)]
pub(super) struct Probe {
    netlink: OwnedFd,
}

impl Probe {
    /// Fails where the kernel has no sock_diag.
    pub(super) fn open() -> io::Result<Self> {
        let netlink = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(netlink::SOCK_DIAG),
        )?;
        Ok(Self { netlink })
    }

    pub(super) fn listener(&self, port: u16) -> io::Result<Listener> {
        let kernel = SocketAddrNetlink::new(0, 0);
        rustix::net::sendto(&self.netlink, &request(port), SendFlags::empty(), &kernel)?;
        let mut buffer = [0_u8; 1024];
        // The kernel answers within the send: there is nothing to wait for.
        let (length, _) = rustix::net::recv(&self.netlink, &mut buffer, RecvFlags::empty())?;
        parse_answer(buffer.get(..length).unwrap_or_default())
    }
}

/// `nlmsghdr` and `inet_diag_req_v2`: the socket that 127.0.0.1:port, from anywhere, leads to.
fn request(port: u16) -> [u8; 72] {
    let mut message = [0_u8; 72];
    let mut put = |at: usize, bytes: &[u8]| message[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &72_u32.to_ne_bytes());
    put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(6, &NLM_F_REQUEST.to_ne_bytes());
    put(16, &[AF_INET, TCP]);
    put(20, &TCP_LISTEN_MASK.to_ne_bytes());
    put(24, &port.to_be_bytes());
    put(28, &Ipv4Addr::LOCALHOST.octets());
    // No cookie: any socket will do.
    put(64, &[0xff; 8]);
    message
}

/// An `nlmsgerr`, or an `inet_diag_msg` that ends in the inode.
fn parse_answer(answer: &[u8]) -> io::Result<Listener> {
    let short = || io::Error::new(ErrorKind::InvalidData, "short sock_diag answer");
    let word = |at: usize| -> Option<u32> {
        let bytes = answer.get(at..at + 4)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?))
    };
    let kind = answer.get(4..6).ok_or_else(short)?;
    if kind == NLMSG_ERROR.to_ne_bytes() {
        let code = word(16).ok_or_else(short)?.cast_signed().wrapping_neg();
        return match code {
            ENOENT => Ok(Listener::None),
            code => Err(io::Error::from_raw_os_error(code)),
        };
    }
    let inode = word(84).ok_or_else(short)?;
    Ok(Listener::Socket(inode.into()))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_port_is_claimed_once_and_freed_with_its_claim() {
        let claim = Claim::any(&DEFAULT_RANGE).unwrap();
        let port = claim.port();
        assert!(Claim::exact(port).is_err());
        drop(claim);
        assert!(Claim::again(port).is_ok());
    }

    #[test]
    fn the_kernel_names_the_listening_socket() {
        let probe = Probe::open().unwrap();
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let port = listener.local_addr().unwrap().port();
            let link = std::fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd()));
            let Listener::Socket(inode) = probe.listener(port).unwrap() else {
                panic!("no listener found on {address}");
            };
            assert_eq!(link.unwrap().to_str(), Some(&*format!("socket:[{inode}]")));
            drop(listener);
            assert_eq!(probe.listener(port).unwrap(), Listener::None);
        }
    }
}
