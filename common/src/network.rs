//! Networks of IP addresses as operators write them: `10.0.0.0/8`, `192.0.2.7`, `fd00::/8`, `[::1]`.
//!
//! One reading and one comparison for all who keep lists of them. What a list means is its owner's to say.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Addresses of one family that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// What stands there is no address and no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address nor a network like 10.0.0.0/8")]
pub struct Invalid(String);

/// One client, as far as an address tells clients apart: an address of IPv4, or the network of 64 bits that a site has
/// of IPv6, as each host there has more addresses than can be counted.
#[must_use]
pub const fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Network {
    /// IPv4 addresses that begin with the first `bits` of these octets; more than 32 are 32.
    #[must_use]
    pub const fn v4(octets: [u8; 4], bits: u8) -> Self {
        let [a, b, c, d] = octets;
        Self {
            address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            bits: if bits > 32 { 32 } else { bits },
        }
    }

    /// IPv6 addresses that begin with the first `bits` of these two groups; more than 128 are 128.
    #[must_use]
    pub const fn v6([a, b]: [u16; 2], bits: u8) -> Self {
        Self {
            address: IpAddr::V6(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0)),
            bits: if bits > 128 { 128 } else { bits },
        }
    }

    /// Whether the address is one of them. One of the other family never is.
    #[must_use]
    pub const fn contains(&self, address: IpAddr) -> bool {
        let equal = match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return false,
        };
        equal >= self.bits as u32
    }

    /// Its first bits; those behind mean nothing.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits of it count.
    #[must_use]
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether it is of IPv6.
    #[must_use]
    pub const fn is_ipv6(&self) -> bool {
        self.address.is_ipv6()
    }
}

impl From<IpAddr> for Network {
    /// The network of this address alone.
    fn from(address: IpAddr) -> Self {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Self { address, bits }
    }
}

impl FromStr for Network {
    type Err = Invalid;

    /// An address alone is a network of one; one of IPv6 may be in brackets.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address = match address.strip_prefix('[') {
            Some(rest) => {
                let inner = rest.strip_suffix(']').ok_or_else(invalid)?;
                IpAddr::V6(inner.parse().map_err(|_| invalid())?)
            }
            None => address.parse().map_err(|_| invalid())?,
        };
        let alone = Self::from(address);
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_| invalid())?,
            None => alone.bits,
        };
        if bits > alone.bits {
            return Err(invalid());
        }
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_what_begins_like_them() {
        let check = |network: &str, address: &str, expected: bool| {
            let read: Network = network.parse().unwrap();
            let contained = read.contains(address.parse().unwrap());
            assert_eq!(contained, expected, "{address} in {network}");
        };
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.0", false);
        check("192.0.2.7", "192.0.2.7", true);
        check("192.0.2.7", "192.0.2.6", false);
        check("0.0.0.0/0", "255.0.0.1", true);
        check("0.0.0.0/0", "::1", false);
        check("::/0", "fe80::1", true);
        check("::/0", "10.0.0.1", false);
        check("fd00::/8", "fdff::1", true);
        check("[fd00::]/8", "fc00::1", false);
        check("[::1]", "::1", true);
    }

    #[test]
    fn a_site_is_one_client_and_so_are_both_forms_of_an_address() {
        let of = |text: &str| client_network(text.parse().unwrap());
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::9"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "a",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/-1",
            "/8",
            "[::1",
            "[10.0.0.1]",
            "10.0.0.0/8:80",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
