//! Whose word counts on where a call came from: the proxies in front of a sidecar.
//!
//! A caller may write any `x-forwarded-for` it likes; only what a proxy of the operator's own says of its caller is
//! passed on. Deliberately no headers here: which those are is the ground's to say.

use std::net::{IpAddr, Ipv6Addr};

use crate::network::Network;

/// Addresses of proxies that are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// These and no others.
    #[must_use]
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether a caller with this address is such a proxy. One of IPv4 is looked for as IPv6 has it, too, so that a caller is the same
    /// over either.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let mapped = match address {
            IpAddr::V4(v4) => IpAddr::V6(v4.to_ipv6_mapped()),
            IpAddr::V6(_) => address,
        };
        let has = |network: &Network| network.contains(address) || network.contains(mapped);
        self.0.iter().any(has)
    }
}

impl Default for TrustedProxies {
    /// What runs on this host.
    fn default() -> Self {
        Self(vec![
            Network::v4([127, 0, 0, 0], 8),
            Network::from(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ])
    }
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
}
