//! Whom a function takes calls from: who has a token of its issuer, networks, and pages of other sites.

use gateless_common::allow::Allowed;
use gateless_common::network::Network;
use gateless_common::url::check_confidential;

use super::Faults;
use crate::domain::document::pointer_segment;
use crate::domain::spec::{Access, Auth, Cors, Jwt, Visibility};

/// Entries of each list.
const MAX_ENTRIES: usize = 64;
/// Bytes of an entry.
const MAX_ENTRY_BYTES: usize = 256;
/// A day: browsers ask again sooner than this, whatever is written.
const MAX_AGE_SECONDS: u32 = 86_400;

pub(super) fn check(faults: &mut Faults, access: &Access, visibility: Visibility) {
    // Which namespace a name without one is of makes no difference to its form.
    let caller = |text: &str| match Allowed::parse(text, "default") {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    };
    entries(faults, "/spec/access/allow", &access.allow, caller);
    if !access.allow.is_empty() && visibility == Visibility::Public {
        let why = "names functions, but anyone may call this one: set visibility to cluster_only";
        faults.add("/spec/access/allow", why);
    }
    let network = |text: &str| text.parse::<Network>().map(drop).map_err(|e| e.to_string());
    entries(faults, "/spec/access/networks", &access.networks, network);
    if let Some(cors) = &access.cors {
        check_cors(faults, cors);
    }
    match (access.auth, &access.jwt) {
        (Auth::Jwt, None) => faults.add("/spec/access/jwt", "must say whose tokens, with auth jwt"),
        (Auth::None | Auth::Key, Some(_)) => {
            faults.add(
                "/spec/access/jwt",
                "is for auth jwt alone: set that, or leave it out",
            );
        }
        (Auth::Jwt, Some(jwt)) => check_jwt(faults, jwt),
        (Auth::None | Auth::Key, None) => {}
    }
}

fn check_jwt(faults: &mut Faults, jwt: &Jwt) {
    let pointer = |field: &str| format!("/spec/access/jwt/{field}");
    let url = |text: &str| check_confidential(text).map_err(str::to_owned);
    faults.check(pointer("issuer"), url(&jwt.issuer));
    if let Some(uri) = &jwt.jwks_uri {
        faults.check(pointer("jwks_uri"), url(uri));
    }
    if jwt.audiences.is_empty() {
        faults.add(pointer("audiences"), "must name at least one");
    }
    let any = |_: &str| Ok(());
    entries(faults, &pointer("audiences"), &jwt.audiences, any);
    let name = |text: &str| match text.bytes().all(is_token) {
        true => Ok(()),
        false => Err("must be a name that a header can have (RFC 9110, 5.6.2)".to_owned()),
    };
    entries(
        faults,
        &pointer("forwarded_claims"),
        &jwt.forwarded_claims,
        name,
    );
    if jwt.claims.len() > MAX_ENTRIES {
        faults.add(
            pointer("claims"),
            format_args!("must have at most {MAX_ENTRIES}"),
        );
    }
    for (claim, value) in &jwt.claims {
        let fits = |text: &str| (1..=MAX_ENTRY_BYTES).contains(&text.len());
        if !fits(claim) || !fits(value) {
            let wrong = format_args!("must have 1 to {MAX_ENTRY_BYTES} bytes, as its name must");
            faults.add(
                pointer(&format!("claims/{}", pointer_segment(claim))),
                wrong,
            );
        }
    }
}

fn check_cors(faults: &mut Faults, cors: &Cors) {
    let pointer = |field: &str| format!("/spec/access/cors/{field}");
    let token = |text: &str| match text.bytes().all(is_token) {
        true => Ok(()),
        false => Err("must be a name of letters, digits and - (RFC 9110, 5.6.2)".to_owned()),
    };
    let origin = |text: &str| check_origin(text).map_err(str::to_owned);
    if cors.origins.is_empty() {
        faults.add(pointer("origins"), "must name at least one, or be [\"*\"]");
    }
    entries(faults, &pointer("origins"), &cors.origins, origin);
    entries(faults, &pointer("methods"), &cors.methods, token);
    entries(faults, &pointer("headers"), &cors.headers, token);
    entries(
        faults,
        &pointer("exposed_headers"),
        &cors.exposed_headers,
        token,
    );
    if cors.credentials && cors.origins.iter().any(|origin| origin == "*") {
        faults.add(
            pointer("credentials"),
            "must not be set for the origin *: name the origins that may send credentials",
        );
    }
    if cors.max_age_seconds > MAX_AGE_SECONDS {
        faults.add(
            pointer("max_age_seconds"),
            format_args!("must be at most {MAX_AGE_SECONDS}"),
        );
    }
}

