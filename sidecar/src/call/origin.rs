//! What a call's headers say of where it came from: who called, through whom, and in which trace.
//!
//! Deliberately not whose word on it counts: what others may not say is gone when a call comes here.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use bytes::{Bytes, BytesMut};
use gateless_core::trusted::TrustedProxies;
use gateless_listen::Scheme;
use http::Version;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::error::Error;
use super::headers::{
    FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, MAX_HOPS, TRACEPARENT, TRACESTATE, set_bytes,
};

/// Headers the proxy adds to a request; room for them is made in one step.
const ADDED: usize = 9;

/// Who called: from where, and over what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    pub address: IpAddr,
    pub scheme: Scheme,
}

/// The trace of a call, as its header says it.
pub struct Traced {
    pub text: HeaderValue,
    /// Whoever called began it.
    pub came_with_it: bool,
}

/// Says where a call came from: who called, through whom, and in which trace, which it answers. Once, where it came in.
///
/// # Errors
/// When it has come through here too often.
pub fn add(headers: &mut HeaderMap, version: Version, client: Client) -> Result<Traced, Error> {
    add_forwarded(headers, client);
    let traced = ensure_traceparent(headers);
    add_via(headers, version)?;
    Ok(traced)
}

/// The address a call comes from: that of the last one it came through who is no proxy of the operator's.
///
/// Proxies write who called them at the end of `x-forwarded-for`, so it is read from there.
#[must_use]
pub fn source(headers: &HeaderMap, client: IpAddr, trusted: &TrustedProxies) -> IpAddr {
    let mut source = client;
    let lines = headers.get_all(&FORWARDED_FOR).into_iter();
    let lines: Vec<_> = lines.filter_map(|line| line.to_str().ok()).collect();
    let mut named = lines.iter().rev().flat_map(|line| line.rsplit(','));
    while trusted.contain(source) {
        match named.next().map(str::trim).map(address) {
            Some(Some(before)) => source = before,
            // What a proxy wrote and nobody can read names nobody further off.
            Some(None) | None => break,
        }
    }
    source
}

/// An address as proxies write it, some of them with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    bare().or_else(with_port).or_else(bracketed)
}

/// Adds this platform to whom a request came through (RFC 9110, 7.6.3), one entry for all its sidecars.
fn add_via(headers: &mut HeaderMap, version: Version) -> Result<(), Error> {
    let own = match version {
        Version::HTTP_2 => "2.0 gateless",
        Version::HTTP_10 => "1.0 gateless",
        _ => "1.1 gateless",
    };
    if !headers.contains_key(header::VIA) {
        headers.insert(header::VIA, HeaderValue::from_static(own));
        return Ok(());
    }
    let mut text = BytesMut::with_capacity(64);
    put_lines(&mut text, headers, &header::VIA);
    let entries = text[..].split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let before = entries
        .filter(|entry| entry.ends_with(b" gateless"))
        .count();
    if before >= MAX_HOPS as usize {
        return Err(Error::Loop(MAX_HOPS));
    }
    text.extend_from_slice(own.as_bytes());
    set_bytes(headers, header::VIA, text.freeze());
    Ok(())
}

/// Adds who called, as RFC 7239 and as everybody writes it.
fn add_forwarded(headers: &mut HeaderMap, client: Client) {
    let Client {
        address: from,
        scheme,
    } = client;
    headers.reserve(ADDED);
    let host = headers.get(header::HOST).cloned();
    let is_first = !headers
        .keys()
        .any(|name| name.as_str().contains("forwarded"));
    // One buffer for both: its parts share it, and copies of a header cost nothing.
    let mut text = BytesMut::with_capacity(160);
    if !is_first {
        put_lines(&mut text, headers, &FORWARDED_FOR);
    }
    let list = text.len();
    put_address(&mut text, from);
    let for_ = text.split().freeze();
    let address = &for_[list..];
    if !is_first {
        put_lines(&mut text, headers, &header::FORWARDED);
    }
    let (before, after): (&[u8], &[u8]) = match from {
        IpAddr::V4(_) => (b"for=", b";proto="),
        IpAddr::V6(_) => (b"for=\"[", b"]\";proto="),
    };
    let scheme = scheme.as_str();
    for part in [before, address, after, scheme.as_bytes()] {
        text.extend_from_slice(part);
    }
    if let Some(host) = host.as_ref().filter(|host| host.to_str().is_ok()) {
        text.extend_from_slice(b";host=\"");
        let quotable = |byte: &u8| !matches!(byte, b'"' | b'\\');
        text.extend(host.as_bytes().iter().copied().filter(quotable));
        text.extend_from_slice(b"\"");
    }
    set_bytes(headers, header::FORWARDED, text.freeze());
    set_bytes(headers, FORWARDED_FOR, for_);
    if is_first || !headers.contains_key(&FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
    }
    if let Some(host) = host
        && (is_first || !headers.contains_key(&FORWARDED_HOST))
    {
        headers.insert(FORWARDED_HOST, host);
    }
}

