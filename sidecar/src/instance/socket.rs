//! Whose a connection to this host is: the other end's socket, as the kernel knows it (`sock_diag(7)`).
//!
//! Asked for one socket by its addresses, which costs the same however many there are. What a user or an inode means is the
//! drivers' to say.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

/// `SOCK_DIAG_BY_FAMILY` of linux/sock_diag.h.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST` of linux/netlink.h.
const REQUEST: u16 = 1;
/// Bytes of a `nlmsghdr`.
const HEADER: usize = 16;
/// Bytes of an `inet_diag_sockid`: ports, addresses, interface, cookie.
const ID: usize = 48;
/// Bytes of it that are ports and addresses.
const ADDRESSES: usize = 36;
/// Bytes of an `inet_diag_msg`.
const ANSWER: usize = 72;
/// The kernel answers at once; this bounds what cannot be.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);

/// The other end of a connection, on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    /// Who made it.
    pub user: u32,
    /// What processes that have it open show below `/proc/PID/fd`.
    pub inode: u64,
}

/// The socket that is `from` and connected to `to`; `None` where it is closed, or of another host.
///
/// # Errors
/// When the kernel does not say.
pub fn find(from: SocketAddr, to: SocketAddr) -> io::Result<Option<Socket>> {
    let (from, to) = (canonical(from), canonical(to));
    let Some((family, id)) = id(from, to) else {
        return Ok(None);
    };
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        flags,
        Some(SOCK_DIAG),
    )?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, &question(family, &id), SendFlags::empty(), &kernel)?;
    let mut answer = [0; 1_024];
    let (_, bytes) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
    read(answer.get(..bytes).unwrap_or_default(), (from, to))
}

/// A client may write an IPv4 address as one of IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The address family, and what a socket with these addresses is asked for by.
fn id(from: SocketAddr, to: SocketAddr) -> Option<(u8, [u8; ID])> {
    let mut id = [0; ID];
    id[..2].copy_from_slice(&from.port().to_be_bytes());
    id[2..4].copy_from_slice(&to.port().to_be_bytes());
    let family = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            id[4..8].copy_from_slice(&from.octets());
            id[20..24].copy_from_slice(&to.octets());
            AddressFamily::INET
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            id[4..20].copy_from_slice(&from.octets());
            id[20..36].copy_from_slice(&to.octets());
            AddressFamily::INET6
        }
        _ => return None,
    };
    // No cookie, which is all ones: whichever socket has these addresses.
    id[ID - 8..].fill(0xff);
    Some((u8::try_from(family.as_raw()).ok()?, id))
}

/// A `nlmsghdr` and an `inet_diag_req_v2`.
fn question(family: u8, id: &[u8; ID]) -> Vec<u8> {
    const TCP: u8 = 6;
    let mut bytes = Vec::with_capacity(HEADER + 8 + ID);
    bytes.extend(u32::try_from(HEADER + 8 + ID).unwrap_or(0).to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, TCP, 0, 0]);
    // In every state.
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend(id);
    bytes
}

/// What the kernel answered about the socket with these two ends.
fn read(answer: &[u8], ends: (SocketAddr, SocketAddr)) -> io::Result<Option<Socket>> {
    let short = || io::Error::new(ErrorKind::InvalidData, "a short answer about a socket");
    let word = |bytes: &[u8], at: usize| {
        let word = bytes.get(at..at + 4)?;
        Some(u32::from_ne_bytes(word.try_into().ok()?))
    };
    let kind = answer.get(4..6).ok_or_else(short)?;
    let body = answer.get(HEADER..).ok_or_else(short)?;
    if kind != BY_FAMILY.to_ne_bytes() {
        // `NLMSG_ERROR`: a negative number, which says why.
        let number = word(body, 0)
            .ok_or_else(short)?
            .cast_signed()
            .wrapping_neg();
        return match rustix::io::Errno::from_raw_os_error(number) {
            rustix::io::Errno::NOENT => Ok(None),
            other => Err(other.into()),
        };
    }
    let (Some(found), Some(user), Some(inode)) =
        (found(body), word(body, ANSWER - 8), word(body, ANSWER - 4))
    else {
        return Err(short());
    };
    // Where the socket is gone, the kernel finds one that listens on its port, which may be another's; and of one that is closed it
    // remembers neither user nor inode.
    let is_it = found == ends && inode != 0;
    Ok(is_it.then_some(Socket {
        user,
        inode: inode.into(),
    }))
}

/// The two ends that an `inet_diag_msg` says. A socket of IPv6 may be connected to an address of IPv4.
fn found(message: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let id = message.get(4..4 + ADDRESSES)?;
    let port = |at: usize| Some(u16::from_be_bytes(id.get(at..at + 2)?.try_into().ok()?));
    let is_v4 = u16::from(*message.first()?) == AddressFamily::INET.as_raw();
    let address = |at: usize| -> Option<IpAddr> {
        Some(match is_v4 {
            true => <[u8; 4]>::try_from(id.get(at..at + 4)?).ok()?.into(),
            false => <[u8; 16]>::try_from(id.get(at..at + 16)?).ok()?.into(),
        })
    };
    let end = |address, port| canonical(SocketAddr::new(address, port));
    Some((end(address(4)?, port(0)?), end(address(20)?, port(2)?)))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;

    fn inode(socket: impl AsFd) -> u64 {
        rustix::fs::fstat(socket).unwrap().st_ino
    }

    #[test]
    fn socket_is_found_by_its_two_addresses_until_it_is_closed() {
        for address in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let port = listener.local_addr().unwrap().port();
            let to = match address {
                "[::1]:0" => SocketAddr::new("::1".parse().unwrap(), port),
                _ => SocketAddr::new("127.0.0.1".parse().unwrap(), port),
            };
            let client = TcpStream::connect(to).unwrap();
            let (accepted, from) = listener.accept().unwrap();
            let here = accepted.local_addr().unwrap();
            let expected = Socket {
                user: rustix::process::getuid().as_raw(),
                inode: inode(&client),
            };
            assert_eq!(find(from, here).unwrap(), Some(expected), "{address}");
            // The other end is another socket.
            let other = find(here, from).unwrap().unwrap();
            assert_eq!(other.inode, inode(&accepted));
            drop(client);
            assert_eq!(find(from, here).unwrap(), None, "{address}");
        }
    }

    #[test]
    fn one_that_listens_on_the_port_of_a_closed_one_is_not_taken_for_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let never = SocketAddr::new("127.0.0.1".parse().unwrap(), 9);
        assert_eq!(find(listener.local_addr().unwrap(), never).unwrap(), None);
    }

    #[test]
    fn garbage_is_an_error() {
        let end = |port| SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port);
        let ends = (end(1), end(2));
        for answer in [&[][..], &[0; 10], &[0; 18], &[0xff; 30]] {
            assert!(read(answer, ends).is_err(), "{answer:?}");
        }
    }
}