fn entries(
    faults: &mut Faults,
    pointer: &str,
    list: &[String],
    check: impl Fn(&str) -> Result<(), String>,
) {
    if list.len() > MAX_ENTRIES {
        faults.add(pointer, format_args!("must have at most {MAX_ENTRIES}"));
    }
    for (index, entry) in list.iter().enumerate() {
        let pointer = format!("{pointer}/{index}");
        if entry.is_empty() || entry.len() > MAX_ENTRY_BYTES {
            let wrong = format_args!("must have 1 to {MAX_ENTRY_BYTES} bytes");
            faults.add(pointer, wrong);
        } else {
            faults.check(pointer, check(entry));
        }
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `*`, or a scheme and a host as a browser sends them: no path, no slash at the end; `*.` may stand before the host.
fn check_origin(text: &str) -> Result<(), &'static str> {
    const SHAPE: &str =
        "must be *, or scheme and host such as https://example.com or https://*.example.com:8443";
    if text == "*" {
        return Ok(());
    }
    let (scheme, rest) = text.split_once("://").ok_or(SHAPE)?;
    let host = rest.strip_prefix("*.").unwrap_or(rest);
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (host, None),
    };
    let is_scheme = !scheme.is_empty()
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let is_host =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.[:]".contains(&byte);
    let is_port = port.is_none_or(|port| port.parse().is_ok_and(|port: u16| port > 0));
    match is_scheme && !host.is_empty() && host.bytes().all(is_host) && is_port {
        true => Ok(()),
        false => Err(SHAPE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_send_them() {
        for good in [
            "*",
            "https://example.com",
            "http://localhost:3000",
            "https://*.example.com",
            "https://*.example.com:8443",
            "http://[::1]:8080",
            "chrome-extension://abcdef",
        ] {
            assert_eq!(check_origin(good), Ok(()), "{good}");
        }
        for bad in [
            "example.com",
            "https://",
            "https://*",
            "https://example.com/",
            "https://Example.com",
            "https://a.*.com",
            "https://example.com:0",
            "https://example.com:99999",
            "https://a b",
            "null",
        ] {
            assert!(check_origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_fault_is_named() {
        let access = Access {
            allow: vec!["orders".into(), "*.shop".into(), "a.b.c".into()],
            networks: vec!["10.0.0.0/8".into(), "nowhere".into()],
            cors: Some(Cors {
                origins: vec!["*".into(), String::new()],
                methods: vec!["GET, POST".into()],
                credentials: true,
                max_age_seconds: 86_401,
                ..Cors::default()
            }),
            ..Access::default()
        };
        let mut faults = Faults::default();
        check(&mut faults, &access, Visibility::Public);
        let pointers: Vec<_> = faults
            .0
            .iter()
            .map(|fault| fault.pointer.as_str())
            .collect();
        assert_eq!(
            pointers,
            [
                "/spec/access/allow/2",
                "/spec/access/allow",
                "/spec/access/networks/1",
                "/spec/access/cors/origins/1",
                "/spec/access/cors/methods/0",
                "/spec/access/cors/credentials",
                "/spec/access/cors/max_age_seconds",
            ]
        );
        let mut none = Faults::default();
        check(&mut none, &Access::default(), Visibility::Public);
        let allow = vec!["orders".into(), "*".into()];
        let some = Access {
            allow,
            ..Access::default()
        };
        check(&mut none, &some, Visibility::ClusterOnly);
        assert!(none.finish().is_ok());
    }
}
