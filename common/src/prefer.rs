//! What a request prefers (RFC 7240): to be answered later, and how long its caller waits.

use http::HeaderMap;

use crate::header::PREFER;

/// The preferences that Gateless knows; others are passed over, as the RFC asks (section 2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `respond-async` (section 4.1).
    pub respond_async: bool,
    /// `wait`, in seconds (section 4.3); the first that is a number.
    pub wait: Option<u64>,
}

impl Preferences {
    /// Those of a request, whichever of its lines they are on.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut preferences = Self::default();
        let lines = headers.get_all(PREFER).iter();
        let tokens = lines
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split([',', ';']));
        for token in tokens {
            let (name, value) = token.split_once('=').unwrap_or((token, ""));
            let name = name.trim();
            if name.eq_ignore_ascii_case("respond-async") {
                preferences.respond_async = true;
            } else if name.eq_ignore_ascii_case("wait") {
                let seconds = value.trim().trim_matches('"').parse().ok();
                preferences.wait = preferences.wait.or(seconds);
            }
        }
        preferences
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(lines: &[&'static str]) -> (bool, Option<u64>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(PREFER, HeaderValue::from_static(line));
        }
        let preferences = Preferences::of(&headers);
        (preferences.respond_async, preferences.wait)
    }

    #[test]
    fn preferences_are_read_as_rfc_7240_writes_them() {
        assert_eq!(of(&[]), (false, None));
        assert_eq!(of(&["respond-async, wait=10"]), (true, Some(10)));
        assert_eq!(of(&["wait=10; Respond-Async"]), (true, Some(10)));
        assert_eq!(of(&["handling=lenient", "WAIT = \"7\""]), (false, Some(7)));
        assert_eq!(of(&["wait=soon", "wait=3, wait=4"]), (false, Some(3)));
        assert_eq!(of(&["respond-async"]), (true, None));
    }
}
