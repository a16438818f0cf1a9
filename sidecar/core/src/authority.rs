//! Whom a request is for, as its Host or its target names it (RFC 9110, 7.2; RFC 3986, 3.2).
//!
//! One parse for all who ask: what routes a call, what keeps a function's own paths from the platform, and what the
//! function sees. Deliberately ignorant of HTTP types and of which of the two counts.

/// Bytes a registered name may have. `%` is left out: no host has it, and HTTP/2 libraries refuse it.
const NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let at = byte as u8;
        table[byte] = at.is_ascii_alphanumeric()
            || matches!(
                at,
                b'-' | b'.'
                    | b'_'
                    | b'~'
                    | b'!'
                    | b'$'
                    | b'&'
                    | b'\''
                    | b'('
                    | b')'
                    | b'*'
                    | b'+'
                    | b','
                    | b';'
                    | b'='
            );
        byte += 1;
    }
    table
};

/// Host and port of a request. Neither user information nor a path can be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority<'a> {
    text: &'a str,
    host: usize,
}

/// What stands there is no host and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither a host nor a host and a port")]
pub struct Invalid;

impl<'a> Authority<'a> {
    /// Reads `HOST` or `HOST:PORT`; HTTP allows both to be empty.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &'a [u8]) -> Result<Self, Invalid> {
        let host = match text.first() {
            Some(b'[') => literal(text)?,
            _ => text
                .iter()
                .take_while(|byte| NAME[usize::from(**byte)])
                .count(),
        };
        match &text[host..] {
            [] => {}
            [b':', port @ ..] if port.iter().all(u8::is_ascii_digit) => {}
            _ => return Err(Invalid),
        }
        let text = std::str::from_utf8(text).map_err(|_| Invalid)?;
        Ok(Self { text, host })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Without the port.
    #[must_use]
    pub fn host(&self) -> &'a str {
        &self.text[..self.host]
    }

    /// What stands in front of `.DOMAIN`, in any case and with or without the final dot of a full name; `None` for
    /// hosts elsewhere.
    #[must_use]
    pub fn under(&self, domain: &str) -> Option<&'a str> {
        let host = self.host();
        let host = host.strip_suffix('.').unwrap_or(host);
        let at = host.len().checked_sub(domain.len() + 1)?;
        let (labels, rest) = host.split_at_checked(at)?;
        let rest = rest.strip_prefix('.')?;
        rest.eq_ignore_ascii_case(domain).then_some(labels)
    }
}

/// The length of `[IPv6]`, brackets included.
fn literal(text: &[u8]) -> Result<usize, Invalid> {
    let end = text.iter().position(|byte| *byte == b']').ok_or(Invalid)?;
    let inner = std::str::from_utf8(&text[1..end]).map_err(|_| Invalid)?;
    let _: std::net::Ipv6Addr = inner.parse().map_err(|_| Invalid)?;
    Ok(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_told_apart() {
        let check = |text: &'static str, host: &str| {
            let authority = Authority::parse(text.as_bytes());
            assert_eq!(authority.map(|authority| authority.host()), Ok(host));
        };
        check("a.b", "a.b");
        check("a.b:80", "a.b");
        check("a.b:", "a.b");
        check("A_b~!$&'()*+,;=.", "A_b~!$&'()*+,;=.");
        check("127.0.0.1:7780", "127.0.0.1");
        check("[::1]", "[::1]");
        check("[::1]:80", "[::1]");
        check("", "");
    }

    #[test]
    fn what_is_no_authority_is_refused() {
        let all = [
            "a b",
            " a",
            "a ",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "me@a",
            "me:you@a",
            "a:80:90",
            "a:8o",
            "a:-1",
            "a%20b",
            "::1",
            "[::1",
            "[::1]80",
            "[::1%25eth0]",
            "[a]",
            "[]",
            "a]",
            "a,b c",
            "a\"b",
            "a\u{7f}",
            "http://a",
            "gr\u{fc}n",
        ];
        for text in all {
            assert_eq!(Authority::parse(text.as_bytes()), Err(Invalid), "{text}");
        }
        assert_eq!(Authority::parse(b"a\xff"), Err(Invalid));
    }

    #[test]
    fn names_under_a_domain_are_found_in_any_case_and_with_a_final_dot() {
        let under = |text: &'static str| {
            let authority = Authority::parse(text.as_bytes()).unwrap();
            authority.under("gateless.local")
        };
        for text in [
            "a.b.gateless.local",
            "a.b.gateless.local.",
            "a.b.Gateless.LOCAL.:80",
            "a.b.gateless.local:80",
        ] {
            assert_eq!(under(text), Some("a.b"), "{text}");
        }
        assert_eq!(under(".gateless.local"), Some(""));
        for text in [
            "gateless.local",
            "agateless.local",
            "a.gateless.local..",
            "a.gateless.local.evil",
            "local",
            "",
        ] {
            assert_eq!(under(text), None, "{text}");
        }
    }
}
