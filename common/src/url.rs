//! Whether what is fetched from a URL may be believed: nobody between may read or change it.

use std::net::IpAddr;

use http::Uri;

/// Longest URL that is taken from somebody, in bytes.
const MAX_BYTES: usize = 2_048;

/// Checks that a URL is `https`, or `http` to a name or address that always means this host.
///
/// # Errors
/// What is wrong with it.
pub fn check_confidential(url: &str) -> Result<(), &'static str> {
    if url.is_empty() || url.len() > MAX_BYTES {
        return Err("must have 1 to 2048 bytes");
    }
    let uri: Uri = url.parse().map_err(|_| "must be a URL")?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("must be a URL with its scheme, such as https://login.example.com");
    };
    if authority.as_str().contains('@') {
        return Err("must not have credentials in it");
    }
    match scheme {
        "https" => Ok(()),
        "http" if is_this_host(authority.host()) => Ok(()),
        "http" => Err("must be https, unless it is on this host (http://localhost...)"),
        _ => Err("must be https"),
    }
}

/// Whether a URL's host means this host, wherever it is read (RFC 6761, 6.3).
#[must_use]
pub fn is_this_host(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = host.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_between_can_change_is_believed() {
        for good in [
            "https://login.example.com",
            "https://login.example.com:8443/a/b?c=d",
            "http://localhost:8080/x",
            "http://a.localhost./x",
            "http://127.1.2.3/x",
            "http://[::1]:80/x",
            "http://[::ffff:127.0.0.1]/x",
        ] {
            assert_eq!(check_confidential(good), Ok(()), "{good}");
        }
        let long = format!("https://a/{}", "x".repeat(MAX_BYTES));
        for bad in [
            "",
            "login.example.com",
            "/keys",
            "http://login.example.com",
            "http://localhost.example/x",
            "http://10.0.0.1/x",
            "ftp://login.example.com/x",
            "file:///etc/passwd",
            "https://user@login.example.com/x",
            "https://",
            &long,
        ] {
            assert!(check_confidential(bad).is_err(), "{bad}");
        }
    }
}
