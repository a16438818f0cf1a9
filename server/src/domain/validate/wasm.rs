//! The settings of a component: its limits and whom it may call. What the component itself is, is
//! [`crate::domain::component`]'s to say.

use std::net::Ipv6Addr;

use super::{Faults, check_artifact};
use crate::domain::spec::{Protocol, Wasm};

const MAX_HOSTS: usize = 64;

pub(super) fn check(faults: &mut Faults, wasm: &Wasm, protocol: Protocol) {
    let component = &wasm.component;
    if component.sha256.is_empty() {
        faults.add(
            "/spec/wasm/component",
            "is required: upload it, and name its sha256",
        );
    } else {
        check_artifact(
            faults,
            "/spec/wasm/component",
            &component.sha256,
            component.size,
        );
    }
    if protocol != Protocol::Http1 {
        faults.add(
            "/spec/protocol",
            "is for kind \"process\" only: a component has no port to speak a protocol on",
        );
    }
    let pointer = |field: &str| format!("/spec/wasm/{field}");
    if wasm.allowed_hosts.len() > MAX_HOSTS {
        faults.add(
            pointer("allowed_hosts"),
            format_args!("must have at most {MAX_HOSTS}"),
        );
    }
    for (index, host) in wasm.allowed_hosts.iter().enumerate() {
        faults.check(pointer(&format!("allowed_hosts/{index}")), check_host(host));
    }
}

/// `HOST`, `*.DOMAIN` or `*`, each with `:PORT` or for every port. HOST is a name, an IPv4 address, or an
/// IPv6 address in brackets.
fn check_host(text: &str) -> Result<(), &'static str> {
    if text.contains("://") || text.contains('/') {
        return Err(
            "must be a host without scheme and path, for example api.example.com or *.example.com:8443",
        );
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse().is_ok_and(|p: u16| p > 0)
    };
    if port.is_some_and(|port| !is_port(port)) {
        return Err("the port must be 1 to 65535; an IPv6 address is written in brackets");
    }
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').map(str::parse::<Ipv6Addr>);
        return match address {
            Some(Ok(_)) => Ok(()),
            _ => Err("an IPv6 address is written like [::1] or [::1]:8080"),
        };
    }
    if host == "*" {
        return Ok(());
    }
    let name = host.strip_prefix("*.").unwrap_or(host);
    let label = |label: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err("must be a host's name, an address, *.DOMAIN or *, each with or without :PORT");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_are_allowed_hosts() {
        let good = [
            "example.com",
            "Example.COM:8443",
            "localhost",
            "10.0.0.1",
            "10.0.0.1:80",
            "[::1]",
            "[::1]:8080",
            "*.example.com",
            "*.example.com:443",
            "*",
            "*:443",
            "a_b.internal",
            "xn--bcher-kva.example",
        ];
        for text in good {
            assert_eq!(check_host(text), Ok(()), "{text:?}");
        }
        let long = "a".repeat(64);
        let bad = [
            "",
            ":80",
            "https://example.com",
            "example.com/path",
            "example.com:",
            "example.com:0",
            "example.com:x",
            "example.com:65536",
            "example.com:+80",
            "::1",
            "[::1",
            "[nonsense]",
            "a..b",
            ".example.com",
            "*example.com",
            "a.*.com",
            "**",
            "user@example.com",
            "exam ple.com",
            "b\u{fc}cher.example",
            "example.com\r\n",
            "-a.com",
            long.as_str(),
        ];
        for text in bad {
            assert!(check_host(text).is_err(), "{text:?}");
        }
    }
}