/// What is in a list already, all its lines as one and with room for the next entry (RFC 9110, 5.3).
fn put_lines(text: &mut BytesMut, headers: &HeaderMap, name: &HeaderName) {
    for line in headers.get_all(name).iter().filter(|line| !line.is_empty()) {
        text.extend_from_slice(line.as_bytes());
        text.extend_from_slice(b", ");
    }
}

/// IPv4 by hand: the formatting machinery costs more than the rest of the header.
fn put_address(text: &mut BytesMut, address: IpAddr) {
    let IpAddr::V4(v4) = address else {
        write!(text, "{address}").ok();
        return;
    };
    for (at, octet) in v4.octets().into_iter().enumerate() {
        if at > 0 {
            text.extend_from_slice(b".");
        }
        let digits = [octet / 100, octet / 10 % 10, octet % 10].map(|digit| b'0' + digit);
        let from = if octet > 99 {
            0
        } else {
            2 - usize::from(octet > 9)
        };
        text.extend_from_slice(&digits[from..]);
    }
}

/// Starts a trace where the caller has none, or one that cannot be (W3C Trace Context, version 00). It is sampled: whoever
/// calls without a trace leaves it to the function whether to record.
pub fn ensure_traceparent(headers: &mut HeaderMap) -> Traced {
    let mut lines = headers.get_all(&TRACEPARENT).iter();
    let (line, more) = (lines.next(), lines.next());
    if more.is_none()
        && let Some(line) = line
        && is_trace(line.as_bytes())
    {
        return Traced {
            text: line.clone(),
            came_with_it: true,
        };
    }
    let (trace, span): (u128, u64) = (rand::random(), rand::random());
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-01";
    put_hex(&mut text[3..35], &trace.max(1).to_be_bytes());
    put_hex(&mut text[36..52], &span.max(1).to_be_bytes());
    let text = Bytes::copy_from_slice(&text);
    // Digits and dashes are a header value.
    let text = HeaderValue::from_maybe_shared(text).unwrap_or(HeaderValue::from_static(""));
    headers.insert(TRACEPARENT, text.clone());
    // It belongs to the trace that ends here (4.3).
    headers.remove(&TRACESTATE);
    Traced {
        text,
        came_with_it: false,
    }
}

/// Whether a `traceparent` is valid (3.2); of versions to come, as far as this one knows (4.3).
fn is_trace(text: &[u8]) -> bool {
    let [v1, v2, b'-', rest @ ..] = text else {
        return false;
    };
    let hex = |text: &[u8]| {
        let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        text.iter().all(digit)
    };
    let id = |text: &[u8]| hex(text) && text.iter().any(|byte| *byte != b'0');
    let version = [*v1, *v2];
    let Some((trace, span)) = rest.get(..33).zip(rest.get(33..50)) else {
        return false;
    };
    let (flags, more) = (rest.get(50..52), rest.get(52..).unwrap_or_default());
    hex(&version)
        && version != *b"ff"
        && id(&trace[..32])
        && trace[32] == b'-'
        && id(&span[..16])
        && span[16] == b'-'
        && flags.is_some_and(hex)
        && (more.is_empty() || (version != *b"00" && more[0] == b'-'))
}

