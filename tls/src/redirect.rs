//! Where somebody is sent who came without TLS.

use http::Uri;
use http::uri::Authority;

/// The port that `https` means.
const USUAL: u16 = 443;

/// The same resource over https, at `port`; `None`: the request does not say at which host. It is answered 308, which keeps
/// method and body.
#[must_use]
pub fn location(host: Option<&str>, target: &Uri, port: u16) -> Option<String> {
    let named = target.authority().map(Authority::as_str).or(host)?;
    let authority: Authority = named.parse().ok()?;
    // What stands before an @ is no host, and leads people astray.
    if named.contains('@') || authority.host().is_empty() {
        return None;
    }
    let host = authority.host();
    let port = match port {
        USUAL => String::new(),
        port => format!(":{port}"),
    };
    let path = target.path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path } else { "/" };
    Some(format!("https://{host}{port}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_host_and_path_at_the_port_with_tls() {
        let check = |host: Option<&str>, target: &str, port, expected: Option<&str>| {
            let found = location(host, &target.parse().unwrap(), port);
            assert_eq!(found.as_deref(), expected, "{host:?} {target}");
        };
        let host = Some("a.example");
        check(host, "/x?y=1", 443, Some("https://a.example/x?y=1"));
        check(Some("a.example:80"), "/", 443, Some("https://a.example/"));
        check(host, "/", 7743, Some("https://a.example:7743/"));
        check(Some("[::1]:80"), "/", 8443, Some("https://[::1]:8443/"));
        check(host, "http://b.example/x", 443, Some("https://b.example/x"));
        check(host, "*", 443, Some("https://a.example/"));
        check(None, "/", 443, None);
        for bad in ["", "me@a.example", "a b", "a/b", "@"] {
            check(Some(bad), "/", 443, None);
        }
    }
}
