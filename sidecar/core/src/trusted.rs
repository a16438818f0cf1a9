//! Whose word counts on where a call came from: the proxies in front of a sidecar.
//!
//! A caller may write any `x-forwarded-for` it likes; only what a proxy of the operator's own says of its caller is
//! passed on. Deliberately no headers here: which those are is the ground's to say.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Addresses of proxies that are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// An address, or all that begin like it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: u128,
    bits: u32,
}

/// What stands there is no address and no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address nor a network like 10.0.0.0/8")]
pub struct Invalid(String);

impl TrustedProxies {
    /// These and no others.
    #[must_use]
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether a caller with this address is such a proxy.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = number(address);
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Default for TrustedProxies {
    /// What runs on this host.
    fn default() -> Self {
        let of = |address, length| Network::new(address, length);
        let loopback = [
            of(Ipv4Addr::LOCALHOST.into(), 8),
            of(Ipv6Addr::LOCALHOST.into(), 128),
        ];
        Self(loopback.into_iter().flatten().collect())
    }
}

impl Network {
    fn new(address: IpAddr, length: u32) -> Option<Self> {
        let (all, before) = match address {
            IpAddr::V4(_) => (32, 96),
            IpAddr::V6(_) => (128, 0),
        };
        (length <= all).then(|| Self {
            address: number(address),
            bits: before + length,
        })
    }

    fn contains(&self, address: u128) -> bool {
        let differ = address ^ self.address;
        differ.leading_zeros() >= self.bits
    }
}

impl FromStr for Network {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid(text.to_owned());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let length = match (length, address) {
            (Some(length), _) => length.parse().map_err(|_| invalid())?,
            (None, IpAddr::V4(_)) => 32,
            (None, IpAddr::V6(_)) => 128,
        };
        Self::new(address, length).ok_or_else(invalid)
    }
}

/// IPv4 as IPv6 has it, so that a caller is the same over either.
fn number(address: IpAddr) -> u128 {
    let v6 = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    v6.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(networks: &[&str]) -> TrustedProxies {
        TrustedProxies::new(networks.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn trusts(proxies: &TrustedProxies, address: &str) -> bool {
        proxies.contain(address.parse().unwrap())
    }

    #[test]
    fn networks_contain_what_begins_like_them() {
        let given = proxies(&["10.0.0.0/8", "192.0.2.7", "fd00::/8", "2001:db8::1"]);
        for address in [
            "10.255.0.1",
            "192.0.2.7",
            "fd12::1",
            "2001:db8::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(trusts(&given, address), "{address}");
        }
        for address in [
            "11.0.0.1",
            "192.0.2.8",
            "fe80::1",
            "2001:db8::2",
            "127.0.0.1",
            "::1",
        ] {
            assert!(!trusts(&given, address), "{address}");
        }
        let all = proxies(&["0.0.0.0/0"]);
        assert!(trusts(&all, "192.0.2.1") && !trusts(&all, "2001:db8::1"));
        assert!(trusts(&proxies(&["::/0"]), "192.0.2.1"));
        assert!(!trusts(&proxies(&[]), "127.0.0.1"));
    }

    #[test]
    fn what_runs_on_this_host_is_trusted_unless_others_are_named() {
        let default = TrustedProxies::default();
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(trusts(&default, address), "{address}");
        }
        for address in ["128.0.0.1", "10.0.0.1", "::2", "::"] {
            assert!(!trusts(&default, address), "{address}");
        }
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
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