fn put_hex(out: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

#[cfg(test)]
mod tests {
    use super::super::headers::tests::map;
    use super::*;

    fn http(address: IpAddr) -> Client {
        let scheme = Scheme::Http;
        Client { address, scheme }
    }

    #[test]
    fn source_is_who_called_the_first_proxy_that_is_believed() {
        let trusted = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let check = |client: &str, lines: &[&'static str], expected: &str| {
            let pairs: Vec<_> = lines
                .iter()
                .map(|line| ("x-forwarded-for", *line))
                .collect();
            let found = source(&map(&pairs), client.parse().unwrap(), &trusted);
            assert_eq!(found.to_string(), expected, "{client} {lines:?}");
        };
        check("192.0.2.1", &[], "192.0.2.1");
        // Nobody asked this one.
        check("192.0.2.1", &["203.0.113.1"], "192.0.2.1");
        check("10.0.0.1", &["203.0.113.1"], "203.0.113.1");
        check("10.0.0.1", &["198.51.100.1, 203.0.113.1"], "203.0.113.1");
        check("10.0.0.1", &["203.0.113.1, 10.0.0.2"], "203.0.113.1");
        check("10.0.0.1", &["203.0.113.1", "10.0.0.2"], "203.0.113.1");
        check("10.0.0.1", &["203.0.113.1:4711"], "203.0.113.1");
        check("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1");
        check("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1");
        check("10.0.0.1", &["203.0.113.1, unknown"], "10.0.0.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["10.0.0.3"], "10.0.0.3");
    }

    #[test]
    fn forwarded_names_the_caller_and_keeps_earlier_hops() {
        let mut headers = map(&[("host", "f.example"), ("x-forwarded-for", "1.1.1.1")]);
        add_forwarded(&mut headers, http(IpAddr::from([10, 0, 0, 1])));
        assert_eq!(headers["x-forwarded-for"], "1.1.1.1, 10.0.0.1");
        assert_eq!(
            headers["forwarded"],
            "for=10.0.0.1;proto=http;host=\"f.example\""
        );
        assert_eq!(headers["x-forwarded-host"], "f.example");
    }

    #[test]
    fn function_is_told_that_its_caller_came_over_tls() {
        let client = |scheme| Client {
            address: IpAddr::from([192, 0, 2, 1]),
            scheme,
        };
        let told = |scheme, before: &[(&'static str, &'static str)]| {
            let mut headers = map(before);
            add_forwarded(&mut headers, client(scheme));
            let text = |name: &str| headers[name].to_str().unwrap().to_owned();
            (text("x-forwarded-proto"), text("forwarded"))
        };
        let (proto, forwarded) = told(Scheme::Https, &[]);
        assert_eq!(
            (&*proto, &*forwarded),
            ("https", "for=192.0.2.1;proto=https")
        );
        // What a proxy in front said, which is all that comes here, is about who called that one.
        let (proto, forwarded) = told(Scheme::Http, &[("x-forwarded-proto", "https")]);
        assert_eq!(
            (&*proto, &*forwarded),
            ("https", "for=192.0.2.1;proto=http")
        );
    }

    #[test]
    fn addresses_are_written_as_the_standard_library_writes_them() {
        for octet in 0..=255 {
            let address = IpAddr::from([octet, 0, 255 - octet, 9]);
            let mut text = BytesMut::new();
            put_address(&mut text, address);
            assert_eq!(text, address.to_string().as_bytes());
        }
    }

    #[test]
    fn trace_begins_where_the_caller_has_none() {
        let mut headers = HeaderMap::new();
        ensure_traceparent(&mut headers);
        let begun = headers[TRACEPARENT].to_str().unwrap().to_owned();
        let parts: Vec<&str> = begun.split('-').collect();
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        assert_eq!(lengths, [2, 32, 16, 2], "{begun}");
        assert_eq!(parts[3], "01", "it is sampled");
        assert!(begun.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()));
        ensure_traceparent(&mut headers);
        assert_eq!(headers[TRACEPARENT], begun);
    }

    #[test]
    fn trace_that_cannot_be_is_replaced_with_its_state() {
        const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        let valid = [
            format!("00-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-00f067aa0ba902b7-00"),
            format!("cc-{TRACE}-00f067aa0ba902b7-01"),
            format!("cc-{TRACE}-00f067aa0ba902b7-01-later"),
        ];
        let upper = TRACE.to_ascii_uppercase();
        let invalid = [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-00f067aa0ba902b7"),
            format!("00-{TRACE}-00f067aa0ba902b7-"),
            format!("00-{TRACE}-00f067aa0ba902b7-1"),
            format!("00-{TRACE}-00f067aa0ba902b7-01-later"),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("cc-{TRACE}-00f067aa0ba902b7-01later"),
            format!("00-{upper}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{TRACE}x00f067aa0ba902b7-01"),
            format!(" 00-{TRACE}-00f067aa0ba902b7-01"),
        ];
        let settle = |traces: &[&str]| {
            let mut headers = map(&[("tracestate", "a=1")]);
            for trace in traces {
                headers.append(TRACEPARENT, HeaderValue::from_str(trace).unwrap());
            }
            ensure_traceparent(&mut headers);
            let all = headers.get_all(TRACEPARENT).iter();
            let all: Vec<_> = all
                .map(|trace| trace.to_str().unwrap().to_owned())
                .collect();
            (all, headers.contains_key(TRACESTATE))
        };
        for trace in &valid {
            assert_eq!(settle(&[trace]), (vec![trace.clone()], true));
        }
        let twice = [valid[0].as_str(), &valid[1]];
        let replaced = invalid.iter().map(|trace| settle(&[trace]));
        for (all, state) in replaced.chain([settle(&[]), settle(&twice)]) {
            assert!(all.len() == 1 && is_trace(all[0].as_bytes()), "{all:?}");
            assert!(all[0].ends_with("-01") && !state);
            assert!(!valid.contains(&all[0]) && !invalid.contains(&all[0]));
        }
    }

    #[test]
    fn every_line_of_a_list_is_kept() {
        let mut headers = map(&[
            ("forwarded", "for=192.0.2.1"),
            ("forwarded", "for=192.0.2.2, for=192.0.2.3"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-for", ""),
            ("x-forwarded-for", "192.0.2.2"),
        ]);
        add_forwarded(&mut headers, http(IpAddr::from([10, 0, 0, 1])));
        let all = |name: &str| {
            let values = headers.get_all(name).iter();
            values
                .map(|value| value.to_str().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(all("x-forwarded-for"), ["192.0.2.1, 192.0.2.2, 10.0.0.1"]);
        assert_eq!(
            all("forwarded"),
            ["for=192.0.2.1, for=192.0.2.2, for=192.0.2.3, for=10.0.0.1;proto=http"]
        );
    }

    #[test]
    fn request_says_through_whom_it_came_and_not_in_circles() {
        let via = |lines: &[&str], version| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("via", HeaderValue::from_str(line).unwrap());
            }
            let added = add_via(&mut headers, version);
            added
                .map(|()| headers["via"].to_str().unwrap().to_owned())
                .ok()
        };
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(via(&[], Version::HTTP_11), is("1.1 gateless"));
        assert_eq!(via(&[], Version::HTTP_2), is("2.0 gateless"));
        let two = via(&["1.0 a (b)", "1.1 c"], Version::HTTP_10);
        assert_eq!(two, is("1.0 a (b), 1.1 c, 1.0 gateless"));
        let round = ["1.1 gateless"; MAX_HOPS as usize];
        assert!(via(&round[1..], Version::HTTP_11).is_some());
        assert_eq!(via(&round, Version::HTTP_11), None);
        assert_eq!(via(&[&round.join(", ")], Version::HTTP_11), None);
    }

    #[test]
    fn callers_of_either_family_are_written_as_rfc_7239_says() {
        let mut headers = map(&[("forwarded", "for=1.1.1.1"), ("host", "a\"b")]);
        add_forwarded(&mut headers, http(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])));
        assert_eq!(headers["x-forwarded-for"], "::1");
        let expected = "for=1.1.1.1, for=\"[::1]\";proto=http;host=\"ab\"";
        assert_eq!(headers["forwarded"], expected);
    }
}
